"""One row of numbers for each example of a file: what is sorted, compared and looked up without reading it again."""

import mmap
import os
import tempfile
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
from numpy.typing import NDArray

TYPES: dict[str, Any] = {
    "line": np.uint32,  # from 1
    "offset": np.int64,  # of its first byte
    "length": np.uint32,  # in bytes, without the newline
    "tokens": np.uint32,  # as billed: texts, 4 for each message, 1 for the example
    "trainable": np.uint32,
    "flags": np.uint32,  # bits of Flag
    "exact": np.uint64,  # hash of all that the example says
    "prompt": np.uint64,  # hash of what comes before the answer; 0 if nobody asks anything
    "answer": np.uint64,  # hash of the answer
}
BANDS = "bands"
_READ_ROWS = 1024  # a piece of the file that is read at once, where several of its rows are wanted
Arrays = dict[str, NDArray[Any]]


class Columns:
    """The examples of a file, or of a part of it, in the order of their lines; `bands` is (examples, n)."""

    line: NDArray[np.uint32]
    offset: NDArray[np.int64]
    length: NDArray[np.uint32]
    tokens: NDArray[np.uint32]
    trainable: NDArray[np.uint32]
    flags: NDArray[np.uint32]
    exact: NDArray[np.uint64]
    prompt: NDArray[np.uint64]
    answer: NDArray[np.uint64]
    bands: NDArray[np.uint64]

    def __init__(self, arrays: Arrays, maps: tuple[mmap.mmap, ...] = ()) -> None:
        self._maps = maps
        for name in (*TYPES, BANDS):
            setattr(self, name, arrays[name])

    def __len__(self) -> int:
        return len(self.line)

    @property
    def arrays(self) -> Arrays:
        return {name: getattr(self, name) for name in (*TYPES, BANDS)}

    def release(self) -> None:
        """Let go of memory that a look at the columns took, as far as they lie in files."""
        for each in self._maps:
            each.madvise(mmap.MADV_DONTNEED)

    def save(self, file: Path | IO[bytes]) -> None:
        """As an npz file, one column after another."""
        np.savez(file, allow_pickle=False, **self.arrays)
        self.release()

    @classmethod
    def load(cls, file: Path | IO[bytes]) -> "Columns":
        with np.load(file, allow_pickle=False) as stored:
            return cls({name: stored[name] for name in (*TYPES, BANDS)})


def joined(parts: list[Arrays]) -> Columns:
    """Columns of parts that follow one another."""
    if not parts:
        return Columns({name: np.empty(0, kind) for name, kind in TYPES.items()} | {BANDS: np.empty((0, 0), np.uint64)})
    return Columns({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


class Gathering:
    """Puts columns of many segments one after another into files, so that they need no memory. Closed when left."""

    def __init__(self) -> None:
        self._files: dict[str, IO[bytes]] = {}
        self._open = ExitStack()
        self._rows = 0
        self._bands = 0

    def __enter__(self) -> Self:
        self._files = {name: self._open.enter_context(tempfile.TemporaryFile()) for name in (*TYPES, BANDS)}  # noqa: SIM115  # the stack closes them
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def add(self, columns: Columns, *, lines: int, offset: int) -> None:
        """Add a segment that begins after line number `lines` and at byte `offset`."""
        if not len(columns):
            return
        shifts = {"line": lines, "offset": offset}
        for name, array in columns.arrays.items():
            moved = array + array.dtype.type(shifts[name]) if name in shifts else array
            self._files[name].write(np.ascontiguousarray(moved).data)
        self._rows += len(columns)
        self._bands = columns.bands.shape[1]

    def bands(self, rows: NDArray[np.int64]) -> NDArray[np.uint64]:
        """The bands of these rows, read where they stand and not mapped; before the gathering is closed."""
        wanted, places = np.unique(rows, return_inverse=True)
        found = np.empty((len(wanted), self._bands), np.uint64)
        cuts = np.flatnonzero(np.diff(wanted // _READ_ROWS)) + 1
        for start, end in pairwise([0, *cuts.tolist(), len(wanted)]):
            first, last = int(wanted[start]), int(wanted[end - 1])
            width = found.itemsize * self._bands
            read = os.pread(self._files[BANDS].fileno(), (last - first + 1) * width, first * width)
            found[start:end] = np.frombuffer(read, np.uint64).reshape(-1, self._bands)[wanted[start:end] - first]
        return found[places]

    def columns(self) -> Columns:
        """All of them; the flags can be written to."""
        maps: list[mmap.mmap] = []
        arrays = {name: self._array(name, kind, maps) for name, kind in (TYPES | {BANDS: np.uint64}).items()}
        arrays[BANDS] = arrays[BANDS].reshape(self._rows, self._bands)
        return Columns(arrays, tuple(maps))

    def _array(self, name: str, kind: Any, maps: list[mmap.mmap]) -> NDArray[Any]:
        file = self._files[name]
        file.flush()
        if not file.tell():
            return np.empty(0, kind)
        maps.append(mmap.mmap(file.fileno(), 0))
        return np.frombuffer(maps[-1], kind)
