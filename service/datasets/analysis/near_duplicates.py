"""Examples that say nearly the same: MinHash signatures of each, and the groups among millions of them.

A signature is 64 permutations with 8 bits of each: 64 bytes for one example, kept as 8 columns of 64-bit numbers, the
bands. Four bytes in a row are one of 16 keys; examples that share a key are candidates, and the share of equal bytes
estimates how alike they are (with a standard error of 0.05 at the threshold). So nothing but the bands is ever needed
again, whether one file is searched or two are compared.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from struct import Struct

import numpy as np
from numpy.typing import NDArray

from service.datasets.analysis.batches import Batch
from service.datasets.analysis.roles import roles
from service.datasets.analysis.shingles import shingles

BANDS = 8
"""Columns of 64 bits for one example."""
THRESHOLD = 0.8
"""Jaccard similarity of the shingles from which two examples count as nearly the same."""
_PERMUTATIONS = BANDS * 8
_SEED = 20261126
_pack = Struct(f"={_PERMUTATIONS}I").pack
_SORTED = 1 << 19  # keys at once
_PAIRS = 1 << 16  # so many are verified at once, in 16 MB
_NEIGHBOURS = 3  # how many earlier members of a bucket each one is compared with, besides the first
_HALF = np.uint64(32)

Bands = NDArray[np.uint64]
Indexes = NDArray[np.int64]


def _nothing() -> None:
    pass


def bands(batch: Batch) -> Bands:
    """The signature of each example, of shape (examples, 8); zeros for one that has no text.

    What is said to every example alike is left out: a long system prompt would make all of them near duplicates.
    """
    minima, rows = signatures(batch)
    signed = minima.astype(np.uint8)
    signed[np.diff(rows) == 0] = 0
    return signed.view(np.uint64)


def signatures(batch: Batch) -> tuple[NDArray[np.uint32], Indexes]:
    """The least of each permutation for each example, and where its shingles begin among those of all examples."""
    if "signatures" not in batch.derived:
        batch.derived["signatures"] = _signatures(batch)
    found: tuple[NDArray[np.uint32], Indexes] = batch.derived["signatures"]
    return found


def _signatures(batch: Batch) -> tuple[NDArray[np.uint32], Indexes]:
    hashes = shingles(batch)
    lengths = np.diff(batch.offsets)
    own = roles(batch).own
    if not own.all():
        hashes = hashes[np.repeat(own, lengths)]
        lengths = np.where(own, lengths, 0)
    rows = np.concatenate([[0], np.cumsum(lengths)])[batch.firsts]
    if len(rows) < 2:
        return np.zeros((0, _PERMUTATIONS), np.uint32), rows
    matrix = import_module("rensa").RMinHash.digest_matrix_from_flat_token_hashes(
        hashes, rows.astype(np.uint64), _PERMUTATIONS, _SEED)
    packed = b"".join([_pack(*row) for row in matrix.to_rows()])
    return np.frombuffer(packed, np.uint32).reshape(-1, _PERMUTATIONS), rows


def groups(columns: Bands, *, skip: NDArray[np.bool_] | None = None) -> list[list[int]]:
    """Indexes of examples that are nearly the same, in groups of two and more, in the order of their first."""
    first = heads(columns, skip=skip)
    joined = np.flatnonzero(np.bincount(first, minlength=len(first))[first] > 1)
    order = joined[np.argsort(first[joined], kind="stable")]
    cuts = np.flatnonzero(np.diff(first[order])) + 1
    return [part.tolist() for part in np.split(order, cuts) if len(part)]


def heads(
    columns: Bands, *, skip: NDArray[np.bool_] | None = None, release: Callable[[], None] = _nothing,
    fetch: Callable[[Indexes], Bands] | None = None,
) -> NDArray[np.int32]:
    """For each example the index of the first of its group, its own when it stands alone.

    `columns` may lie on disk: a memory map, whose pages `release` lets go. Then `fetch` reads the rows of candidates,
    which stand anywhere: a map would bring in much more than each of them. Besides, about 12 bytes for each example
    are held, and some 40 MB for the part of the keys that is sorted. Those in `skip`, exact duplicates of earlier ones
    for instance, are left alone.
    """
    parents = np.arange(len(columns), dtype=np.int32)
    members = _comparable(columns, skip, release)
    parts = -(-len(members) // _SORTED) or 1
    for band in range(BANDS * 2):
        for part in range(parts):
            buckets, rows = _buckets(*_keys_of_part(columns, band, members, (part, parts), release))
            for later, earlier in _candidates(buckets, rows):
                _join(fetch or columns.__getitem__, parents, later, earlier)
    return parents


def _buckets(keys: NDArray[np.uint64], rows: NDArray[np.int32]) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """Of keys and the examples that have them those that more than one has, equal keys beside each other."""
    order = np.argsort(keys, kind="stable").astype(np.int32)
    keys = keys[order]
    keys >>= _HALF
    buckets, shared = _shared(keys)
    return buckets, rows[order[shared]]


def overlaps(columns: Bands, others: Bands) -> list[tuple[int, int]]:
    """For each example of `others` that is nearly the same as one of `columns`: (index there, index in `others`)."""
    known, asked = (_comparable(some, None, _nothing) for some in (columns, others))
    found: dict[int, int] = {}
    for band in range(BANDS * 2):
        keys = _keys(columns, band, known, _nothing)
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        wanted = _keys(others, band, asked, _nothing)
        at = np.searchsorted(keys, wanted)
        for step in range(-1, _NEIGHBOURS):
            near = at + step
            fits = (near >= 0) & (near < len(keys))
            fits[fits] = keys[near[fits]] >> _HALF == wanted[fits] >> _HALF
            pairs = zip(known[order[near[fits]]].tolist(), asked[fits].tolist(), strict=True)
            _keep(columns, others, found, [(there, here) for there, here in pairs if here not in found])
    return sorted((there, here) for here, there in found.items())


def similarity(left: Bands, right: Bands) -> NDArray[np.float64]:
    """The estimated Jaccard similarity of examples, row by row."""
    equal = np.equal(np.ascontiguousarray(left).view(np.uint8), np.ascontiguousarray(right).view(np.uint8))
    share = equal.sum(axis=1) / _PERMUTATIONS
    estimated: NDArray[np.float64] = (share - 1 / 256) / (1 - 1 / 256)
    return estimated


def _comparable(columns: Bands, skip: NDArray[np.bool_] | None, release: Callable[[], None]) -> NDArray[np.int32]:
    has_text = np.zeros(len(columns), np.bool_)
    for start in range(0, len(columns), _PAIRS):
        has_text[start:start + _PAIRS] = columns[start:start + _PAIRS].any(axis=1)
        release()
    if skip is not None:
        has_text &= ~skip
    return np.flatnonzero(has_text).astype(np.int32)


def _keys(columns: Bands, band: int, members: NDArray[np.int32], release: Callable[[], None]) -> NDArray[np.uint64]:
    """The key of a band in the upper half, and what lies beside it in the lower, so that sorting brings equals near."""
    keys = np.empty(len(members), np.uint64)
    for start in range(0, len(members), _PAIRS):
        part = columns[members[start:start + _PAIRS], band // 2]
        keys[start:start + _PAIRS] = (part << _HALF) | (part >> _HALF) if band % 2 else part
        release()
    return keys


def _keys_of_part(columns: Bands, band: int, members: NDArray[np.int32], part: tuple[int, int],
                  release: Callable[[], None]) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """Those of the keys that fall into one of so many parts, and whose they are. Equal keys are in the same part."""
    at, of = map(np.uint64, part)
    if of == 1:
        return _keys(columns, band, members, release), members
    keys, rows = [], []
    for start in range(0, len(members), _PAIRS):
        some = members[start:start + _PAIRS]
        found = _keys(columns, band, some, release)
        mine = (found >> _HALF) * of >> _HALF == at
        keys.append(found[mine])
        rows.append(some[mine])
    return np.concatenate(keys), np.concatenate(rows)


def _shared(keys: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], Indexes]:
    """Of sorted keys those that more than one example has, and where they stand."""
    same = keys[1:] == keys[:-1]
    several = np.zeros(len(keys), np.bool_)
    several[1:] |= same
    several[:-1] |= same
    at = np.flatnonzero(several)
    return keys[at], at


def _candidates(keys: NDArray[np.uint64], order: NDArray[np.int32]) -> Iterator[tuple[Indexes, Indexes]]:
    """Each member of a bucket with the bucket's first and its nearest neighbours: linear, however large a bucket is."""
    places = np.arange(len(keys), dtype=np.int32)
    begins = np.concatenate([[True], keys[1:] != keys[:-1]]) if len(keys) else np.zeros(0, np.bool_)
    firsts = np.maximum.accumulate(np.where(begins, places, 0)) if len(keys) else places
    for step in range(_NEIGHBOURS + 1):
        earlier = places - step if step else firsts
        fits = np.flatnonzero((earlier >= firsts) & (earlier < places))
        for cut in range(0, len(fits), _PAIRS):
            part = fits[cut:cut + _PAIRS]
            yield order[part].astype(np.int64), order[earlier[part]].astype(np.int64)


def _join(fetch: Callable[[Indexes], Bands], parents: NDArray[np.int32], later: Indexes, earlier: Indexes) -> None:
    """Put those of the pairs into one group that are indeed alike; the smallest index stays its head."""
    apart = parents[later] != parents[earlier]
    later, earlier = later[apart], earlier[apart]
    if not len(later):
        return
    alike = similarity(fetch(later), fetch(earlier)) >= THRESHOLD
    later, earlier = later[alike], earlier[alike]
    while len(later):
        one, two = parents[later], parents[earlier]
        apart = one != two
        later, earlier = later[apart], earlier[apart]
        np.minimum.at(parents, np.maximum(one, two)[apart], np.minimum(one, two)[apart])
        while not np.array_equal(shorter := parents[parents], parents):
            parents[:] = shorter


def _keep(columns: Bands, others: Bands, found: dict[int, int], pairs: list[tuple[int, int]]) -> None:
    for cut in range(0, len(pairs), _PAIRS):
        part = np.array(pairs[cut:cut + _PAIRS], np.int64)
        alike = similarity(columns[part[:, 0]], others[part[:, 1]]) >= THRESHOLD
        for there, here in part[alike].tolist():
            found.setdefault(here, there)
