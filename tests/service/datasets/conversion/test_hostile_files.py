"""Files that are odd, broken, huge or made to do harm: each row is skipped with a reason or the file is refused."""

import itertools
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from service.datasets.conversion import containers
from service.datasets.conversion.examples import MAX_ROW_BYTES, TOO_LONG, Unconvertible
from service.datasets.conversion.reading import CannotBeConverted
from tests.service.datasets.conversion.converting import TOOLS, A, Convert, Q, convert_fixture, converter

__all__ = ["convert_fixture"]
GOOD = b'{"instruction": "q", "output": "a"}'
ONE = [{"messages": [Q, A]}]
JSON = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
                    | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at:at + size] for at in range(0, len(data), size))


class TestCut:
    @settings(max_examples=100, deadline=None)
    @given(st.lists(JSON, max_size=5), st.integers(1, 40), st.sampled_from([None, 1]), st.booleans())
    def test_its_elements_are_those_of_the_whole_wherever_the_chunks_end(
            self, value: list[Any], size: int, indent: int | None, ascii_: bool) -> None:
        data = json.dumps(value, indent=indent, ensure_ascii=ascii_).encode("utf-8", "surrogatepass")
        cut = [each for each in containers._cut(pieces(data, size)) if isinstance(each, bytes)]
        assert [json.loads(each) for each in cut] == json.loads(data)

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.sampled_from(list('[]{}",:\\ a1')), max_size=40).map("".join), st.integers(1, 5))
    def test_chunking_changes_nothing_about_nonsense(self, text: str, size: int) -> None:
        data = b"[" + text.encode()
        whole, cut = (list(map(str, containers._cut(pieces(data, each)))) for each in (1000, size))
        assert whole == cut

    def test_a_long_nonsense_ends(self) -> None:
        """Whoever looked at all of it again for each piece would be busy for hours."""
        data = b'[{"a": "' + b'x\\"' * 2_000_000 + b'"}, {"b": [' + b"1," * 600_000
        assert len(list(containers._cut(pieces(data, 1024)))) == 2

    def test_an_endless_element_is_let_go(self) -> None:
        tracemalloc.start()
        try:
            chunk = b"x" * 65536
            cut = list(containers._cut(itertools.chain([b'[{"a": "'], itertools.repeat(chunk, 800),
                                                       [b'"}, ' + GOOD + b"]"])))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert str(cut[0]) == TOO_LONG
        assert cut[1] == b" " + GOOD
        assert peak < 4 * MAX_ROW_BYTES


class TestJSON:
    def test_an_array_that_is_cut_off_gives_what_is_whole(self, convert: Convert) -> None:
        for end in (b"", b",", b', {"instruction": "x'):
            done = convert(b"[" + GOOD + b", " + GOOD + end)
            assert done.examples == ONE * (2 if end.startswith(b",") else 1)
            assert done.reasons == {"cut off: the file ends within the array": 1}

    def test_what_comes_after_the_array_is_told(self, convert: Convert) -> None:
        assert convert(b"[" + GOOD + b"]\n[" + GOOD + b"]").reasons == {"something behind the end of the array": 1}
        assert convert(b"\xef\xbb\xbf [" + GOOD + b"]\r\n \n").reasons == {}

    @pytest.mark.parametrize("wrong", [
        b'{"instruction": NaN, "output": "a"}', b'{"instruction": "\\ud800", "output": "a"}',
        b'{"instruction": "\xff", "output": "a"}', b'{"instruction": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"{,}", b"{} {}", b"tru"])
    def test_a_row_that_is_no_json_is_skipped(self, convert: Convert, wrong: bytes) -> None:
        done = convert(b"[" + wrong + b", " + GOOD + b"]")
        assert (done.examples, sum(done.reasons.values())) == (ONE, 1)
        done = convert(wrong + b"\n" + GOOD + b"\n", "a.jsonl") if wrong.startswith(b"{") else done
        assert (done.examples, sum(done.reasons.values())) == (ONE, 1)

    def test_rows_that_are_too_long_are_skipped(self, convert: Convert) -> None:
        long = b'{"instruction": "' + b"x" * (MAX_ROW_BYTES + 10) + b'", "output": "a"}'
        for content, name in ((b"[" + long + b", " + GOOD + b"]", "a.json"), (long + b"\n" + GOOD, "a.jsonl")):
            done = convert(content, name)
            assert (done.examples, done.reasons) == (ONE, {TOO_LONG: 1})


class TestJSONLines:
    @pytest.mark.parametrize("content", [
        b'{ "messages":[{"role":"user","content":"\\u00e9"},{"role":"assistant","content":"a"}] }\r\n\r\n{"x',
        b'{"broken\n' + json.dumps(ONE[0]).encode() + b"\n" + json.dumps(ONE[0]).encode(),
        b'{"prompt": "q", "completion": "a"}\n', b"{\n", b'{"messages": []}',
        json.dumps({"input": {"messages": [Q]}, "preferred_output": [A], "non_preferred_output": [A]}).encode()])
    def test_openai_s_own_pass_to_the_byte(self, convert: Convert, content: bytes) -> None:
        done = convert(content, "a.jsonl")
        assert done.shape.layout == "openai"
        assert b"".join(done.lines) == content
        assert done.outcome.rows == done.outcome.converted == content.count(b"\n") + (content[-1:] != b"\n")

    def test_other_layouts_are_told_apart_even_behind_a_broken_or_endless_first_line(self, convert: Convert) -> None:
        for first in (b"", b"{broken\n", b'{"instruction": "' + b"x" * (MAX_ROW_BYTES + 10) + b'"}\n'):
            done = convert(first + GOOD + b"\n\n" + GOOD, "a.jsonl")
            assert (done.shape.layout, done.examples) == ("alpaca", ONE * 2)


class TestTables:
    @pytest.mark.parametrize("delimiter", list(",;|\t"))
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
    def test_delimiters_and_encodings_are_found(self, convert: Convert, delimiter: str, encoding: str) -> None:
        content = f'question{delimiter}answer\r\n"a{delimiter}ä ""b""\nc"{delimiter}ö\r\n'.encode(encoding)
        [example] = convert(content, "a.csv").examples
        assert [each["content"] for each in example["messages"]] == [f'a{delimiter}ä "b"\nc', "ö"]

    def test_a_delimiter_within_a_quoted_heading_does_not_count(self, convert: Convert) -> None:
        assert convert(b'"question";"answer";"a, b, c"\nq;a;x\n', "a.csv").examples == ONE

    def test_tsv_by_its_name_or_its_tabs(self, convert: Convert) -> None:
        for name in ("a.tsv", "a.txt"):
            assert convert(b"question\tanswer\nq\ta\n", name).shape.container == "tsv"

    def test_ragged_rows_are_skipped_and_blank_ones_are_none(self, convert: Convert) -> None:
        done = convert(b"question,answer\nq\n\nq,a,b\n,\nq,a\n", "a.csv")
        assert done.examples == ONE
        assert done.reasons == {"fewer fields than headings": 1, "more fields than headings": 1}

    def test_quotes_gone_wrong_are_told(self, convert: Convert) -> None:
        done = convert(b'question,answer\n"a"b,c\nq,a\n"x,y\nq,a\n', "a.csv")
        assert done.examples == ONE
        assert done.reasons == {"quotes within a quoted field, not doubled": 1, "a quote that is never closed": 1}

    def test_headings_of_one_name_are_both_kept(self, convert: Convert) -> None:
        [example] = convert(b"x,x\nq,a\n", "a.csv", mapping={"user": "{x}", "assistant": "{x (2)}"}).examples
        assert example == ONE[0]

    @pytest.mark.parametrize("wrong", [
        b"x" * (2 * MAX_ROW_BYTES) + b",b\n", b'"' + (b"x" * 9999 + b"\n") * (MAX_ROW_BYTES // 9000) + b'",b\n',
        b"a," * MAX_ROW_BYTES + b"\n",
        (b'"' + b"x" * 9999 + b'\n",') * (MAX_ROW_BYTES // 9000) + b'"\n"\n'])
    def test_huge_rows_are_skipped(self, convert: Convert, wrong: bytes) -> None:
        done = convert(b"question,answer\nq,a\n" + wrong + b"q,a\n", "a.csv")
        assert done.examples[:1] == ONE
        assert done.reasons[TOO_LONG] >= 1

    def test_ten_thousand_columns(self, convert: Convert) -> None:
        names = ",".join(f"c{number}" for number in range(10_000))
        done = convert(f"{names},question,answer\n{'x,' * 10_000}q,a\n".encode(), "a.csv")
        assert done.examples == ONE
        with pytest.raises(CannotBeConverted) as refused:
            convert(f"{names}\n{'x,' * 9_999}x\n".encode(), "a.csv")
        assert len(str(refused.value)) < 1000


def as_parquet(path: Path, rows: list[Any]) -> bytes:
    parquet.write_table(pa.Table.from_pylist(rows), path)
    return path.read_bytes()


class TestParquet:
    def test_keys_that_only_others_have_are_not_invented(self, convert: Convert, tmp_path: Path) -> None:
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1e5}'}}
        talk = [Q, {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c", "content": "r"},
                A]
        rows: list[Any] = [{"messages": talk, "tools": json.dumps(TOOLS)}, {"messages": [Q, A], "tools": None}]
        done = convert(as_parquet(tmp_path / "rows", rows), "a.parquet")
        assert (done.shape.container, done.shape.layout) == ("parquet", "messages")
        assert done.examples == [{"messages": talk, "tools": TOOLS}, {"messages": [Q, A]}]

    def test_columns_that_hold_what_json_cannot_are_skipped(self, convert: Convert, tmp_path: Path) -> None:
        rows: list[Any] = [{"question": "q", "answer": "a", "x": b"\xff"}, {"question": "q", "answer": None, "x": None}]
        done = convert(as_parquet(tmp_path / "rows", rows), "a.parquet")
        assert (done.examples, done.reasons) == (ONE, {"'assistant' is empty": 1})
        rows = [{"messages": [{"role": "user", "content": b"\xff"}]}]
        assert convert(as_parquet(tmp_path / "rows", rows), "a.parquet").lines == []

    def test_one_that_is_cut_off_or_changed_is_refused(self, convert: Convert, tmp_path: Path) -> None:
        whole = as_parquet(tmp_path / "rows", [{"question": "q", "answer": "a"}] * 50)
        for content in (whole[:4], whole[:100], whole[:-10], b"PAR1" + b"\xff" * 100 + whole[104:],
                        b"PAR1" + bytes(100) + b"PAR1"):
            with pytest.raises(CannotBeConverted, match=r"Parquet file cannot be read"):
                convert(content, "a.parquet")


class TestHostile:
    @pytest.mark.parametrize(("content", "told"), [
        (b"", "empty"), (b"  \n\t\r\n", "empty"), (b"\xef\xbb\xbf", "empty"), (bytes(5000), "empty"),
        (b"PK\x03\x04abc", "compressed or a workbook"), (b"\x1f\x8babc", "compressed"), (b"x", "neither|no rows"),
        (bytes(range(256)) * 50, "binary"), (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" * 50, "binary"),
        ('[{"instruction": "é"}]'.encode("utf-16"), "UTF-16"), (b"[]", "no rows"), (b"[1, 2]", "not a JSON object"),
        (b"[", "cut off"), (b"[" * 200_000, "cut off|longer"), (b"[]" * 1000, "behind the end"),
        (b'{"data": []}', "Columns are data")])
    @pytest.mark.parametrize("name", ["a.json", "a.csv", "a.tsv", "a.parquet", "a"])
    def test_files_that_hold_no_rows_are_refused_in_words(self, convert: Convert, content: bytes, told: str,
                                                          name: str) -> None:
        with pytest.raises(CannotBeConverted, match=told):
            convert(content, name)

    @settings(max_examples=100, deadline=None)
    @given(data=st.binary(max_size=300), start=st.sampled_from([b"", b"[", b"{", b"[{", b"PAR1", b"a,b\n",
                                                                     b"\xff\xfe"]),
           name=st.sampled_from(["a.json", "a.csv", "a.tsv", "a"]))
    def test_no_bytes_at_all_break_it(self, tmp_path_factory: pytest.TempPathFactory, data: bytes, start: bytes,
                                      name: str) -> None:
        path = tmp_path_factory.getbasetemp() / "hostile"
        path.write_bytes(start + data)
        try:
            container = containers.container_of(path.read_bytes(), name)
            for row in containers.rows(path, container):
                assert isinstance(row, dict | Unconvertible)
        except containers.UnknownContainer:
            return

    @settings(max_examples=100, deadline=None)
    @given(st.sampled_from([("instruction", "output", "history", "system"), ("conversations", "tools", "system"),
                            ("prompt", "chosen", "rejected"), ("conversations", "chosen", "rejected"),
                            ("messages", "tools"), ("prompt", "completion"), ("input", "preferred_output"),
                            ("question", "answer")]),
           st.lists(JSON, min_size=4, max_size=4))
    def test_no_values_break_a_layout(self, tmp_path_factory: pytest.TempPathFactory, names: tuple[str, ...],
                                      values: list[Any]) -> None:
        row = dict(zip(names, values, strict=False))
        converter(tmp_path_factory.getbasetemp())(json.dumps([row, row]).encode())
