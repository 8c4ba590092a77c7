"""How far reviewers agree: percent agreement and Krippendorff's alpha for nominal values. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Ballot = tuple[Sequence[int], int]
"""How many reviewers chose each value (always in the same order), and how many items came out so."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Over the items that at least two reviewers decided on."""

    items: int
    percent: float
    "Share of all pairs of decisions on one item that are the same."
    alpha: float | None
    "1: they agree, 0: as if by chance, below: worse than that. None when all decisions are the same."


def agreement(ballots: Iterable[Ballot]) -> Agreement | None:
    """None when no item has two decisions.

    Alpha as in K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section C: nominal data, any
    number of observers, missing data. It is 1 - observed / expected disagreement, both of them from the matrix of
    coincidences, in which each pair of values of one item counts 1 / (values of the item - 1).
    """
    shared = [(counts, times) for counts, times in ballots if sum(counts) >= 2]
    items = sum(times for _, times in shared)
    if not items:
        return None
    pairs = sum(times * _pairs(sum(counts)) for counts, times in shared)
    alike = sum(times * sum(map(_pairs, counts)) for counts, times in shared)
    return Agreement(items, 100 * alike / pairs, _alpha(shared))


def _alpha(shared: Sequence[Ballot]) -> float | None:
    weighted = [[times * count for count in counts] for counts, times in shared]
    totals = [sum(column) for column in zip(*weighted, strict=True)]
    values = sum(totals)
    expected: float = (_pairs(values) - sum(map(_pairs, totals))) / (values - 1)
    if expected == 0:
        return None
    observed: float = sum(times * (_pairs(sum(counts)) - sum(map(_pairs, counts))) / (sum(counts) - 1)
                   for counts, times in shared)
    return 1 - observed / expected


def _pairs(count: int) -> int:
    """Ordered pairs of different ones among `count`."""
    return count * (count - 1)
