"""Hashes of what examples say: equal texts are equal, however their JSON is spelt."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest as _digest

_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9))
_FOLD = np.uint64(29)
Numbers = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Said:
    """Texts of examples, one after another: e has those from firsts[e] to firsts[e + 1], its answer from splits[e]."""

    texts: list[bytes]
    codes: NDArray[np.uint8]
    learned: NDArray[np.bool_]
    firsts: NDArray[np.int64]
    splits: NDArray[np.int64]


def hashes(said: Said) -> tuple[Numbers, Numbers]:
    """Hashes of the prompt and of the answer of each example: of their texts, roles and order."""
    each = np.array(list(map(_digest, said.texts)), np.uint64)
    # an answer is the same after whatever prompt: its texts are counted from its own beginning
    marks = np.zeros(len(said.texts) + 1, np.int64)
    marks[said.splits] = said.splits
    marks[said.firsts[:-1]] = said.firsts[:-1]
    begins = np.maximum.accumulate(marks)[:-1]
    places = (np.arange(len(said.texts)) - begins) << 8 | said.codes.astype(np.int64) << 1 | said.learned
    sums = np.zeros(len(said.texts) + 1, np.uint64)
    np.cumsum(mixed(each, places.astype(np.uint64)), out=sums[1:])
    return sums[said.splits] - sums[said.firsts[:-1]], sums[said.firsts[1:]] - sums[said.splits]


def mixed(first: Numbers, second: Numbers) -> Numbers:
    """One number from two, whose order matters."""
    mix: Numbers = first * _MIX[0] ^ (second + _MIX[1]) * _MIX[2]
    mix ^= mix >> _FOLD
    mix *= _MIX[2]
    mix ^= mix >> _FOLD
    return mix


def hashed(text: bytes) -> int:
    return _digest(text)
