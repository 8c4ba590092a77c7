"""Which lines a version keeps, as indexes in their new order; the same for the same seed, whatever machine it is on."""

import numpy as np
from numpy.typing import NDArray

from service.datasets.analysis import near_duplicates
from service.datasets.analysis.batches import Flag
from service.datasets.transformation.sources import Source
from service.datasets.transformation.specs import Deduplicate, InvalidTransformation, Sample, Split

Indexes = NDArray[np.int64]
_GOLDEN, _FIRST, _SECOND = (np.uint64(number) for number in (
    0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))  # the constants of SplitMix64


def scattered(keys: NDArray[np.uint64], seed: int) -> NDArray[np.uint64]:
    """Keys as numbers that look random, by SplitMix64's finaliser; it needs no state, so order does not matter."""
    mixed = keys + np.uint64(int(_GOLDEN) * (seed + 1) % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    return mixed ^ (mixed >> np.uint64(31))


def shuffled(count: int, seed: int) -> Indexes:
    return np.argsort(scattered(np.arange(count, dtype=np.uint64), seed), kind="stable")


def valid(source: Source) -> Indexes:
    return np.flatnonzero(source.rows >= 0)


def unique(source: Source, spec: Deduplicate) -> Indexes:
    """All but repeated examples; lines that cannot be read are not compared, and stay."""
    repeated = np.uint32(Flag.EXACT_DUPLICATE | (Flag.NEAR_DUPLICATE if spec.near else Flag(0)))
    goes = np.zeros(len(source) + 1, np.bool_)  # the last one for lines without a row
    flags = source.columns.flags & repeated != 0
    goes[:-1][source.rows >= 0] = flags[source.rows[source.rows >= 0]]
    return np.flatnonzero(~goes[:-1])


def sampled(source: Source, spec: Sample) -> Indexes:
    """A random choice in the order of the file."""
    wanted = spec.examples if spec.examples is not None else max(1, round(len(source) * (spec.fraction or 0)))
    return np.sort(shuffled(len(source), spec.seed)[:wanted])


def split(source: Source, spec: Split) -> tuple[Indexes, Indexes]:
    """What to train on and what to validate with, each in the order of the file. Raises InvalidTransformation."""
    labels = related(source)
    heads, sizes = np.unique(labels, return_counts=True)
    order = np.argsort(scattered(_identities(source)[heads], spec.seed), kind="stable")
    if len(heads) < 2:
        raise InvalidTransformation(
            f"the {len(source)} examples cannot be split without one part giving away the other: all of them say"
            " nearly the same or answer the same prompt. Deduplicate them first, or split by hand")
    room = min(len(source) - 1, max(1, round(len(source) * (1 - spec.fraction)), int(sizes.min())))
    chosen = np.zeros(len(source), np.bool_)
    for at in order:
        if sizes[at] <= room:
            chosen[heads[at]] = True
            room -= int(sizes[at])
        if not room:
            break
    held_out = chosen[labels]
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def related(source: Source) -> Indexes:
    """For each line the first of those that must not be parted from it: same or nearly same text, same prompt."""
    columns, rows = source.columns, source.rows
    good = np.flatnonzero(rows >= 0)
    labels = np.arange(len(source), dtype=np.int64)
    if not len(good):
        return labels
    lone = columns.prompt == 0
    prompts = np.unique(columns.prompt, return_inverse=True)[1]
    prompts[lone] = len(columns) + np.flatnonzero(lone)  # nobody asks anything: related to none
    keys = [np.unique(columns.exact, return_inverse=True)[1], np.unique(prompts, return_inverse=True)[1]]
    if columns.bands.shape[1]:
        keys.append(near_duplicates.heads(columns.bands).astype(np.int64))
    own = _joined(keys)
    labels[good] = good[np.searchsorted(rows[good], own[rows[good]])]
    return labels


def _joined(keys: list[Indexes]) -> Indexes:
    """The least row that can be reached from each row by equal keys."""
    labels = np.arange(len(keys[0]), dtype=np.int64)
    while True:
        before = labels
        for key in keys:
            least = np.full(len(labels), len(labels), np.int64)
            np.minimum.at(least, key, labels)
            labels = least[key]
        if np.array_equal(before, labels):
            return labels


def _identities(source: Source) -> NDArray[np.uint64]:
    """A number for each line that hangs on what it says and not on where it stands."""
    found = scattered(np.arange(len(source), dtype=np.uint64), 0)
    good = source.rows >= 0
    found[good] = source.columns.exact[source.rows[good]]
    return found
