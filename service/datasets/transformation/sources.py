"""The bytes of a version on this machine's disk: its lines by number, and what its analysis knows of them."""

import mmap
from array import array
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.datasets.analysis.columns import Columns
from service.datasets.analysis.options import Options
from service.datasets.analysis.running import analyse_whole
from service.datasets.validation.lines import BOM
from service.settings import MiB

Advance = Callable[[object], None]
_READ = 4 * MiB
_BLANK = b" \t\r\n\x0b\x0c"


class Source:
    """A version's bytes. `columns` are those of its stored analysis; without them it is analysed once it is needed."""

    def __init__(self, path: Path, columns: Columns | None = None, *, advance: Advance = lambda _: None) -> None:
        self.path = path
        self.advance = advance
        self._columns = columns

    @cached_property
    def columns(self) -> Columns:
        """One row for each line that can be trained on."""
        if self._columns is not None:
            return self._columns
        return analyse_whole(self.path, processes=1, options=Options(),
                             progress=lambda done, _: self.advance(f"analysed {done}")).columns

    @cached_property
    def _index(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Of each line that is not blank: its first byte, its end, and its number from 1."""
        starts, ends, numbers = array("q"), array("q"), array("q")
        start, number = 0, 0
        size = len(self._bytes)
        while start < size:
            end = self._bytes.find(b"\n", start)
            end = size if end < 0 else end
            number += 1
            if self._has_text(start, end):
                starts.append(start)
                ends.append(end)
                numbers.append(number)
            if number % 100_000 == 0:
                self.advance(f"line {number}")
            start = end + 1
        starts_, ends_, numbers_ = (np.frombuffer(each, np.int64) if each else np.empty(0, np.int64)
                                    for each in (starts, ends, numbers))
        if len(starts_) and starts_[0] == 0 and self._bytes[:3] == BOM:
            starts_ = np.concatenate([[len(BOM)], starts_[1:]])  # a mark belongs to a file and not to its first line
        return starts_, ends_, numbers_

    @cached_property
    def _bytes(self) -> mmap.mmap | bytes:
        with self.path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self.path.stat().st_size else b""

    def _has_text(self, start: int, end: int) -> bool:
        head = self._bytes[start:min(end, start + 16)]
        return bool(head.strip(_BLANK)) or (end - start > 16 and bool(self._bytes[start:end].strip(_BLANK)))

    def __len__(self) -> int:
        """Lines that are not blank."""
        return len(self._index[0])

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Numbers in the file, from 1, of the lines that are not blank."""
        return self._index[2]

    def line(self, index: int) -> bytes:
        """The line of this index among those that are not blank, without its newline."""
        starts, ends, _ = self._index
        return bytes(self._bytes[int(starts[index]):int(ends[index])])

    def lines(self, order: NDArray[np.int64] | None = None) -> Iterator[bytes]:
        """All lines, or those of these indexes in their order."""
        for done, index in enumerate(range(len(self)) if order is None else order):
            if done % 10_000 == 0:
                self.advance(f"{done} of {len(self)} lines")
            yield self.line(int(index))

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """For each line that is not blank its row in `columns`, or -1 when it cannot be trained on."""
        found = np.full(len(self), -1, np.int64)
        at = np.searchsorted(self.numbers, self.columns.line.astype(np.int64))
        found[at] = np.arange(len(at))
        return found
