"""Finds the examples of a file that somebody asks for, page by page, in bounded memory and with bounded reading."""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from service.datasets.analysis.batches import Flag
from service.datasets.analysis.columns import TYPES, Arrays
from service.datasets.analysis.rows import TOLD
from service.datasets.analysis.suspicion import suspicion

MOST_ROWS = 1 << 20
"""So many examples are looked at for one page."""
_BLOCK = 1 << 16
Order = Literal["line", "suspicion", "tokens"]
Rows = NDArray[np.int64]


class Source(Protocol):
    """Columns of which slices can be read (stored_columns.py); rows are in the order of their lines."""

    def __len__(self) -> int: ...

    def slice(self, name: str, start: int, stop: int) -> NDArray[Any]: ...

    def row_of(self, line: int) -> int: ...


class NoSuchExample(ValueError):
    """No example stands in the line after which a sorted list was to go on."""


class TooManyToSort(ValueError):
    """More examples than MOST_ROWS."""

    def __init__(self, examples: int) -> None:
        super().__init__(examples)
        self.examples = examples


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which examples, in which order; the highest first, where it is not that of the lines."""

    flag: Flag | None = None
    min_tokens: int = 0
    first_line: int = 1
    last_line: int | None = None
    order: Order = "line"


@dataclass(frozen=True, slots=True)
class Listed:
    """One page."""

    arrays: Arrays
    "The columns that rows tell of."
    last: int | None
    "The line after which the next page goes on."
    more: bool
    "Whether that is worth asking for: it may be empty, and have a `last` of its own."


def find(source: Source, wanted: Wanted, *, after: int | None, limit: int) -> Listed:
    """A page of at most `limit` examples. Raises NoSuchExample, TooManyToSort, and what `source` raises.

    In the order of lines a page ends where MOST_ROWS were looked at, full or not.
    """
    if wanted.order == "line":
        return _in_order(source, wanted, after=after or 0, limit=limit)
    rows = _highest(source, wanted, after=after, limit=limit)
    return _page(source, rows[:limit], more=len(rows) > limit)


def _in_order(source: Source, wanted: Wanted, *, after: int, limit: int) -> Listed:
    start, stop = _range(source, wanted, first_line=max(wanted.first_line, after + 1))
    end = min(stop, start + MOST_ROWS)
    rows: Rows = np.empty(0, np.int64)
    for at in range(start, end, _BLOCK):
        rows = np.concatenate((rows, _matching(source, wanted, at, min(at + _BLOCK, end))))
        if len(rows) > limit:
            return _page(source, rows[:limit], more=True)
    if len(rows) or end == stop:
        return _page(source, rows, more=end < stop)
    return Listed(_gathered(source, rows), int(source.slice("line", end - 1, end)[0]), more=True)


def _highest(source: Source, wanted: Wanted, *, after: int | None, limit: int) -> Rows:
    """One row more than the limit, if there is one."""
    start, stop = _range(source, wanted, first_line=wanted.first_line)
    if stop - start > MOST_ROWS:
        raise TooManyToSort(stop - start)
    bound = None if after is None else _bound(source, wanted, after)
    rows: Rows = np.empty(0, np.int64)
    degrees: NDArray[np.int64] = np.empty(0, np.int64)
    for at in range(start, stop, _BLOCK):
        end = min(at + _BLOCK, stop)
        found = _matching(source, wanted, at, end)
        degree = _degrees(source, wanted, at, end)[found - at]
        if bound is not None:
            behind = (degree < bound[0]) | ((degree == bound[0]) & (found > bound[1]))
            found, degree = found[behind], degree[behind]
        rows, degrees = np.concatenate((rows, found)), np.concatenate((degrees, degree))
        best = np.argsort(-degrees, kind="stable")[:limit + 1]  # equal ones stay in the order of lines
        rows, degrees = rows[best], degrees[best]
    return rows


def _range(source: Source, wanted: Wanted, *, first_line: int) -> tuple[int, int]:
    """The rows of the lines that are wanted: from the first up to the second."""
    start = source.row_of(first_line) if first_line > 1 else 0
    stop = len(source) if wanted.last_line is None else source.row_of(wanted.last_line + 1)
    return start, max(start, stop)


def _bound(source: Source, wanted: Wanted, line: int) -> tuple[int, int]:
    """What the last example of the page before was sorted by, and its row."""
    row = source.row_of(line)
    if row == len(source) or int(source.slice("line", row, row + 1)[0]) != line:
        raise NoSuchExample(line)
    return int(_degrees(source, wanted, row, row + 1)[0]), row


def _matching(source: Source, wanted: Wanted, start: int, stop: int) -> Rows:
    matching = np.ones(stop - start, np.bool_)
    if wanted.flag is not None:
        matching &= (source.slice("flags", start, stop) & np.uint32(wanted.flag)) != 0
    if wanted.min_tokens:
        matching &= source.slice("tokens", start, stop).astype(np.int64) >= wanted.min_tokens
    return np.flatnonzero(matching).astype(np.int64) + start


def _degrees(source: Source, wanted: Wanted, start: int, stop: int) -> NDArray[np.int64]:
    if wanted.order == "suspicion":
        return suspicion(source.slice("flags", start, stop)).astype(np.int64)
    return source.slice("tokens", start, stop).astype(np.int64)


def _page(source: Source, rows: Rows, *, more: bool) -> Listed:
    arrays = _gathered(source, rows)
    return Listed(arrays, int(arrays["line"][-1]) if len(rows) else None, more)


def _gathered(source: Source, rows: Rows) -> Arrays:
    """What is told of these rows, block by block, of each only from the first to the last that is wanted."""
    arrays: Arrays = {name: np.zeros(len(rows), TYPES[name]) for name in TOLD}
    blocks = rows // _BLOCK
    for block in np.unique(blocks):
        there = np.flatnonzero(blocks == block)
        first, last = int(rows[there].min()), int(rows[there].max())
        for name in TOLD:
            arrays[name][there] = source.slice(name, first, last + 1)[rows[there] - first]
    return arrays
