"""Lines that are no JSON, or JSON that readers disagree about: a finding each, never an exception."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.datasets.validation import formats
from service.datasets.validation.findings import Finding
from service.datasets.validation.kinds import KINDS
from service.datasets.validation.texts import MAX_DEPTH
from service.settings import MiB


def check_chat_line(line: bytes, number: int) -> list[Finding]:
    return formats.check(line, number, "chat")


ANSWER = b'{"role":"assistant","content":"b"}]'
GOOD = b'{"messages":[{"role":"user","content":"a"},' + ANSWER + b"}"


def with_tools(schema: bytes) -> bytes:
    return GOOD[:-1] + b',"tools":[{"type":"function","function":{"name":"f","parameters":' + schema + b"}}]}"


@pytest.mark.parametrize(("line", "kind", "severity", "message"), [
    (b'{"messages": [}', "invalid_json", "error",
     "Example 5 cannot be parsed. Error: line contains invalid json: Expecting value: column 15"),
    (b'{"a": "\xff"}', "invalid_utf8", "error", "Example 5 cannot be parsed. Error: byte 8 of the line is not UTF-8."),
    (b"\xef\xbb\xbf" + GOOD, "stray_byte_order_mark", "error", None),
    (b"\xef\xbb\xbf" * 100_000 + GOOD, "stray_byte_order_mark", "error", None),
    (GOOD.decode().encode("utf-16"), "invalid_utf8", "error", None),
    (GOOD.decode().encode("utf-16-le"), "invalid_json", "error", None),
    (b"  \t\r", "blank_line", "info", "Line 5 is empty."),
    (b"[" + GOOD + b"," + GOOD + b"]", "not_an_object", "error", "Example 5 is not a dictionary."),
    (GOOD.replace(b'"a"', b'"' + b"a" * 1_000_001 + b'"'), "very_long_text", "info", None),
    (with_tools(b'{"' + b"k" * 1_000_000 + b'": 1}'), "long_key", "warning", None),
    (GOOD[:-1] + b',"' + b"k" * 1_000_000 + b'": 1}', "unknown_key", "error", None),
    (with_tools(b'{"a":-' + b"9" * 30 + b"}"), "large_number", "warning", None),
    (GOOD.replace(b'"content":"b"', b'"content" :"b","content":"c"'), "duplicate_key", "warning", None),
    (b'{"a\\\\":1,"x":1,"x":2,"messages":[]}', "duplicate_key", "warning", None),
    (GOOD.replace(b'"a"', b'"\x00"'), "invalid_json", "error", None),
    (GOOD.replace(b'"a"', b'"\\u0000"'), "nul_character", "warning", None),
    (GOOD.replace(b'"a"', b'"\\ud83d"'), "unpaired_surrogate", "error", None),
    (GOOD.replace(b'"a"', b'"a","content":"b"'), "duplicate_key", "warning", None),
    (with_tools(b'{"a":NaN}'), "not_a_number", "error", None),
    (with_tools(b'{"a":-Infinity}'), "not_a_number", "error", None),
    (with_tools(b'{"a":1e999}'), "number_out_of_range", "error", None),
    (with_tools(b'{"a":' + b"9" * 5000 + b"}"), "number_out_of_range", "error", None),
    (with_tools(b'{"a":' + b"9" * 30 + b"}"), "large_number", "warning", None),
    (with_tools(b'{"a":' * 70 + b"1" + b"}" * 70), "nesting_too_deep", "error", None),
    (b"[" * 100_000, "nesting_too_deep", "error", None),
    (b"[" * 1_000_000, "too_complex", "error", None),
    (GOOD + GOOD, "invalid_json", "error", None),
    (b"{'messages': []}", "invalid_json", "error", None),
    (b"{", "invalid_json", "error", None),
    (b"NaN", "not_a_number", "error", None),
])
def test_what_is_wrong_is_named(line: bytes, kind: str, severity: str, message: str | None) -> None:
    findings = check_chat_line(line, 5)
    assert {finding.line for finding in findings} == {5}
    assert all(finding.severity == KINDS[finding.kind].severity for finding in findings)
    assert (kind, severity) in [(finding.kind, finding.severity) for finding in findings]
    assert message is None or message in [finding.message for finding in findings]


def test_common_mistakes_come_with_a_remedy() -> None:
    hints = {line: check_chat_line(line, 1)[0].hint for line in (
        b"{", b"{'a': 1}", b'{"a": "x\ty"}', b"{}{}", b'{"a": "x', b'{"a": "\\x"}', b'{"a": "b" "c"}', b'{"a": 1,}')}
    assert all(hints.values()), hints


@pytest.mark.parametrize("line", [b"[", b"[" + GOOD + b",", b"[" + GOOD + b"]"])
def test_an_array_is_to_be_converted(line: bytes) -> None:
    assert "tuneworks convert" in (check_chat_line(line, 1)[0].hint or "")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_told_as_such(encoding: str) -> None:
    assert "UTF-16" in (check_chat_line(GOOD.decode().encode(encoding), 1)[0].hint or "")


@pytest.mark.parametrize("text", ["\u2028", "\u2029", "\u00a0", "\ufeff", "\u200b", "\U0001f600", "\x7f"])
def test_unusual_characters_inside_of_a_text_are_fine(text: str) -> None:
    for ascii_only in (True, False):
        line = json.dumps({"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": text}]},
                          ensure_ascii=ascii_only)
        assert check_chat_line(line.encode() + b"\r", 1) == []


def test_depth_is_counted_exactly() -> None:
    def nested(levels: int) -> list[str]:
        schema = b'{"a":' * levels + b"1" + b"}" * levels
        return [finding.kind for finding in check_chat_line(with_tools(schema), 1)]

    reached = 4  # the example, the list of tools, the tool, its function
    assert nested(MAX_DEPTH - reached) == []
    assert nested(MAX_DEPTH - reached + 1) == ["nesting_too_deep"]


PIECES = st.sampled_from([GOOD, b'{"messages":', b"[", b"]", b"{", b"}", b'"role"', b":", b",", b'"assistant"', b"NaN",
                          b"1e999", b"\x00", b"\xff", b"\\u0000", b"\\ud800", b'"content"', b'"x"', b" ",
                          b"null", b"1"])


@given(st.lists(PIECES, max_size=12).map(b"".join))
def test_no_line_breaks_the_check(line: bytes) -> None:
    for finding in check_chat_line(line, 1):
        finding.message.encode()
        assert "\x00" not in finding.message + (finding.path or "")
        assert finding.line == 1


MESSAGES = b'{"role":"user","content":"a"},'
CALLED = (b'{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},'
          b'{"role":"tool","tool_call_id":"c","content":"x"},')


def filled(unit: bytes, size: int) -> bytes:
    return unit * (size // len(unit))


@pytest.mark.parametrize("make", [
    lambda size: b"[" * (size // 16),
    lambda size: b'{"messages":[' + filled(MESSAGES, size) + ANSWER + b"}",
    lambda size: b'{"messages":[' + filled(CALLED, size) + ANSWER + b"}",
    lambda size: b'{"messages":[' + filled(b"{},", size // 8) + ANSWER + b"}",
    lambda size: b'{"messages":[' + filled(b"0,", size) + ANSWER + b"}",
    lambda size: b'{"' + b"k" * size + b'":1}',
    lambda size: GOOD[:-1] + b"," + b",".join(b'"k%d":1' % number for number in range(size // 12)) + b"}",
    lambda size: with_tools(b'{"a":[' + filled(b"1e999,", size) + b"1]}"),
    lambda size: with_tools(b'{"a":[' + filled(b"9" * 50 + b",", size) + b"1]}"),
    lambda size: with_tools(b'{"a":[' + filled(b'"\\u0000",', size) + b"1]}"),
    lambda size: with_tools(b'{"a":' + b"9" * size + b"}"),
    lambda size: GOOD.replace(b'"a"', b'"' + filled(b"\\ud800", size) + b'"'),
    lambda size: filled(b"\xef\xbb\xbf", size) + GOOD,
    lambda size: b"\x00" * size,
    lambda size: b" " * size + b"{",
    lambda size: filled(GOOD, size),
])
def test_the_check_of_a_long_hostile_line_ends(make: Callable[[int], bytes]) -> None:
    """Quadratic work on so many bytes would last for hours; no clock is needed to see it."""
    for finding in check_chat_line(make(4 * MiB), 1):
        assert finding.line == 1
