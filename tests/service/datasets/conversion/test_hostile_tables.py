"""Tables that were made to do harm are read in little memory, or refused in words."""

from pathlib import Path

import pytest

from service.datasets.conversion import containers
from service.datasets.conversion.mapping import Mapping
from service.datasets.conversion.reading import CannotBeConverted, Outcome, Shape, convert, detect


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(containers, "MAX_ROW_BYTES", 1000)
    return 1000


class TestTables:
    def test_headings_that_cannot_be_read_are_told_in_words(self, small: int, tmp_path: Path) -> None:
        (path := tmp_path / "a.csv").write_bytes(b'"' + b"x" * 3 * small + b"\n" + b"a,b\n" * 3)
        with pytest.raises(CannotBeConverted, match="first line, which names columns"):
            detect(path, filename="a.csv")
        with pytest.raises(CannotBeConverted, match="first line, which names columns"):
            list(convert(path, Shape("csv", "columns", Mapping(user="a", assistant="b")), Outcome()))

    def test_a_field_that_is_too_long_costs_its_row_and_no_other(self, small: int, tmp_path: Path) -> None:
        (path := tmp_path / "a.csv").write_bytes(b"a,b\n1,2\n3," + b"x" * 5 * small + b"\n5,6\n")
        rows = list(containers.rows(path, "csv"))
        assert [row if isinstance(row, dict) else "left out" for row in rows] == [
            {"a": "1", "b": "2"}, "left out", {"a": "5", "b": "6"}]
