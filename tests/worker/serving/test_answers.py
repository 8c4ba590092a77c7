"""Tokens become text, tool calls and events: nothing is split, nothing that may be a marker is shown early."""

import json
from typing import Any

import pytest

from worker.serving import tools
from worker.serving.answers import Answer, Done, Event, Piece
from worker.serving.bases import Tokenizer
from worker.serving.sampling import Choice
from worker.serving.text import Detokenizer, Holdback

WEATHER = '{"name": "get_weather", "arguments": {"city": "Paris"}}'


@pytest.fixture(scope="module")
def tokenizer(reference: tuple[Any, Any]) -> Tokenizer:
    return Tokenizer(reference[1])


def said(tokenizer: Tokenizer, text: str, *, stops: tuple[str, ...] = (), limit: int = 1000) -> list[Event]:
    """The events of a model that says `text` and then ends its turn."""
    answer = Answer(tokenizer, ends=frozenset({-1}), limit=limit, stops=stops, may_call=True)
    events: list[Event] = []
    for token in [*tokenizer.encode(text), -1]:
        events += answer.push(Choice(token))
        if events and isinstance(events[-1], Done):
            break
    return events


def shown(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Piece))


def test_characters_of_many_tokens_come_whole(tokenizer: Tokenizer) -> None:
    text = "naïve 🧑‍🚀 日本語 <|im"
    detokenizer = Detokenizer(tokenizer)
    pieces = [detokenizer.push(token) for token in tokenizer.encode(text)]
    assert "".join(pieces) + detokenizer.flush() == text
    assert not any("\ufffd" in piece for piece in pieces)
    assert pieces.count("") > 5


def test_an_unfinished_character_is_shown_as_such_at_the_end(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("ok🧑")[:-1]
    detokenizer = Detokenizer(tokenizer)
    pieces = [detokenizer.push(token) for token in ids]
    assert "".join(pieces) == "ok"
    assert detokenizer.flush() == "\ufffd"


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_the_earliest_marker_wins_however_text_is_cut(size: int) -> None:
    text = "one two three STOP four END five"
    holdback = Holdback(["END", "STOP", "three STAR"])
    pieces = [holdback.push(text[at : at + size]) for at in range(0, len(text), size)]
    assert "".join(pieces) == "one two three "
    assert holdback.found == "STOP"


def test_what_only_looked_like_a_marker_is_given_back() -> None:
    holdback = Holdback(["STOP"])
    assert holdback.push("a STO") == "a "
    assert holdback.push("RY ST") == "STORY "
    assert holdback.rest() == "ST"


def test_stop_strings_end_the_answer(tokenizer: Tokenizer) -> None:
    events = said(tokenizer, "The capital of France is Paris.", stops=("nce i",))
    assert shown(events) == "The capital of Fra"
    assert isinstance(events[-1], Done)
    assert events[-1].finish == "stop"


@pytest.mark.parametrize(
    ("text", "before", "names"),
    [
        (f"<tool_call>{WEATHER}</tool_call>", "", ["get_weather"]),
        (f"Let me look.\n<tool_call>\n{WEATHER}\n</tool_call>\n<tool_call>{WEATHER}</tool_call>",
         "Let me look.\n", ["get_weather"] * 2),
        (f"<tool_call>[{WEATHER}, {WEATHER}]</tool_call>", "", ["get_weather"] * 2),
        (f"<tool_call>{WEATHER}", "", ["get_weather"]),
    ],
)  # fmt: skip
def test_tool_calls_are_taken_out_of_the_text(tokenizer: Tokenizer, text: str, before: str, names: list[str]) -> None:
    events = said(tokenizer, text)
    done = events[-1]
    assert isinstance(done, Done)
    assert shown(events) == before
    assert done.finish == "tool_calls"
    assert [call.function.name for call in done.calls] == names
    assert all(json.loads(call.function.arguments) == {"city": "Paris"} for call in done.calls)
    assert len({call.id for call in done.calls}) == len(names)


@pytest.mark.parametrize(
    "text", ["<tool_call>not json</tool_call>", "<tool_call>[]</tool_call>", "a <tool_cal", "<tool_call>7"]
)
def test_what_is_no_tool_call_stays_text(tokenizer: Tokenizer, text: str) -> None:
    events = said(tokenizer, text)
    assert shown(events) == text
    assert events[-1] == Done("stop", len(tokenizer.encode(text)))


def test_a_call_cut_off_by_the_limit_stays_text(tokenizer: Tokenizer) -> None:
    events = said(tokenizer, f"<tool_call>{WEATHER}</tool_call>", limit=12)
    assert events[-1] == Done("length", 12)
    assert shown(events).startswith("<tool_call>")


def test_deep_nesting_is_no_tool_call() -> None:
    assert tools.parse("[" * 100_000) is None
