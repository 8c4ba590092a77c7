"""Counts the quotes of JSON that delimit strings: how one knows that no key comes twice, which msgspec lets pass.

A typed reader knows which strings a line must have. With a key more there are more quotes; nothing makes them fewer.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_QUOTE, _BACKSLASH, _U, _ZERO = b'"\\u0'


@dataclass(frozen=True, slots=True)
class Marks:
    """What the quotes and backslashes of some JSON tell."""

    delimiters: int
    "Quotes that are not escaped."
    spells_nul: bool
    "Whether a text may hold a NUL."


def delimiters(line: bytes) -> int:
    """The same for one line, for which numpy would take long to begin."""
    escapes = line.replace(b"\\\\", b"") if b"\\\\" in line else line
    return line.count(b'"') - escapes.count(b'\\"')


def marks(data: bytes) -> Marks:
    """Those of many lines."""
    text = np.frombuffer(data, np.uint8)
    quotes = int(np.count_nonzero(text == _QUOTE))
    backslashes = np.flatnonzero(text == _BACKSLASH)
    if not len(backslashes):
        return Marks(quotes, spells_nul=False)
    escaping = _escaping(backslashes)
    escaped = text.take(escaping + 1, mode="clip")
    return Marks(quotes - int(np.count_nonzero(escaped == _QUOTE)),
                 spells_nul=_spell_nul(text, escaping[escaped == _U] + 2))


def _escaping(backslashes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of backslashes in a row each other one."""
    follows = np.diff(backslashes, prepend=-2) == 1
    if not follows.any():
        return backslashes
    places = np.arange(len(backslashes))
    starts = np.maximum.accumulate(np.where(follows, 0, places))
    escaping: NDArray[np.int64] = backslashes[(places - starts) % 2 == 0]
    return escaping


def _spell_nul(text: NDArray[np.uint8], digits: NDArray[np.int64]) -> bool:
    for step in range(4):
        digits = digits[text.take(digits + step, mode="clip") == _ZERO]
    return bool(len(digits))
