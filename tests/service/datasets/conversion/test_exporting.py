"""Training data in other shapes, and that it comes back as it was."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from service.datasets.conversion import exporting, reading
from service.datasets.conversion.reading import Outcome
from service.datasets.validation.formats import check
from tests.service.datasets.conversion.converting import A, Q

SAID = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(str.strip)
ODD = st.sampled_from(["1e5", "1.0", "-0.0", "12345678901234567890123", "1E+2", '"\\u00e9"', '"é😀"', "null", "[ ]",
                       '{"b":1,"a":2}', '{ "x" : [1 , 2.50] }', '"\\/"'])


@st.composite
def schemas(draw: st.DrawFn) -> str:
    """The text of declared tools, spaced, ordered and numbered as nobody's encoder would."""
    extra = ", ".join(f'"x{at}":  {value}' for at, value in enumerate(draw(st.lists(ODD, max_size=4))))
    return ('[{"type": "function",  "function": {"name": "f", "parameters": {"properties": {"a": {"default": '
            f'{draw(ODD)}}}}}, "type" : "object"' + (f", {extra}" if extra else "") + "}}}]")


@st.composite
def talks(draw: st.DrawFn) -> bytes:
    messages: list[Any] = [{"role": "system", "content": draw(SAID)}] if draw(st.booleans()) else []
    number, called = 0, False
    for _ in range(draw(st.integers(1, 3))):
        messages.append({"role": "user", "content": draw(SAID)})
        if draw(st.booleans()):
            called, ids = True, [f"call_{number + at}" for at in range(1, draw(st.integers(1, 3)) + 1)]
            number += len(ids)
            messages.append({"role": "assistant", "tool_calls": [{"id": each, "type": "function", "function": {
                "name": "f", "arguments": '{"a": ' + draw(ODD) + "}"}} for each in ids]})
            messages += [{"role": "tool", "tool_call_id": each, "content": draw(SAID)} for each in ids]
        messages.append({"role": "assistant", "content": draw(SAID)})
    tools = f', "tools": {draw(schemas())}' if called or draw(st.booleans()) else ""
    return f'{{"messages": {json.dumps(messages, ensure_ascii=False)}{tools}}}'.encode()


PAIRS = st.builds(lambda asked, tools: (
    f'{{"input": {{"messages": {json.dumps([{"role": "user", "content": asked}])}, "tools": {tools}}},'
    f' "preferred_output": {json.dumps([A])}, "non_preferred_output": {json.dumps([A])}}}').encode(), SAID, schemas())
SINGLE = st.builds(lambda system, asked, answer: json.dumps({"messages": [
    *([{"role": "system", "content": system}] if system else []), {"role": "user", "content": asked},
    {"role": "assistant", "content": answer}]}, ensure_ascii=False).encode(), st.none() | SAID, SAID, SAID)


def there_and_back(folder: Path, lines: list[bytes], to: str) -> list[bytes]:
    target, skipped = folder / f"exported.{ {'sharegpt': 'json', 'alpaca': 'json'}.get(to, to)}", list[Any]()
    assert exporting.export(iter(lines), to, target, skip=lambda *why: skipped.append(why)) == len(lines)
    assert skipped == []
    outcome = Outcome()
    back = list(reading.convert(target, reading.detect(target), outcome))
    assert outcome.reasons == {}
    return back


class TestRoundTrip:
    @settings(max_examples=60, deadline=None)
    @given(talks(), talks(), st.sampled_from(["sharegpt", "parquet"]))
    def test_chats_with_tools_come_back_with_their_schemas_and_arguments_to_the_byte(
            self, tmp_path_factory: pytest.TempPathFactory, one: bytes, two: bytes, to: str) -> None:
        lines = [one, two]
        assume(not any(each.severity == "error" for line in lines for each in check(line, 1, "chat")))
        back = there_and_back(tmp_path_factory.getbasetemp(), lines, to)
        assert [line.rstrip(b"\n") for line in back] == lines

    @settings(max_examples=40, deadline=None)
    @given(st.lists(SINGLE, min_size=1, max_size=5), st.sampled_from(["alpaca", "csv", "sharegpt", "parquet"]))
    def test_one_question_and_one_answer(self, tmp_path_factory: pytest.TempPathFactory, lines: list[bytes],
                                         to: str) -> None:
        back = there_and_back(tmp_path_factory.getbasetemp(), lines, to)
        assert [json.loads(line) for line in back] == [json.loads(line) for line in lines]

    @settings(max_examples=40, deadline=None)
    @given(PAIRS)
    def test_preference_pairs(self, tmp_path_factory: pytest.TempPathFactory, pair: bytes) -> None:
        assume(not any(each.severity == "error" for each in check(pair, 1, "preference")))
        [back] = there_and_back(tmp_path_factory.getbasetemp(), [pair], "parquet")
        assert back.rstrip(b"\n") == pair

    def test_tools_printed_over_many_lines_come_on_one_and_are_otherwise_as_they_were(self, tmp_path: Path) -> None:
        text = '[\n  {\n    "name": "f",\r\n    "parameters": {"z": 1e5, "a": 1.0, "n": 123456789012345678901}\n  }\n]'
        (tmp_path / "a.json").write_text(json.dumps([{"conversations": [
            {"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}], "tools": text}]))
        [line] = reading.convert(tmp_path / "a.json", reading.detect(tmp_path / "a.json"), Outcome())
        assert line.count(b"\n") == 1
        assert b'{"z": 1e5, "a": 1.0, "n": 123456789012345678901}' in line


def refused(lines: list[bytes], to: str, folder: Path) -> list[tuple[int, str]]:
    skipped: list[tuple[int, str]] = []
    exporting.export(iter(lines), to, folder / "x", skip=lambda *why: skipped.append(why))
    return skipped


class TestRefusal:
    def test_what_has_no_place_is_skipped_with_its_line(self, tmp_path: Path) -> None:
        call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        swapped = [Q, {"role": "assistant", "tool_calls": [call, {**call, "id": "c2"}]},
                   {"role": "tool", "tool_call_id": "c2", "content": "r"},
                   {"role": "tool", "tool_call_id": "c1", "content": "r"}, A]
        wrong = [{"messages": swapped}, {"messages": [Q, {**A, "weight": 0}]}, {"messages": [{**Q, "name": "n"}, A]},
                 {"messages": [Q, A], "parallel_tool_calls": False}, {"messages": [Q, {"role": "assistant"}]},
                 {"messages": [{"role": "user", "content": [{"type": "text", "text": "q"}]}, A]}, {"messages": 5}, {}]
        lines = [json.dumps(each).encode() for each in wrong]
        assert [number for number, _ in refused(lines, "sharegpt", tmp_path)] == list(range(1, 9))
        assert [number for number, _ in refused(lines, "csv", tmp_path)] == list(range(1, 9))

    @pytest.mark.parametrize("to", exporting.FORMATS)
    def test_no_line_breaks_it(self, tmp_path: Path, to: str) -> None:
        lines = [b"", b"{", b"[]", b"5", b"\xff", b'{"messages": [5]}', b'{"messages": [{"role": 5, "content": "x"}]}',
                 b'{"messages": [{"role": "assistant", "tool_calls": 5}]}', b'{"messages": ' + b"[" * 100_000,
                 b'{"messages": [{"role": "assistant", "tool_calls": [{"id": "x", "function": {"name": 5}}]}]}']
        assert len(refused(lines, to, tmp_path)) >= 5
