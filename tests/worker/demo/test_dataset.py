"""The demo's data: well formed, consistent with its own rules, and nothing held out that training has seen."""

import json
import re
from collections import Counter
from itertools import combinations
from typing import get_args

import pytest

from worker.demo.dataset import CATEGORIES, FIELDS, Example, Part, is_ticket, load, path

PARTS: tuple[Part, ...] = get_args(Part)
EVERYTHING = [(part, example) for part in PARTS for example in load(part)]


def words(example: Example) -> set[str]:
    return set(re.findall(r"[a-z]+", example.message.lower()))


def likeness(one: Example, other: Example) -> float:
    return len(words(one) & words(other)) / len(words(one) | words(other))


def test_the_parts_have_their_sizes() -> None:
    assert {part: len(load(part)) for part in PARTS} == {"train": 144, "validation": 20, "heldout": 18}


@pytest.mark.parametrize("part", PARTS)
def test_every_line_is_a_chat_of_system_user_and_assistant(part: Part) -> None:
    for line in path(part).read_text(encoding="utf-8").splitlines():
        chat = json.loads(line)
        assert chat.keys() == {"messages"}
        assert [message["role"] for message in chat["messages"]] == ["system", "user", "assistant"]
        assert all(message.keys() == {"role", "content"} for message in chat["messages"])


def test_one_instruction_names_every_field() -> None:
    (instruction,) = {example.prompt[0]["content"] for _, example in EVERYTHING}
    assert all(name in instruction for name in FIELDS)


def test_every_answer_is_a_compact_ticket_in_the_order_of_the_fields() -> None:
    for _, example in EVERYTHING:
        assert is_ticket(dict(example.ticket))
        assert list(example.ticket) == list(FIELDS)
        assert example.answer == json.dumps(example.ticket, separators=(",", ":"))


def test_products_and_orders_are_the_customers_own_words() -> None:
    for _, example in EVERYTHING:
        product, order = example.ticket["product"], example.ticket["order"]
        assert re.findall(r"\d{5}", example.message) == ([order] if order else [])
        assert product is None or str(product) in example.message.lower()
        assert (product is None) == (example.ticket["category"] == "account")


def test_training_shows_every_category_equally_and_every_flag_often() -> None:
    tickets = [example.ticket for example in load("train")]
    assert Counter(ticket["category"] for ticket in tickets) == dict.fromkeys(CATEGORIES, 24)
    for flag in ("urgent", "refund"):
        assert 0.1 < sum(ticket[flag] is True for ticket in tickets) / len(tickets) < 0.5


def test_the_held_out_part_asks_for_every_category() -> None:
    assert {example.ticket["category"] for example in load("heldout")} == set(CATEGORIES)


def test_nothing_held_out_or_validated_was_trained_on() -> None:
    trained = load("train")
    for field in ("product", "order"):
        seen = {example.ticket[field] for example in trained} - {None}
        for part in ("validation", "heldout"):
            assert not seen & {example.ticket[field] for example in load(part)}


def test_no_two_messages_are_nearly_the_same() -> None:
    for (_, one), (_, other) in combinations(EVERYTHING, 2):
        assert likeness(one, other) < 0.5, (one.message, other.message)


def test_no_contact_details() -> None:
    for _, example in EVERYTHING:
        assert not re.search(r"@|https?:|\d{6,}", example.message)
