"""Hashes of every five tokens in a row: what near duplicates and repetitions are told by."""

import numpy as np
from numpy.typing import NDArray

from service.datasets.analysis.batches import Batch

LENGTH = 5
"""Tokens in one shingle."""
_BLOCK = 1 << 14  # so many hashes and what they are made from stay in the processor's cache
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_STEP = np.uint64(0xBF58476D1CE4E5B9)
_STEP_2 = np.uint64((0xBF58476D1CE4E5B9 ** 2) % 2 ** 64)
_HALF = np.uint64(32)


def shingles(batch: Batch) -> NDArray[np.uint64]:
    """One hash for each token: of the shingle that begins there and ends in the same text.

    The last tokens of a text, where none begins any more, repeat the text's last one, which changes no set. A text
    shorter than a shingle has one hash of all of it, so that short texts are alike only when they are equal.
    """
    if "shingles" not in batch.derived:
        batch.derived["shingles"] = _hashes(batch.ids, batch.offsets)
    found: NDArray[np.uint64] = batch.derived["shingles"]
    return found


def _hashes(ids: NDArray[np.uint32], offsets: NDArray[np.int64]) -> NDArray[np.uint64]:
    hashes = np.zeros(len(ids), np.uint64)
    for start in range(0, len(ids), _BLOCK):
        stop = min(start + _BLOCK, len(ids) - LENGTH + 1)
        if stop > start:
            hashes[start:stop] = _rolling(ids[start:stop + LENGTH - 1])
    starts, ends = offsets[:-1], offsets[1:]
    long = ends - starts >= LENGTH
    last = hashes[ends[long] - LENGTH]
    for back in range(1, LENGTH):
        hashes[ends[long] - back] = last
    _short(hashes, ids, starts[~long], ends[~long])
    return hashes


def _rolling(ids: NDArray[np.uint32]) -> NDArray[np.uint64]:
    mixed = ids.astype(np.uint64)
    mixed += np.uint64(1)
    mixed *= _SPREAD
    mixed ^= mixed >> _HALF
    pairs = mixed[:-1] * _STEP
    pairs += mixed[1:]
    fours = pairs[:-2] * _STEP_2
    fours += pairs[2:]
    fives = fours[:-1] * _STEP
    fives += mixed[4:]
    fives ^= fives >> _HALF
    return fives


def _short(
    hashes: NDArray[np.uint64], ids: NDArray[np.uint32], starts: NDArray[np.int64], ends: NDArray[np.int64],
) -> None:
    whole = np.full(len(starts), _SPREAD)
    for step in range(LENGTH - 1):
        has = starts + step < ends
        whole[has] = whole[has] * _STEP + ids[starts[has] + step] + np.uint64(1)
    whole ^= whole >> _HALF
    for step in range(LENGTH - 1):
        has = starts + step < ends
        hashes[starts[has] + step] = whole[has]
