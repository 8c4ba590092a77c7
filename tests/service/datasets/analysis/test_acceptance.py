"""What the fast way takes is clean to the slow way, and says the same."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.datasets.analysis.acceptance import Taken, acceptance
from service.datasets.analysis.quotes import delimiters, marks
from service.datasets.analysis.rich import accept_rich
from service.datasets.validation.formats import Format, check, read
from tests.service.datasets.analysis.lines_of_data import chats, completions, lines, pairs

CLEAN: dict[Format, dict[str, Any]] = {
    "chat": {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]},
    "preference": {"input": {"messages": [{"role": "user", "content": "Hi"}]},
                   "preferred_output": [{"role": "assistant", "content": "Yes?"}],
                   "non_preferred_output": [{"role": "assistant", "content": "What."}]},
    "completion": {"prompt": "Hi", "completion": " Yes?"},
}


def take(form: Format, given: list[bytes]) -> Taken:
    return acceptance(form).take(b"\n".join(given), given)


def check_taken(form: Format, given: list[bytes]) -> None:
    """What is taken has no findings, and says what the slow way reads."""
    taken = take(form, given)
    assert sorted([*taken.rows, *taken.left]) == [row for row, line in enumerate(given) if line]
    at = 0
    for row, shape in zip(taken.rows, taken.shapes, strict=True):
        texts = taken.texts[at:at + len(shape.roles)]
        at += len(shape.roles)
        assert check(given[row], 1, form) == []
        assert [*zip(shape.roles, texts, shape.trained, strict=True)] == read(given[row], form)
    assert at == len(taken.texts)


class TestTake:
    @given(st.lists(lines(chats()), max_size=4))
    @settings(max_examples=60, deadline=None)
    def test_a_chat_that_is_taken_has_no_findings(self, given: list[bytes]) -> None:
        check_taken("chat", [line for line in given if b"\n" not in line])

    @given(st.lists(lines(pairs()), max_size=4))
    @settings(max_examples=40, deadline=None)
    def test_a_pair_that_is_taken_has_no_findings(self, given: list[bytes]) -> None:
        check_taken("preference", given)

    @given(st.lists(lines(completions()), max_size=4))
    @settings(max_examples=40, deadline=None)
    def test_a_completion_that_is_taken_has_no_findings(self, given: list[bytes]) -> None:
        check_taken("completion", given)

    @pytest.mark.parametrize("form", CLEAN)
    def test_clean_lines_are_taken(self, form: Format) -> None:
        given = [json.dumps(CLEAN[form]).encode()] * 3
        assert take(form, given).rows == [0, 1, 2]

    def test_a_key_that_comes_twice_is_left_though_blanks_hide_its_colon(self) -> None:
        line = json.dumps(CLEAN["chat"]).encode()
        assert take("chat", [line, b'{"messages" :[],' + line[1:], line]).left == [1]

    def test_a_text_that_ends_in_a_backslash_is_taken(self) -> None:
        value = {"messages": [{"role": "user", "content": 'C:\\ "\\"'}, {"role": "assistant", "content": "\\"}]}
        assert take("chat", [json.dumps(value).encode()]).left == []

    def test_a_nul_is_left(self) -> None:
        value = {"messages": [{"role": "user", "content": "a\0"}, {"role": "assistant", "content": "b"}]}
        assert take("chat", [json.dumps(CLEAN["chat"]).encode(), json.dumps(value).encode()]).rows == [0]

    def test_an_escaped_backslash_before_u0000_is_no_nul(self) -> None:
        value = {"messages": [{"role": "user", "content": "\\u0000"}, {"role": "assistant", "content": "b"}]}
        assert take("chat", [json.dumps(value).encode()]).rows == [0]

    def test_two_outputs_that_are_the_same_are_left(self) -> None:
        value = CLEAN["preference"] | {"non_preferred_output": CLEAN["preference"]["preferred_output"]}
        assert take("preference", [json.dumps(value).encode()]).left == [0]


class TestRich:
    @given(lines(chats()))
    @settings(max_examples=200, deadline=None)
    def test_a_chat_that_is_accepted_has_no_findings(self, line: bytes) -> None:
        accepted = accept_rich(line)
        if accepted is not None:
            shape, texts = accepted
            assert check(line, 1, "chat") == []
            assert [*zip(shape.roles, texts, shape.trained, strict=True)] == read(line, "chat")

    def test_calls_that_are_answered_are_accepted(self) -> None:
        tools = [{"type": "function", "function": {"name": "find", "parameters": {
            "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]
        call = {"id": "1", "type": "function", "function": {"name": "find", "arguments": '{"city": "Rome"}'}}
        value = {"messages": [
            {"role": "user", "content": "Where?", "name": "anna"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "here"},
            {"role": "assistant", "content": "There.", "weight": 1}], "tools": tools}
        line = json.dumps(value).encode()
        accepted = accept_rich(line)
        assert accepted is not None
        assert accepted[0].roles == ("tools", "user", "assistant", "call", "tool", "assistant")
        call["function"] = {"name": "find", "arguments": '{"city": 3}'}
        wrong = json.dumps(value).encode()
        assert accept_rich(wrong) is None

    def test_an_example_that_ends_untrained_is_left(self) -> None:
        value = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0}]}
        line = json.dumps(value).encode()
        assert accept_rich(line) is None


WORDS = st.sampled_from(["", "x", "é", "\x00", "\ud800", 'a":', '"', "\\", "user"])
MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["system", "developer", "user", "assistant", "tool", "bot"]),
     "content": WORDS | st.none()},
    optional={"name": WORDS, "weight": st.sampled_from([0, 1, 2, True, 1.0, None]), "x": WORDS})


@given(st.lists(MESSAGES, max_size=4), st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")]))
def test_the_fast_way_never_passes_what_the_slow_way_finds(messages: list[Any], separators: tuple[str, str]) -> None:
    for ascii_only in (True, False):
        text = json.dumps({"messages": messages}, separators=separators, ensure_ascii=ascii_only)
        line = text.encode(errors="surrogatepass")
        check_taken("chat", [line])
        if accept_rich(line) is not None:
            assert check(line, 1, "chat") == []


class TestMarks:
    @given(st.lists(st.text(st.sampled_from('a"\\u0\0'), max_size=12), min_size=1, max_size=5))
    def test_are_what_a_reader_would_see(self, given: list[str]) -> None:
        encoded = [json.dumps(text).encode() for text in given]
        seen = marks(b"\n".join(encoded))
        assert [delimiters(line) for line in encoded] == [2] * len(given)
        assert seen.delimiters == 2 * len(given)
        assert seen.spells_nul == any("\0" in text for text in given)
