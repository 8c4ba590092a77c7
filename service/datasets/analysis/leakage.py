"""What a validation file has in common with the training file: a score on such examples tells nothing."""

from typing import Protocol

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from service.datasets.analysis.near_duplicates import overlaps

MOST_PAIRS = 100


class Comparable(Protocol):
    """The columns of a file that are compared; row i of each is one example. A prompt of 0 is none."""

    @property
    def line(self) -> NDArray[np.uint32]: ...
    @property
    def exact(self) -> NDArray[np.uint64]: ...
    @property
    def prompt(self) -> NDArray[np.uint64]: ...
    @property
    def answer(self) -> NDArray[np.uint64]: ...
    @property
    def bands(self) -> NDArray[np.uint64]: ...


class Leakage(Struct):
    """Counts are of validation examples; pairs are (line of the training file, line of the validation file)."""

    examples: int = 0
    "Of the validation file."
    exact: int = 0
    near: int = 0
    "Nearly the same as a training example, and not exactly."
    contradicting: int = 0
    "The same prompt with another answer, not counted as near."
    exact_pairs: list[tuple[int, int]] = field(default_factory=list)
    near_pairs: list[tuple[int, int]] = field(default_factory=list)
    contradicting_pairs: list[tuple[int, int]] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Part of the validation file that the training file gives away."""
        return (self.exact + self.near) / self.examples if self.examples else 0.0

    @property
    def message(self) -> str | None:
        if not self.exact + self.near:
            return None
        return (f"{self.exact + self.near} of {self.examples} validation examples ({self.share:.1%}) are in the"
                f" training"
                f" file too, {self.exact} of them exactly: the validation loss will look better than the model is.")


def compare(training: Comparable, validation: Comparable) -> Leakage:
    """Exact and near overlaps, and prompts that are answered differently in the two files."""
    exact = _same(training.exact, validation.exact)
    near = {here: there for there, here in _near(training, validation, skip=exact)}
    prompts = _same(training.prompt, validation.prompt)
    against = {here: there for here, there in prompts.items()
               if here not in exact and here not in near and validation.prompt[here]}
    return Leakage(
        len(validation.line), len(exact), len(near), len(against), _lines(training, validation, exact),
        _lines(training, validation, near), _lines(training, validation, against))


def _same(known: NDArray[np.uint64], asked: NDArray[np.uint64]) -> dict[int, int]:
    """For each of `asked` that is among `known`: its index, and the index of the first equal one there."""
    values, firsts = np.unique(known, return_index=True)
    if not len(values):
        return {}
    at = np.minimum(np.searchsorted(values, asked), len(values) - 1)
    found = np.flatnonzero(values[at] == asked)
    return dict(zip(found.tolist(), firsts[at[found]].tolist(), strict=True))


def _near(training: Comparable, validation: Comparable, *, skip: dict[int, int]) -> list[tuple[int, int]]:
    if not training.bands.shape[1] or not validation.bands.shape[1]:
        return []
    rest = np.setdiff1d(np.arange(len(validation.line)), np.fromiter(skip, np.int64, len(skip)))
    return [(there, int(rest[here])) for there, here in overlaps(training.bands, validation.bands[rest])]


def _lines(training: Comparable, validation: Comparable, pairs: dict[int, int]) -> list[tuple[int, int]]:
    return [(int(training.line[pairs[here]]), int(validation.line[here])) for here in sorted(pairs)[:MOST_PAIRS]]
