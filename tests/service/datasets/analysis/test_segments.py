"""A file in parts is the file: line numbers, counts and columns do not depend on how it was cut."""

import gc
import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.datasets.analysis.blocks import Block, LongLine, read_blocks
from service.datasets.analysis.merging import Merged, merge
from service.datasets.analysis.options import Options
from service.datasets.analysis.segments import Range, Segment, analyse_segment, plan
from service.datasets.validation.lines import MAX_LINE_BYTES
from service.settings import MiB

OPTIONS = Options(full=False, keep=5)


def chat(question: str, answer: str = "Yes.") -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": question},
                                    {"role": "assistant", "content": answer}]}).encode()


def segment(data: bytes, index: int = 0, options: Options = OPTIONS) -> Segment:
    return analyse_segment([data], index=index, format="chat", options=options)


def whole(*parts: bytes, options: Options = OPTIONS) -> Merged:
    packed = [segment(part, index, options).pack() for index, part in enumerate(parts)]
    return merge(map(Segment.unpack, packed), size=sum(map(len, parts)), options=options)


LINE = st.sampled_from([
    b"", b"  ", b"\r", chat("one"), chat("two"), chat("one", "No."), chat("one").replace(b'": "', b'":"'), b"no json",
    b'{"messages": []}', chat("caf\u00e9 \u65e5\u672c"), b'{"messages": [{"role": "assistant", "content": "alone"}]}',
    chat("a").replace(b'"user"', b'"nobody"'), chat("late") + b"\r"])


class TestMerge:
    @given(st.lists(LINE, max_size=30), st.data(), st.sampled_from((b"", b"\n")))
    @settings(max_examples=60, deadline=None)
    def test_any_split_gives_the_report_on_the_whole(self, lines: list[bytes], data: st.DataObject, end: bytes) -> None:
        text = b"\n".join(lines) + (end if lines else b"")
        starts = [at + 1 for at, byte in enumerate(text[:-1]) if byte == 10]
        cuts = sorted(data.draw(st.sets(st.sampled_from(starts)))) if starts else []
        parts = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        expected, found = whole(text), whole(*parts)
        assert found.report == expected.report
        assert found.findings == expected.findings
        for name, column in expected.columns.arrays.items():
            assert np.array_equal(found.columns.arrays[name], column), name

    @given(st.lists(LINE, max_size=20))
    @settings(max_examples=60, deadline=None)
    def test_offsets_and_lengths_point_at_the_examples(self, lines: list[bytes]) -> None:
        text = b"\n".join(lines)
        columns = whole(text).columns
        for line, offset, length in zip(columns.line, columns.offset, columns.length, strict=True):
            assert text[offset:offset + length] == lines[line - 1]

    def test_blank_lines_at_the_end_are_nobodys_trouble_and_others_are_told(self) -> None:
        found = whole(b"\n" + chat("a") + b"\n\n", b"\n\n", chat("b") + b"\n\n", b"\n")
        assert [(each.line, each.message) for each in found.findings if each.kind == "blank_line"] == [
            (1, "Line 1 is empty."), (3, "Line 3 is empty."), (4, "Line 4 is empty."), (5, "Line 5 is empty.")]
        assert found.report.lines == 8

    def test_a_million_blank_lines_are_counted_and_few_are_kept(self) -> None:
        found = whole(b"\n" * 1_000_000, chat("a"))
        assert found.report.counts["blank_line"] == 1_000_000
        assert sum(each.kind == "blank_line" for each in found.findings) == OPTIONS.keep

    def test_counts_are_exact_and_the_first_of_each_kind_are_kept(self) -> None:
        found = whole(b"no json\n" * 4, b"no json\n" * 4)
        assert found.report.counts["invalid_json"] == 8
        told = [each for each in found.findings if each.kind == "invalid_json"]
        assert [each.line for each in told] == [1, 2, 3, 4, 5]
        assert told[4].message.startswith("Example 5 cannot be parsed.")

    def test_repeated_and_contradicting_examples_are_found_over_segments(self) -> None:
        found = whole(chat("one") + b"\n" + chat("two") + b"\n", chat("one", "No.") + b"\n",
                      chat("one").replace(b"Yes", b"\\u0059es") + b"\n")
        assert [(each.line, each.kind) for each in found.findings if each.line] == [
            (3, "contradiction"), (4, "exact_duplicate")]
        assert found.report.duplicates is not None
        assert found.report.duplicates.groups == [[1, 4]]
        assert found.report.duplicates.contradicting == [[1, 3]]

    def test_an_utf16_file_has_one_finding(self) -> None:
        text = "\n".join(["{}"] * 20).encode("utf-16")
        found = whole(text[:21], text[21:])
        assert found.report.counts == {"not_utf8": 1, "too_few_examples": 1}
        assert found.report.verdict == "block"

    def test_a_byte_order_mark_is_a_warning_and_the_first_example_counts(self) -> None:
        found = whole(b"\xef\xbb\xbf" + chat("a"))
        assert found.report.examples == 1
        assert found.report.counts["byte_order_mark"] == 1
        assert found.columns.offset.tolist() == [3]

    def test_an_empty_file_holds_no_examples(self) -> None:
        found = whole(b"")
        assert found.report.counts == {"no_examples": 1, "too_few_examples": 1}
        assert found.report.reasons == ["1 error: no examples (1).",
                                        "0 examples, but a training file must have at least 10.",
                                        "1 warning: too few examples (1)."]

    def test_reinforcement_with_another_reference_is_no_duplicate(self) -> None:
        lines = [json.dumps({"messages": [{"role": "user", "content": "2+2?"}], "answer": answer}).encode()
                 for answer in (4, 4, 5)]
        made = analyse_segment([b"\n".join(lines)], index=0, format="reinforcement", options=OPTIONS)
        report = merge([made], size=1, options=OPTIONS).report
        assert report.duplicates is not None
        assert (report.duplicates.exact, report.duplicates.contradictions) == (1, 1)

    def test_columns_can_be_stored(self, tmp_path: Path) -> None:
        columns = whole(chat("a") + b"\n" + chat("b")).columns
        columns.save(tmp_path / "columns.npz")
        assert columns.load(tmp_path / "columns.npz").exact.tolist() == columns.exact.tolist()


    def test_line_endings_are_told_once(self) -> None:
        found = whole(chat("a") + b"\n" + chat("b") + b"\r\n" + chat("c") + b"\r\n", chat("d") + b"\r\n" + chat("e"))
        assert [(each.line, each.kind) for each in found.findings if each.line] == [
            (2, "carriage_returns"), (5, "no_final_newline")]
        assert not {"carriage_returns", "no_final_newline"} & {*whole(chat("a") + b"\n").report.counts}

    def test_nothing_stays_open_when_a_segment_cannot_be_had(self) -> None:
        def broken() -> Iterator[Segment]:
            yield segment(chat("a"))
            raise OSError

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(OSError, match=r"^$"):
                merge(broken(), size=1, options=OPTIONS)
            gc.collect()


class TestVerdict:
    @pytest.mark.parametrize(("lines", "verdict"), [
        ([chat(f"{at}") for at in range(10)], "go"),
        ([*[chat(f"{at}") for at in range(10)], b"", chat("end")], "go"),
        ([chat(f"{at}") for at in range(9)], "block"),
        ([chat(f"{at}") for at in [*range(10), 3]], "warn"),
        ([*[chat(f"{at}") for at in range(10)], b"no json"], "block")])
    def test_depends_on_errors_warnings_and_how_many_there_are(self, lines: list[bytes], verdict: str) -> None:
        report = whole(b"\n".join(lines)).report
        assert report.verdict == verdict
        assert bool(report.reasons) == (verdict != "go")


class TestAnalyseSegment:
    @given(st.lists(LINE, max_size=12), st.integers(1, 60))
    @settings(max_examples=60, deadline=None)
    def test_chunks_make_no_difference(self, lines: list[bytes], step: int) -> None:
        text = b"\n".join(lines)
        chunks = [text[at:at + step] for at in range(0, len(text), step)]
        found = analyse_segment(chunks, index=0, format="chat", options=OPTIONS)
        expected = segment(text)
        assert told(found) == told(expected)

    def test_progress_ends_with_all_bytes(self) -> None:
        told: list[int] = []
        text = (chat("a" * 1000) + b"\n") * 3000
        analyse_segment([text[at:at + 100_000] for at in range(0, len(text), 100_000)], index=0, format="chat",
                        options=OPTIONS, advance=told.append)
        assert told == sorted(told)
        assert told[-1] == len(text)
        assert len(told) >= 3

    def test_the_format_is_seen_when_nobody_says_it(self) -> None:
        text = json.dumps({"prompt": "a", "completion": "b"}).encode()
        assert analyse_segment([text], index=0, format=None, options=OPTIONS).format == "completion"


def told(made: Segment) -> tuple[str, dict[str, list[int]]]:
    columns = {name: column.tolist() for name, column in made.columns.arrays.items()}
    return repr((made.lines, made.filled, made.blanks, made.tally, made.sums, made.size)), columns



class TestPlan:
    @given(st.lists(st.integers(0, 30), max_size=60), st.integers(1, 80))
    def test_ranges_are_whole_lines_and_nothing_is_lost(self, lengths: list[int], target: int) -> None:
        text = b"\n".join(b"x" * length for length in lengths)
        parts = plan(len(text), lambda start, end: text[start:end], target=target)
        assert b"".join(text[part.start:part.end] for part in parts) == text
        assert [part.index for part in parts] == [*range(len(parts))]
        assert all(text[part.end - 1:part.end] == b"\n" for part in parts[:-1])
        assert all(part.end - part.start <= target + 32 for part in parts)

    def test_a_line_of_two_gigabytes_is_not_cut_and_not_read(self) -> None:
        size, asked = 3 * 1024 * MiB, 0

        def read(start: int, end: int) -> bytes:
            nonlocal asked
            asked += end - start
            # lines of 1 MiB, but from 512 MiB on one of 2 GiB
            ends = [at for at in range(start // MiB * MiB, end + MiB, MiB)
                    if start <= at - 1 < end and not 512 * MiB < at < 2560 * MiB]
            text = bytearray(end - start)
            for at in ends:
                text[at - 1 - start] = 10
            return bytes(text)

        parts = plan(size, read)
        assert Range(16, 512 * MiB, 2560 * MiB) in parts
        assert asked < 64 * (MAX_LINE_BYTES + 1) + MiB


class TestReadBlocks:
    def test_a_line_that_is_too_long_is_counted_and_let_go(self) -> None:
        def stream() -> Iterator[bytes]:
            yield b"first\n"
            for _ in range(20):
                yield b"x" * MiB
            yield b"x\nlast"
        assert [*read_blocks(stream())] == [Block(0, b"first"), LongLine(6, 20 * MiB + 1), Block(20 * MiB + 8, b"last")]

    @pytest.mark.parametrize("more", [0, 1])
    def test_the_longest_line_passes_and_a_longer_one_does_not(self, more: int) -> None:
        line = b'"' + b"x" * (MAX_LINE_BYTES - 2 + more) + b'"'
        found = whole(chat("a") + b"\n" + line + b"\n" + chat("b"))
        assert ("line_too_long" in found.report.counts) == bool(more)
        assert found.report.lines == 3
        assert found.columns.line.tolist() == [1, 3]
