"""A whole file: every bad line is counted, the first of each kind are kept, and nothing depends on its size."""

import pytest

from service.datasets.validation.examination import Examination, examine
from service.datasets.validation.lines import MAX_LINE_BYTES
from tests.service.files.chats import line, lines


def kinds(seen: Examination) -> dict[str, int]:
    return dict(seen.tally.counts)


def test_a_good_file_has_no_findings() -> None:
    seen = examine([lines(10).replace(b"\n", b"\r\n"), lines(5) + b"\n\n"])
    assert (seen.lines, seen.examples, seen.format, kinds(seen)) == (17, 15, "chat", {})


def test_every_bad_line_is_counted_and_the_first_thousand_of_a_kind_are_kept() -> None:
    seen = examine([lines(10), line(x=1) * 2500, b"{\n" * 3, lines(2)])
    assert (seen.lines, seen.examples, seen.tally.errors) == (2515, 12, 2503)
    assert kinds(seen) == {"unknown_key": 2500, "invalid_json": 3}
    assert [finding.line for finding in seen.tally.kept] == [*range(11, 1011), 2511, 2512, 2513]


def test_fewer_than_ten_examples_are_warned_of() -> None:
    seen = examine([lines(7)])
    assert [(finding.kind, finding.message) for finding in seen.tally.kept] == \
        [("too_few_examples", "Training file has 7 example(s), but must have at least 10 examples")]
    assert seen.tally.errors == 0


def test_blank_lines_are_warned_of_where_data_follows() -> None:
    seen = examine([lines(5), b"\n  \r\n", lines(5), b"\n\n\n"])
    assert [(finding.kind, finding.line) for finding in seen.tally.kept] == [("blank_line", 6), ("blank_line", 7)]
    assert seen.examples == 10


def test_a_byte_order_mark_is_warned_of() -> None:
    seen = examine([b"\xef\xbb\xbf" + lines(10)])
    assert (kinds(seen), seen.examples) == ({"byte_order_mark": 1}, 10)


def test_utf_16_is_one_error() -> None:
    seen = examine(["\n".join(["{}"] * 20).encode("utf-16")])
    assert (kinds(seen), seen.format) == ({"not_utf8": 1}, None)


def test_a_line_that_is_too_long_is_named_by_its_number() -> None:
    seen = examine([lines(10), b"x" * (MAX_LINE_BYTES + 1), b"\n", lines(1)])
    assert [(finding.kind, finding.line) for finding in seen.tally.kept] == [("line_too_long", 11)]
    assert seen.examples == 11


@pytest.mark.parametrize("data", [b"\n\n", b"   "])
def test_a_file_of_blanks_holds_no_examples(data: bytes) -> None:
    assert "no_examples" in kinds(examine([data]))


def test_a_file_of_something_else_has_no_format() -> None:
    assert examine([b'{"prompt": "a", "completion": "b"}\n' * 20]).format is None
    assert examine([b'{"messages": []}\n' * 20]).format == "chat"


def test_progress_is_told() -> None:
    told: list[int] = []
    examine([lines(2500)], told.append)
    assert told == [1000, 2000]
