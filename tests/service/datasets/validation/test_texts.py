"""Lines that are no JSON, or JSON that readers disagree about: a finding each, never an exception."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.datasets.validation import formats
from service.datasets.validation.findings import Finding



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
    (b"\xef\xbb\xbf" + GOOD, "invalid_json", "error", None),
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
    assert (kind, severity) in [(finding.kind, finding.severity) for finding in findings]
    assert message is None or message in [finding.message for finding in findings]


def test_common_mistakes_come_with_a_remedy() -> None:
    hints = {line: check_chat_line(line, 1)[0].hint for line in (b"{", b"{'a': 1}", b'{"a": "x\ty"}', b"{}{}")}
    assert all(hints.values()), hints


PIECES = st.sampled_from([GOOD, b'{"messages":', b"[", b"]", b"{", b"}", b'"role"', b":", b",", b'"assistant"', b"NaN",
                          b"1e999", b"\x00", b"\xff", b"\\u0000", b"\\ud800", b'"content"', b'"x"', b" ",
                          b"null", b"1"])


@given(st.lists(PIECES, max_size=12).map(b"".join))
def test_no_line_breaks_the_check(line: bytes) -> None:
    for finding in check_chat_line(line, 1):
        finding.message.encode()
        assert "\x00" not in finding.message + (finding.path or "")
        assert finding.line == 1
