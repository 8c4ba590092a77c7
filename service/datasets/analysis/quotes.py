"""Counts the quotes of JSON that delimit strings: how one knows that no key comes twice, which msgspec lets pass.

A typed reader knows which strings a line must have. With a key more there are more quotes; nothing makes them fewer.
"""

import numpy as np
from numpy.typing import NDArray

_QUOTE, _BACKSLASH = b'"\\'


def delimiters(data: bytes, ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many quotes that are not escaped stand in each line; `ends` are where the lines of `data` end."""
    text = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(text == _QUOTE)
    escaped = (text[quotes - 1] == _BACKSLASH) & (quotes > 0)
    for at in np.flatnonzero(escaped & (text[quotes - 2] == _BACKSLASH)):  # is the quote escaped or what precedes it?
        escaped[at] = _backslashes_before(data, int(quotes[at])) % 2
    counted: NDArray[np.int64] = np.diff(np.searchsorted(quotes[~escaped], ends), prepend=0)
    return counted


def _backslashes_before(data: bytes, end: int) -> int:
    start = end
    while start and data[start - 1] == _BACKSLASH:
        start -= 1
    return end - start
