"""What is told of one example: where it lies, how long it is, what is conspicuous about it. Pure."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.datasets.analysis.columns import Arrays, Columns
from service.datasets.analysis.suspicion import in_words, suspicion

TOLD = ("line", "offset", "length", "tokens", "trainable", "flags")
"""The columns that a row tells of."""
_AT_ONCE = 1 << 14
Row = dict[str, Any]
_words: Callable[[int], list[str]] = lru_cache(4096)(in_words)


def rows_of(arrays: Arrays, *, context: int | None) -> list[Row]:
    """One row for each example of these columns, as the wire and a file show it."""
    degrees = suspicion(arrays["flags"])
    return [
        {"id": str(line), "object": "file.validation.example", "line": line, "offset": offset, "bytes": length,
         "tokens": tokens, "trainable_tokens": trainable, "over": over, "suspicion": degree, "flags": _words(flags)}
        for line, offset, length, tokens, trainable, flags, over, degree in zip(
            *(arrays[name].tolist() for name in TOLD), _over(arrays["tokens"], context), degrees.tolist(), strict=True)]


def all_rows(columns: Columns, *, context: int | None) -> Iterator[Row]:
    """The rows of a whole file, some of which are in memory at a time."""
    for start in range(0, len(columns), _AT_ONCE):
        yield from rows_of({name: getattr(columns, name)[start:start + _AT_ONCE] for name in TOLD}, context=context)
        columns.release()


def _over(tokens: NDArray[Any], context: int | None) -> list[int | None]:
    if context is None:
        return [None] * len(tokens)
    over: list[int | None] = np.maximum(tokens.astype(np.int64) - context, 0).tolist()
    return over
