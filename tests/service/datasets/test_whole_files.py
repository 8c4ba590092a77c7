"""A whole file: every bad line is counted, the first of each kind are kept, and nothing depends on its size."""

import pytest

from service.datasets.analysis.merging import Merged
from service.datasets.validation.lines import MAX_LINE_BYTES
from tests.service.datasets.analysed import analysed, different
from tests.service.files.chats import line


def told(seen: Merged) -> list[tuple[str, int | None]]:
    """Findings but for remarks on the content."""
    return [(each.kind, each.line) for each in seen.findings if each.severity != "info" or each.kind == "blank_line"]


def test_a_good_file_has_nothing_wrong() -> None:
    seen = analysed(different(15).replace(b"\n", b"\r\n") + b"\n\n")
    assert (seen.report.lines, seen.report.examples, seen.report.format, told(seen)) == (17, 15, "chat", [])
    assert (seen.report.verdict, seen.report.reasons) == ("go", [])


def test_every_bad_line_is_counted_and_the_first_thousand_of_a_kind_are_kept() -> None:
    seen = analysed(different(10) + line(x=1) * 2500 + b"{\n" * 3 + different(2, start=10))
    assert (seen.report.lines, seen.report.examples, seen.report.errors) == (2515, 12, 2503)
    assert (seen.report.counts["unknown_key"], seen.report.counts["invalid_json"]) == (2500, 3)
    assert [number for _, number in told(seen)] == [*range(11, 1011), 2511, 2512, 2513]
    assert seen.report.verdict == "block"


def test_fewer_than_ten_examples_are_warned_of() -> None:
    seen = analysed(different(7))
    [finding] = [each for each in seen.findings if each.severity != "info"]
    assert finding.message == "Training file has 7 example(s), but must have at least 10 examples"
    assert (seen.report.errors, seen.report.verdict) == (0, "block")


def test_blank_lines_are_told_of_where_data_follows() -> None:
    seen = analysed(different(5) + b"\n  \r\n" + different(5, start=5) + b"\n\n\n")
    assert told(seen) == [("blank_line", 6), ("blank_line", 7)]
    assert (seen.report.examples, seen.report.verdict) == (10, "go")


def test_a_byte_order_mark_is_warned_of() -> None:
    seen = analysed(b"\xef\xbb\xbf" + different(10))
    assert (told(seen), seen.report.examples) == ([("byte_order_mark", 1)], 10)


def test_utf_16_is_one_error() -> None:
    seen = analysed("\n".join(["{}"] * 20).encode("utf-16"))
    assert seen.report.counts.get("not_utf8") == seen.report.errors == 1
    assert seen.report.format is None


def test_a_line_that_is_too_long_is_named_by_its_number() -> None:
    seen = analysed(different(10) + b"x" * (MAX_LINE_BYTES + 1) + b"\n" + different(1, start=10))
    assert told(seen) == [("line_too_long", 11)]
    assert seen.report.examples == 11


@pytest.mark.parametrize("data", [b"\n\n", b"   "])
def test_a_file_of_blanks_holds_no_examples(data: bytes) -> None:
    assert "no_examples" in analysed(data).report.counts


def test_a_file_of_something_else_has_no_format() -> None:
    assert analysed(b'{"text": "a"}\n' * 20).report.format is None
    assert analysed(b'{"messages": []}\n' * 20).report.format == "chat"
