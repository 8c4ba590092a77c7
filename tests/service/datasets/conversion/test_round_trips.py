"""What goes out in another shape comes back as it was, or is refused; nothing is lost unseen."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from service.datasets.conversion import exporting
from tests.service.datasets.conversion.converting import Converted
from tests.service.datasets.validation.examples import chats, preferences

MANY = settings(max_examples=40, deadline=None,
                suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much,
                                       HealthCheck.too_slow])
ASKED = {"role": "user", "content": "a"}
SAID = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(str.strip)
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | SAID,
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SAID, inner, max_size=3), max_leaves=6)


def back(path: Path, lines: list[bytes], format: str) -> tuple[list[bytes], list[str]]:
    """The lines out and in again, and why lines were left out."""
    left_out: list[str] = []
    count = exporting.export(iter(lines), format, path, skip=lambda _, why: left_out.append(why))
    assert count + len(left_out) == len(lines)
    return (Converted(path, None, None).bytes.split(b"\n")[:-1] if count else []), left_out


def single(asked: str, answered: str, system: str | None) -> dict[str, Any]:
    told = [] if system is None else [{"role": "system", "content": system}]
    return {"messages": [*told, {"role": "user", "content": asked}, {"role": "assistant", "content": answered}]}


@st.composite
def talks(draw: Any) -> tuple[dict[str, Any], str]:
    """A chat with calls whose ids count from 1, and its tools as text, spaced and ordered in any way."""
    tools = draw(st.lists(st.fixed_dictionaries({"name": st.text("abc_", min_size=1, max_size=8)}, optional={
        "description": SAID, "parameters": st.dictionaries(SAID, JSON, max_size=3)}), min_size=1, max_size=3))
    separators = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,  ", " : ")]))
    text = json.dumps([{"type": "function", "function": tool} for tool in tools], separators=separators,
                      ensure_ascii=draw(st.booleans()))
    messages: list[dict[str, Any]] = [{"role": "user", "content": draw(SAID)}]
    count = 0
    calls = st.lists(st.dictionaries(SAID, JSON, max_size=3), min_size=1, max_size=3)
    for arguments in draw(st.lists(calls, max_size=3)):
        ids = [f"call_{count + at}" for at in range(1, len(arguments) + 1)]
        count += len(ids)
        messages.append({"role": "assistant", "tool_calls": [
            {"id": id_, "type": "function",
             "function": {"name": tools[0]["name"], "arguments": json.dumps(each, separators=separators)}}
            for id_, each in zip(ids, arguments, strict=True)]})
        messages += [{"role": "tool", "tool_call_id": id_, "content": draw(SAID)} for id_ in ids]
    messages.append({"role": "assistant", "content": draw(SAID)})
    return {"messages": messages}, text


class TestRoundTrips:
    @pytest.mark.parametrize("format", ["alpaca", "csv", "sharegpt", "parquet"])
    @given(asked=SAID, answered=SAID, system=SAID | st.none())
    @MANY
    def test_one_question_and_its_answer(self, tmp_path: Path, format: str, asked: str, answered: str,
                                         system: str | None) -> None:
        example = single(asked, answered, system)
        lines, left_out = back(tmp_path / f"x.{format}", [json.dumps(example).encode()], format)
        assert [json.loads(line) for line in lines] == [example]
        assert left_out == []

    @pytest.mark.parametrize("format", ["sharegpt", "parquet"])
    @given(made=talks())
    @MANY
    def test_tools_come_back_to_the_letter_and_so_do_arguments(self, tmp_path: Path, format: str, made: Any) -> None:
        talk, tools = made
        example = f'{json.dumps(talk)[:-1]}, "tools": {tools}}}'
        [line], _ = back(tmp_path / f"x.{format}", [example.encode()], format)
        assert json.loads(line) == json.loads(example)
        for tool in split_array(tools):
            assert tool in line.decode()

    @pytest.mark.parametrize("format", ["sharegpt", "parquet", "alpaca", "csv"])
    @given(example=chats())
    @MANY
    def test_any_valid_chat_comes_back_as_it_was_or_is_refused(self, tmp_path: Path, format: str, example: Any) -> None:
        lines, left_out = back(tmp_path / f"x.{format}", [json.dumps(example).encode()], format)
        assert len(lines) + len(left_out) == 1
        if lines:
            assert same(json.loads(lines[0])) == same(example)
        else:
            assert format != "parquet"

    @given(example=preferences())
    @MANY
    def test_any_valid_pair_comes_back_from_parquet(self, tmp_path: Path, example: Any) -> None:
        [line], _ = back(tmp_path / "x.parquet", [json.dumps(example).encode()], "parquet")
        assert json.loads(line) == example


def split_array(text: str) -> list[str]:
    """The texts of an array's elements."""
    return [bytes(each).decode() for each in msgspec.json.decode(text, type=list[msgspec.Raw])]


def same(example: dict[str, Any]) -> Any:
    """An example without what does not change its meaning: names of ids, a weight of 1, nulls."""
    ids: dict[str, str] = {}
    text = json.loads(json.dumps(example), object_hook=lambda each: {
        name: value for name, value in each.items() if value is not None and (name, value) != ("weight", 1)})
    for message in text["messages"]:
        for call in message.get("tool_calls", ()):
            call["id"] = ids.setdefault(call["id"], f"call_{len(ids) + 1}")
        if "tool_call_id" in message:
            message["tool_call_id"] = ids[message["tool_call_id"]]
    return text


class TestRefusals:
    @staticmethod
    def calls(*results: str) -> list[Any]:
        return [ASKED, {"role": "assistant", "tool_calls": [
            {"id": id_, "type": "function", "function": {"name": "f", "arguments": "{}"}} for id_ in ("x", "y")]},
            *({"role": "tool", "tool_call_id": id_, "content": id_} for id_ in results),
            {"role": "assistant", "content": "b"}]

    @pytest.mark.parametrize("format", ["sharegpt", "alpaca", "csv"])
    @pytest.mark.parametrize(("message", "rest", "why"), [
        ({"weight": 0}, {}, "no place for weight"), ({"name": "joe"}, {}, "no place for name"),
        ({}, {"parallel_tool_calls": False}, "no place for parallel_tool_calls"),
        ({}, {"functions": [{"name": "f"}]}, "no place for functions"),
        ({}, {"zzz": 1}, "no place for a key that OpenAI's format does not have")])
    def test_what_would_be_lost_is_refused(self, tmp_path: Path, format: str, message: Any, rest: Any,
                                           why: str) -> None:
        example = {"messages": [ASKED, {"role": "assistant", "content": "b", **message}], **rest}
        assert back(tmp_path / "x", [json.dumps(example).encode()], format) == ([], [why])

    def test_results_out_of_order_would_change_places(self, tmp_path: Path) -> None:
        lines = [json.dumps({"messages": self.calls(*order)}).encode() for order in ("xy", "yx", "x")]
        kept, left_out = back(tmp_path / "x.json", lines, "sharegpt")
        told = json.loads(kept[0])["messages"]
        assert [message["content"] for message in told if message["role"] == "tool"] == ["x", "y"]
        assert left_out == ["results in another order than their calls", "a call without its result"]

    @pytest.mark.parametrize("format", exporting.FORMATS)
    @given(line=st.binary(max_size=40) | JSON.map(lambda value: json.dumps({"messages": value}).encode())
           | JSON.map(lambda value: json.dumps({"messages": [{"role": "assistant", "tool_calls": value}]}).encode()))
    @MANY
    def test_no_line_stops_an_export(self, tmp_path: Path, format: str, line: bytes) -> None:
        assume(line.strip())
        left_out: list[str] = []
        count = exporting.export(iter([line]), format, tmp_path / "x", skip=lambda _, why: left_out.append(why))
        assert count + len(left_out) == 1
