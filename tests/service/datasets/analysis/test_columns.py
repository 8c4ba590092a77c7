"""Columns of many segments: gathered in files, and read where they stand."""

import numpy as np
import pytest

from service.datasets.analysis.columns import BANDS, TYPES, Columns, Gathering


def segment(rows: int, seed: int) -> Columns:
    dice = np.random.default_rng(seed)
    arrays = {name: dice.integers(0, 1000, rows).astype(kind) for name, kind in TYPES.items()}
    return Columns(arrays | {BANDS: dice.integers(0, 2**63, (rows, 8), np.uint64)})


class TestBands:
    @pytest.mark.parametrize("rows", [[0], [4999], [4999, 0, 0, 2500], [1023, 1024, 1025], [*range(0, 5000, 7)][::-1]])
    def test_rows_are_read_in_the_order_that_is_asked_for(self, rows: list[int]) -> None:
        parts = [segment(3000, 1), segment(0, 2), segment(2000, 3)]
        with Gathering() as gathering:
            for part in parts:
                gathering.add(part, lines=0, offset=0)
            columns = gathering.columns()
            assert np.array_equal(gathering.bands(np.array(rows)), columns.bands[rows])
        assert np.array_equal(columns.bands, np.concatenate([part.bands for part in parts]))
