"""Which examples say the same as an earlier one, and which answer the same prompt differently."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.datasets.validation.findings import Finding, Place

_GROUPS = 100
_LINES = 20
Rows = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Repeats:
    """Rows that are like an earlier row: `rows[i]` is like `firsts[i]`, in rising order."""

    rows: Rows
    firsts: Rows

    @classmethod
    def none(cls) -> "Repeats":
        return cls(np.empty(0, np.int32), np.empty(0, np.int32))

    def joined(self, other: "Repeats") -> "Repeats":
        """Both; where one's first is like an earlier row by the other's reckoning, all three are one group."""
        firsts = np.concatenate((self.firsts, other.firsts))
        if len(other.rows):
            at = np.minimum(np.searchsorted(other.rows, firsts), len(other.rows) - 1)
            firsts = np.where(other.rows[at] == firsts, other.firsts[at], firsts)
        return _rising(np.concatenate((self.rows, other.rows)), firsts)

    def groups(self, lines: NDArray[np.uint32]) -> list[list[int]]:
        """The lines of the first groups, in the order of their first lines."""
        wanted = np.unique(self.firsts)[:_GROUPS]
        return [[int(lines[first]), *lines[self.rows[self.firsts == first][:_LINES - 1]].tolist()] for first in wanted]


def repeats(hashes: NDArray[np.uint64]) -> Repeats:
    """Rows whose hash an earlier row has."""
    order = np.argsort(hashes, kind="stable").astype(np.int32)
    ordered = hashes[order]
    same = np.empty(len(order), np.bool_)
    same[:1] = False
    np.equal(ordered[1:], ordered[:-1], out=same[1:])
    starts = np.maximum.accumulate(np.where(same, np.int32(0), np.arange(len(order), dtype=np.int32)))
    return _rising(order[same], order[starts[same]])


def contradictions(prompts: NDArray[np.uint64], answers: NDArray[np.uint64]) -> Repeats:
    """Rows with the prompt of an earlier row and another answer than that row. Prompt 0 is nobody's."""
    found = repeats(prompts)
    differs = (answers[found.rows] != answers[found.firsts]) & (prompts[found.rows] != 0)
    return Repeats(found.rows[differs], found.firsts[differs])


def _rising(rows: Rows, firsts: Rows) -> Repeats:
    rising = np.argsort(rows)
    return Repeats(rows[rising], firsts[rising])


def told(found: Repeats, lines: NDArray[np.uint32], kind: str, most: int) -> Iterator[Finding]:
    """Findings for the first of them."""
    for row, first in zip(found.rows[:most], found.firsts[:most], strict=True):
        yield _WORDS[kind](Place.example(int(lines[row])), int(lines[first]))


def _exact(at: Place, first: int) -> Finding:
    return at.warning("exact_duplicate", f"says the same as example {first}.",
                      "Remove it, unless you mean to give it more weight.")


def _contradiction(at: Place, first: int) -> Finding:
    return at.warning("contradiction", f"answers the same prompt as example {first}, but differently.",
                      "Keep the better answer, or tell the model in the prompt what makes the difference.")


def _near(at: Place, first: int) -> Finding:
    return Finding("info", "near_duplicate", at.line, None, f"{at.name} is almost the same as example {first}.",
                   "Near duplicates teach little and make a model repeat them.")


_WORDS = {"exact_duplicate": _exact, "contradiction": _contradiction, "near_duplicate": _near}
