"""Which examples people should look at: the conspicuous ones, most suspicious first, and a random sample. Pure."""

import math
import random
import zipfile
from collections.abc import Collection
from dataclasses import dataclass
from typing import IO, Any, Literal

import numpy as np
from numpy.typing import NDArray

from service.datasets.analysis.batches import Flag

MOST_ITEMS = 10_000
"""So many examples are put before people in one review."""
WEIGHTS: dict[Flag, int] = {
    Flag.SECRET: 40, Flag.INVALID: 35, Flag.CONTRADICTION: 30, Flag.LEAKED: 25, Flag.PERSONAL_DATA: 20,
    Flag.EMPTY_ANSWER: 20, Flag.TRUNCATED_ANSWER: 15, Flag.REPETITIVE: 15, Flag.REFUSAL: 12, Flag.BOILERPLATE: 10,
    Flag.INCONSISTENT_FORMAT: 10, Flag.EXACT_DUPLICATE: 8, Flag.SHORT_ANSWER: 5, Flag.NEAR_DUPLICATE: 4,
    Flag.TOO_LONG: 4, Flag.WARNED: 3,
}
"""How much each flag says that an example would teach something wrong. What has no weight is not suspicious."""


class NoColumns(ValueError):
    """The bytes are not those of stored columns."""


@dataclass(frozen=True, slots=True)
class Examples:
    """What is known about each example of a file: row i of each column is one."""

    line: NDArray[Any]
    start: NDArray[Any]
    length: NDArray[Any]
    flags: NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.line)


@dataclass(frozen=True, slots=True)
class Suspect:
    """One example that was chosen for review."""

    line: int
    start: int
    length: int
    flags: int
    suspicion: int
    chosen_as: Literal["flagged", "sampled"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many to choose: `flagged` None means all, and of `count` and `percent` one is given."""

    flagged: int | None = 0
    count: int = 0
    percent: float | None = None
    seed: int = 0


def load(file: IO[bytes]) -> Examples:
    """The columns that a review needs from a file of stored columns. Raises NoColumns."""
    try:
        with np.load(file, allow_pickle=False) as columns:
            return Examples(columns["line"], columns["offset"], columns["length"], columns["flags"])
    except (EOFError, KeyError, ValueError, zipfile.BadZipFile) as wrong:
        raise NoColumns from wrong


def suspicion(flags: NDArray[np.uint32]) -> NDArray[np.int16]:
    """From 0 to 100, for each example."""
    total = np.zeros(len(flags), dtype=np.int16)
    for flag, weight in WEIGHTS.items():
        total[(flags & np.uint32(flag)) != 0] += weight
    return np.minimum(total, 100)


def in_words(flags: int) -> list[str]:
    """Such as ["near_duplicate", "personal_data"], the weightiest first."""
    named = sorted((flag for flag in Flag if flags & flag), key=lambda flag: -WEIGHTS.get(flag, 0))
    return [str(flag.name).lower() for flag in named]


def suspects(examples: Examples, wanted: Wanted, *, without: Collection[int] = ()) -> list[Suspect]:
    """The chosen ones, most suspicious first, none twice and none of the lines `without`; at most MOST_ITEMS.

    The sample is drawn from what was not chosen for its flags, and is the same for the same seed.
    """
    degree = suspicion(examples.flags)
    free = np.isin(examples.line, np.fromiter(without, dtype=np.int64, count=len(without)), invert=True)
    flagged = np.flatnonzero(free & (degree > 0))
    order = flagged[np.lexsort((examples.line[flagged], -degree[flagged]))][:MOST_ITEMS]
    chosen = order if wanted.flagged is None else order[:wanted.flagged]
    free[chosen] = False
    size = min(sample_size(len(examples), wanted), MOST_ITEMS - len(chosen))
    sampled = _sample(np.flatnonzero(free), size, wanted)
    sampled = sampled[np.lexsort((examples.line[sampled], -degree[sampled]))]
    found = [_suspect(examples, row, int(degree[row]), "flagged") for row in chosen.tolist()]
    found += [_suspect(examples, row, int(degree[row]), "sampled") for row in sampled.tolist()]
    return sorted(found, key=lambda suspect: (-suspect.suspicion, suspect.line))


def sample_size(examples: int, wanted: Wanted) -> int:
    """How many the sample is to hold: a percentage is one of all examples, rounded up."""
    return wanted.count if wanted.percent is None else math.ceil(examples * wanted.percent / 100)


def _sample(rows: NDArray[np.intp], size: int, wanted: Wanted) -> NDArray[np.intp]:
    drawn = random.Random(wanted.seed).sample(range(len(rows)), min(size, len(rows)))  # noqa: S311 - no secret
    return rows[np.array(drawn, dtype=np.intp)]


def _suspect(examples: Examples, row: int, degree: int, chosen_as: Literal["flagged", "sampled"]) -> Suspect:
    return Suspect(int(examples.line[row]), int(examples.start[row]), int(examples.length[row]),
                   int(examples.flags[row]), degree, chosen_as)
