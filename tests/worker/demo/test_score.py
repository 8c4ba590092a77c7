"""The demo's score: strict about what a ticket is, fair about single fields."""

import json

import pytest

from worker.demo.dataset import Ticket, load
from worker.demo.score import Score, judge, parse, score

WANTED: Ticket = {
    "category": "delivery",
    "product": "desk lamp",
    "order": "48213",
    "urgent": False,
    "refund": False,
}


def answer(**changes: object) -> str:
    return json.dumps({**WANTED, **changes})


def test_the_wanted_ticket_is_all_right() -> None:
    verdict = judge(answer(), WANTED)
    assert verdict.valid
    assert verdict.all_right


def test_white_space_and_the_order_of_keys_do_not_matter() -> None:
    backwards = "\n " + json.dumps({name: WANTED[name] for name in reversed(list(WANTED))}, indent=2) + "\n"
    assert judge(backwards, WANTED).all_right


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The customer asks for a desk lamp.",
        f"Here is the ticket: {json.dumps(WANTED)}",
        f"```json\n{json.dumps(WANTED)}\n```",
        json.dumps(WANTED)[:-1],
        json.dumps([WANTED]),
        "null",
        '{"category": "delivery", "category": "delivery"}',
        "[" * 100_000,
    ],
)
def test_what_is_no_json_object_has_nothing_right(text: str) -> None:
    assert parse(text) is None
    verdict = judge(text, WANTED)
    assert not verdict.valid
    assert not verdict.right


@pytest.mark.parametrize(
    "change",
    [
        {"category": "shipping"},
        {"category": ["delivery"]},
        {"product": ""},
        {"product": 7},
        {"order": 48213},
        {"order": "no. 48213"},
        {"urgent": "false"},
        {"refund": 0},
    ],
)
def test_a_value_that_is_not_allowed_makes_the_ticket_invalid_and_its_field_wrong(
    change: dict[str, object],
) -> None:
    verdict = judge(answer(**change), WANTED)
    assert not verdict.valid
    assert verdict.right == WANTED.keys() - change.keys()


def test_an_allowed_value_that_is_wrong_costs_its_field_only() -> None:
    verdict = judge(answer(category="billing", order=None), WANTED)
    assert verdict.valid
    assert verdict.right == {"product", "urgent", "refund"}
    assert not verdict.all_right


def test_a_key_too_many_is_no_ticket_though_every_field_is_right() -> None:
    verdict = judge(answer(note="call back"), WANTED)
    assert not verdict.valid
    assert verdict.right == WANTED.keys()
    assert not verdict.all_right


def test_a_missing_key_is_no_ticket() -> None:
    short = {name: value for name, value in WANTED.items() if name != "product"}
    verdict = judge(json.dumps(short), WANTED)
    assert not verdict.valid
    assert verdict.right == short.keys()


def test_the_score_is_made_of_shares() -> None:
    answers = [answer(), answer(urgent=True), "I am sorry to hear that.", answer(note=1)]
    assert score((text, WANTED) for text in answers) == Score(
        answers=4, valid=0.5, fields_right=(5 + 4 + 0 + 5) / 20, all_right=0.25
    )


def test_no_answers_score_nothing() -> None:
    assert score([]) == Score(answers=0, valid=0.0, fields_right=0.0, all_right=0.0)


def test_the_held_out_answers_themselves_score_full_marks() -> None:
    examples = load("heldout")
    best = score((example.answer, example.ticket) for example in examples)
    assert best == Score(answers=len(examples), valid=1.0, fields_right=1.0, all_right=1.0)
