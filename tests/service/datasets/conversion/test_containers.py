"""Files are taken apart into rows whatever they are packed in, and a bad row costs only itself."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow.parquet import write_table

from service.datasets.conversion import containers
from service.datasets.conversion.containers import Container, rows
from service.datasets.conversion.examples import Unconvertible
from service.datasets.conversion.reading import CannotBeConverted
from tests.service.datasets.conversion.converting import Converted, converted

TABLE = "question,answer\nWo?,Im Café\n"


class TestTables:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"])
    def test_text_is_read_in_the_encoding_that_it_has(self, tmp_path: Path, encoding: str) -> None:
        assert converted(tmp_path / "a.csv", TABLE.encode(encoding)).said == [["Wo?", "Im Café"]]

    @pytest.mark.parametrize(("encoding", "remarks"), [("utf-8", []), ("latin-1", ["Its text was read as cp1252."]),
                                                       ("utf-16", ["Its text was read as utf-16."])])
    def test_an_encoding_that_was_supposed_is_told(self, tmp_path: Path, encoding: str, remarks: list[str]) -> None:
        assert converted(tmp_path / "a.csv", TABLE.encode(encoding)).outcome.remarks == remarks

    def test_the_first_accent_may_stand_far_into_the_file(self, tmp_path: Path) -> None:
        data = b"question,answer\n" + b"abc,defg\n" * 200_000 + "x,né\n".encode("latin-1")
        path = tmp_path / "a.csv"
        path.write_bytes(data)
        *_, last = rows(path, "csv")
        assert last == {"question": "x", "answer": "né"}

    def test_a_row_with_bytes_that_are_not_utf8_is_skipped_and_not_damaged(self, tmp_path: Path) -> None:
        made = converted(tmp_path / "a.csv", "question,answer\né,ü\n".encode() + b"x,\xe9\nc,d\n")
        assert made.said == [["é", "ü"], ["c", "d"]]
        assert made.outcome.skipped == [(2, "text that is not valid Unicode")]

    @pytest.mark.parametrize(("name", "delimiter"), [("a.csv", ","), ("a.csv", ";"), ("a.tsv", "\t"), ("a.txt", "\t"),
                                                     ("a.csv", "|")])
    def test_the_delimiter_is_found(self, tmp_path: Path, name: str, delimiter: str) -> None:
        assert converted(tmp_path / name, f"question{delimiter}answer\na{delimiter}b\n".encode()).said == [["a", "b"]]

    def test_quoted_fields_keep_delimiters_quotes_and_lines(self, tmp_path: Path) -> None:
        made = converted(tmp_path / "a.csv", b'question,answer\r\n"a,""b""\r\nc","d\ne"\r\n')
        assert made.said == [['a,"b"\r\nc', "d\ne"]]

    def test_a_row_with_too_many_or_too_few_fields_is_skipped(self, tmp_path: Path) -> None:
        made = converted(tmp_path / "a.csv", b"question,answer\na,b\na\na,b,c\n\nd,e\n")
        assert made.said == [["a", "b"], ["d", "e"]]
        assert made.outcome.skipped == [(2, "fewer fields than headings"), (3, "more fields than headings")]

    def test_headings_that_are_there_twice_are_told_apart(self, tmp_path: Path) -> None:
        made = converted(tmp_path / "a.csv", b"question,answer,answer\na,b,c\n",
                         mapping={"user": "question", "preferred": "{answer}", "non_preferred": "{answer (2)}"})
        assert made.examples[0]["preferred_output"][0]["content"] == "b"
        assert made.examples[0]["non_preferred_output"][0]["content"] == "c"

    @pytest.mark.parametrize("long", [b"x" * 3000, b"x," * 3000])
    def test_a_row_too_long_to_hold_costs_only_itself(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                      long: bytes) -> None:
        monkeypatch.setattr(containers, "MAX_ROW_BYTES", 1000)
        made = converted(tmp_path / "a.csv", b"question,answer\na,b\n" + long + b",y\nc,d\n")
        assert made.said[0] == ["a", "b"]
        assert made.said[-1] == ["c", "d"]
        assert made.outcome.skipped


class TestJson:
    ODD = (b' {"instruction": "a[]{},\\"\\\\", "output": "\\u00e9]"} ', b'{"instruction":"c","output":"d"}')

    def test_elements_of_an_array_are_told_from_brackets_in_their_strings(self, tmp_path: Path) -> None:
        made = converted(tmp_path / "a.json", b"[" + b",\n".join(self.ODD) + b"]\n")
        assert made.said == [['a[]{},"\\', "é]"], ["c", "d"]]

    def test_an_array_that_is_cut_off_says_so_at_its_last_row(self, tmp_path: Path) -> None:
        made = converted(tmp_path / "a.json", b"[" + b",".join(self.ODD) + b',{"instruction": "x')
        assert len(made.examples) == 2
        assert made.outcome.skipped == [(3, "cut off: the file ends within the array")]

    @pytest.mark.parametrize("container", ["json", "jsonl"])
    def test_a_row_too_long_to_hold_costs_only_itself(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                      container: Container) -> None:
        monkeypatch.setattr(containers, "MAX_ROW_BYTES", 1000)
        monkeypatch.setattr(containers, "_READ", 100)
        each = [b'{"a": 1}', b'{"a": "' + b"x" * 5000 + b'"}', b'{"a": 2}']
        path = tmp_path / "a"
        path.write_bytes(b"\n".join(each) if container == "jsonl" else b"[" + b",".join(each) + b"]")
        first, long, last = rows(path, container)
        assert (first, last) == ({"a": 1}, {"a": 2})
        assert isinstance(long, Unconvertible)

    def test_hostile_rows_are_skipped_with_their_number_and_why(self, tmp_path: Path) -> None:
        good = b'{"instruction": "a", "output": "b"}'
        bad = [b'{"instruction": null, "output": "b"}', b'{"instruction": "a", "output": NaN}', b"[1]", b"null", b"{",
               b'{"instruction": "a", "output": "\\ud800"}', b"[" * 100_000, b'{"instruction": "a", "output": "\xff"}',
               b'{"instruction": "a", "output": ' + b"[" * 5000 + b"]" * 5000 + b"}",
               b'{"instruction": 7, "output": {}}']
        made = converted(tmp_path / "a.jsonl", b"\n".join([good, *bad, good]))
        assert made.said == [["a", "b"], ["a", "b"]]
        assert [row for row, _ in made.outcome.skipped] == list(range(2, 12))
        assert sum(made.outcome.reasons.values()) == len(bad)


class TestParquet:
    @staticmethod
    def made(path: Path, **columns: Any) -> Converted:
        write_table(pa.table(columns), path, row_group_size=2)
        return converted(path, path.read_bytes())

    def test_row_groups_follow_each_other(self, tmp_path: Path) -> None:
        made = self.made(tmp_path / "a.parquet", question=["a", "b", "c"], answer=["x", "y", "z"])
        assert made.said == [["a", "x"], ["b", "y"], ["c", "z"]]

    def test_keys_that_columns_of_objects_invent_go_and_that_is_told(self, tmp_path: Path) -> None:
        talk = [[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0},
                 {"role": "user", "content": "c"}, {"role": "assistant", "content": "d", "weight": 1}]]
        made = self.made(tmp_path / "a.parquet", messages=talk)
        assert made.examples == [{"messages": talk[0]}]
        assert "keys that are null were left out" in made.outcome.remarks[0]

    def test_tools_that_are_text_keep_their_bytes(self, tmp_path: Path) -> None:
        tools = '[{"type":"function", "function": {"name":"f","parameters":{"d":null, "n":1.0e3}}}]'
        talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
        made = self.made(tmp_path / "a.parquet", messages=[talk], tools=[tools])
        assert tools.encode()[1:-1] in made.bytes

    def test_what_is_no_parquet_is_refused_in_words(self, tmp_path: Path) -> None:
        for layout in (None, "alpaca"):
            with pytest.raises(CannotBeConverted, match="The Parquet file cannot be read"):
                converted(tmp_path / "a.parquet", b"PAR1 and nothing more", layout=layout)


class TestRefusals:
    @pytest.mark.parametrize(("data", "words"), [
        (b"PK\x03\x04...", "compressed or a workbook"), (b"", "empty"), (b"x", "neither JSON nor CSV"),
        (b"[]", "no rows"), ('[{"a": 1}]'.encode("utf-16"), "UTF-16"), (b"question,answer\n", "no rows"),
        (b"a,b\n1,2\n", "Columns are a, b")])
    def test_a_file_that_says_nothing_is_refused_in_words(self, tmp_path: Path, data: bytes, words: str) -> None:
        with pytest.raises(CannotBeConverted, match=words):
            converted(tmp_path / "a", data)
