"""Columns where they are stored, read by ranges of bytes: what is looked at of millions of examples is what is read."""

import io
import re
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.datasets.analysis.columns import TYPES
from service.datasets.analysis.rows import TOLD
from service.datasets.analysis.suspicion import NoColumns

ReadRange = Callable[[int, int], bytes]
"""The bytes from a start, so many of them."""
_WHOLE = 1 << 20  # what is no larger is read at once: one look at a store far away costs more than its bytes
_HEAD = 1024  # holds the header of an entry, and that of the array in it
_LOCAL = struct.Struct("<4s22xHH")  # of a zip file: signature, length of the name, length of the extra field
_ARRAY = re.compile(rb"\x93NUMPY\x01\x00..\{'descr': '(?P<kind>[^']*)', 'fortran_order': False,"
                    rb" 'shape': \((?P<rows>[0-9]{1,12}),\), \} *\n", re.DOTALL)
"""The header of an array of one dimension, as numpy writes it."""
_BLOCK = 1 << 14


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the numbers of one column begin."""

    start: int
    kind: np.dtype[Any]


class StoredColumns:
    """The columns that Columns.save stored, but for the hashes and bands. Every method raises NoColumns."""

    def __init__(self, read_range: ReadRange, size: int) -> None:
        """Find the columns in an object of `size` bytes; no numbers are read yet."""
        self._read = _at_once(read_range, size) if size <= _WHOLE else read_range
        self._size = size
        self._rows = -1
        self._places: dict[str, _Place] = {}
        try:
            self._find()
        except (EOFError, KeyError, ValueError, NotImplementedError, struct.error, zipfile.BadZipFile) as wrong:
            raise NoColumns from wrong

    def __len__(self) -> int:
        return self._rows

    def slice(self, name: str, start: int, stop: int) -> NDArray[Any]:
        """One column from row `start` up to row `stop`."""
        place, stop = self._places[name], min(stop, self._rows)
        if stop <= start:
            return np.empty(0, place.kind)
        length = (stop - start) * place.kind.itemsize
        data = self._read(place.start + start * place.kind.itemsize, length)
        if len(data) != length:
            raise NoColumns
        return np.frombuffer(data, place.kind)

    def row_of(self, line: int) -> int:
        """The first row whose line is not before `line`; as many as there are rows when all are."""
        low, high = 0, min(self._rows, max(0, line - 1))  # row r is line r + 1, or a later one
        while high - low > _BLOCK:
            middle = (low + high) // 2
            if int(self.slice("line", middle, middle + 1)[0]) < line:
                low = middle + 1
            else:
                high = middle
        lines = self.slice("line", low, high).astype(np.int64)
        return low + int(np.searchsorted(lines, min(line, 2**62)))

    def _find(self) -> None:
        with zipfile.ZipFile(io.BufferedReader(_Object(self._read, self._size), _BLOCK)) as archive:
            entries = [archive.getinfo(f"{name}.npy") for name in TOLD]
        for name, entry in zip(TOLD, entries, strict=True):
            self._places[name] = self._place(entry, np.dtype(TYPES[name]))

    def _place(self, entry: zipfile.ZipInfo, kind: np.dtype[Any]) -> _Place:
        at = entry.header_offset
        if not 0 <= at < self._size or entry.compress_type != zipfile.ZIP_STORED:
            raise NoColumns
        head = self._read(at, min(_HEAD, self._size - at))
        signature, name, extra = _LOCAL.unpack_from(head)
        found = _ARRAY.match(head, _LOCAL.size + name + extra)
        if signature != b"PK\x03\x04" or found is None or found["kind"] != kind.str.encode():
            raise NoColumns
        start, rows = at + found.end(), int(found["rows"])
        if self._rows not in {-1, rows} or start + rows * kind.itemsize > self._size:
            raise NoColumns
        self._rows = rows
        return _Place(start, kind)


def _at_once(read_range: ReadRange, size: int) -> ReadRange:
    data = read_range(0, size) if size else b""
    return lambda start, length: data[start:start + length]


class _Object(io.RawIOBase):
    """An object of the store as a file that zipfile reads its directory from."""

    def __init__(self, read: ReadRange, size: int) -> None:
        self._read, self._size, self._at = read, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + (0, self._at, self._size)[whence])
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)
        length = min(len(view), self._size - self._at)
        if length <= 0:
            return 0
        data = self._read(self._at, length)
        view[:len(data)] = data
        self._at += len(data)
        return len(data)
