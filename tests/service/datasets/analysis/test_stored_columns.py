"""Stored columns are read as they were saved, and no more of them than is asked for."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.datasets.analysis.columns import TYPES, joined
from service.datasets.analysis.rows import TOLD
from service.datasets.analysis.stored_columns import StoredColumns
from service.datasets.analysis.suspicion import NoColumns
from tests.service.datasets.analysed import analysed, different
from tests.service.datasets.analysis.stored import Store, columns, stored

SIZES = (0, 1, 2, 100, 9_000, 2**16 - 1, 2**16, 2**16 + 1, 200_000)


class TestSlices:
    @pytest.mark.parametrize("rows", SIZES)
    @pytest.mark.parametrize("bands", [0, 8])
    def test_they_are_what_was_saved(self, rows: int, bands: int) -> None:
        saved = columns(rows, bands=bands)
        found = stored(saved).open()
        assert len(found) == rows
        for name in TOLD:
            for start, stop in ((0, rows), (0, 1), (rows // 3, rows // 2), (max(0, rows - 1), rows), (5, 5), (7, 3)):
                part = found.slice(name, start, stop)
                assert part.dtype == TYPES[name]
                assert np.array_equal(part, getattr(saved, name)[start:stop]), (name, start, stop)

    def test_beyond_the_last_row_there_is_nothing(self) -> None:
        found = stored(columns(10)).open()
        assert found.slice("line", 8, 99).tolist() == [9, 10]
        assert found.slice("line", 10, 99).tolist() == []

    def test_columns_of_a_real_file_and_of_none(self, tmp_path: Path) -> None:
        for saved in (analysed(different(30)).columns, analysed(b"").columns, joined([])):
            saved.save(tmp_path / "columns.npz")
            found = Store((tmp_path / "columns.npz").read_bytes()).open()
            assert len(found) == len(saved)
            assert found.slice("tokens", 0, 50).tolist() == saved.tokens.tolist()

    def test_of_a_large_object_only_what_is_wanted_is_read(self) -> None:
        store = stored(columns(200_000, bands=8))
        found = store.open()
        assert store.read < 100_000  # of 22 MB
        before = store.read
        found.slice("tokens", 70_000, 70_100)
        assert store.read - before == 400

    def test_a_small_one_is_read_once(self) -> None:
        store = stored(columns(5_000))
        found = store.open()
        for name in TOLD:
            found.slice(name, 0, 5_000)
        found.row_of(4_000)
        assert store.reads == [(0, len(store.data))]


class TestRowOfALine:
    @given(st.lists(st.integers(1, 400), unique=True), st.integers(-5, 500))
    def test_it_is_the_first_that_is_not_before(self, lines: list[int], line: int) -> None:
        lines.sort()
        found = stored(columns(len(lines), line=lines)).open()
        assert found.row_of(line) == sum(each < line for each in lines)

    @pytest.mark.parametrize("step", [1, 2, 7])
    def test_among_many_it_takes_few_bytes(self, step: int) -> None:
        rows = 300_000
        lines = np.arange(rows) * step + step
        store = stored(columns(rows, line=lines, bands=8))
        found, before = store.open(), store.read
        for line in (1, step, 16_384 * step, 16_385 * step + 1, 65_536, 150_001 * step, rows * step):
            assert found.row_of(line) == int(np.searchsorted(lines, line)), line
        assert found.row_of(rows * step + 1) == found.row_of(2**70) == rows
        assert store.read - before < 9 * 70_000


class TestOtherBytes:
    @pytest.mark.parametrize("data", [b"", b"PK", b"no columns", b"\x00" * 5_000, b"x" * 3_000_000])
    def test_they_are_refused(self, data: bytes) -> None:
        with pytest.raises(NoColumns):
            Store(data).open()

    @pytest.mark.parametrize("rows", [3, 60_000])  # read at once, and by ranges
    def test_half_an_object_is_refused(self, rows: int) -> None:
        whole = stored(columns(rows, bands=8)).data
        for data in (whole[:-1], whole[1:], whole[:len(whole) // 2], whole[len(whole) // 2:]):
            with pytest.raises(NoColumns):
                Store(data).open().slice("line", 0, 1)

    @pytest.mark.parametrize("arrays", [
        {"line": np.arange(3, dtype=np.uint32)},
        {name: np.arange(3, dtype=np.float64) for name in TYPES},
        {name: np.arange(3 + number, dtype=kind) for number, (name, kind) in enumerate(TYPES.items())},
        {name: np.zeros((3, 3), kind) for name, kind in TYPES.items()},
        {name: np.array(3, kind) for name, kind in TYPES.items()}])
    def test_other_arrays_are_refused(self, arrays: dict[str, np.ndarray]) -> None:
        for save in (np.savez, np.savez_compressed):
            file = io.BytesIO()
            save(file, allow_pickle=False, **arrays)
            with pytest.raises(NoColumns):
                Store(file.getvalue()).open()

    def test_compressed_columns_are_refused(self) -> None:
        file = io.BytesIO()
        np.savez_compressed(file, allow_pickle=False, **columns(9_000).arrays)
        with pytest.raises(NoColumns):
            Store(file.getvalue()).open()

    @pytest.mark.parametrize("rows", [4, 40_000])
    def test_damaged_headers_are_never_a_fault(self, rows: int) -> None:
        whole = bytearray(stored(columns(rows)).data)
        for at in [*range(200), *range(len(whole) - 700, len(whole))]:
            damaged = bytes(whole[:at]) + bytes([whole[at] ^ 0x55]) + bytes(whole[at + 1:])
            try:
                StoredColumns(lambda start, length, data=damaged: data[start:start + length], len(damaged))
            except NoColumns:
                continue

    def test_an_object_that_ends_while_it_is_read_is_refused(self) -> None:
        store = stored(columns(60_000))
        found = store.open()
        store.data = store.data[:3_000]
        with pytest.raises(NoColumns):
            found.slice("line", 600, 1_000)
