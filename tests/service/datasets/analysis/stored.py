"""Columns of any numbers, stored as an analysis stores them and read as a store reads them."""

import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from service.datasets.analysis.columns import BANDS, TYPES, Arrays, Columns
from service.datasets.analysis.stored_columns import StoredColumns


def columns(rows: int, *, bands: int = 0, **given: Any) -> Columns:
    """Columns of so many rows; what is not given differs from row to row and from column to column."""
    arrays: Arrays = {name: (np.arange(rows) * number + number).astype(kind)
                      for number, (name, kind) in enumerate(TYPES.items(), 1)}
    arrays |= {name: np.array(values, TYPES[name]) for name, values in given.items()}
    return Columns(arrays | {BANDS: np.ones((rows, bands), np.uint64)})


@dataclass
class Store:
    """An object that holds some columns, and remembers which of its bytes were read."""

    data: bytes
    reads: list[tuple[int, int]] = field(default_factory=list)

    def read_range(self, start: int, length: int) -> bytes:
        assert 0 <= start < len(self.data), "a store refuses to read from beyond the end"
        assert length > 0, "a store refuses to read nothing"
        self.reads.append((start, length))
        return self.data[start:start + length]

    def open(self) -> StoredColumns:
        return StoredColumns(self.read_range, len(self.data))

    @property
    def read(self) -> int:
        """How many bytes were read."""
        return sum(length for _, length in self.reads)


def stored(found: Columns) -> Store:
    file = io.BytesIO()
    found.save(file)
    return Store(file.getvalue())
