"""Measures answers that teach nothing good: empty, cut off, or saying the same over and over."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from service.datasets.analysis.batches import Batch, Flag, Summary
from service.datasets.analysis.endings import Ending, doubtful, ending
from service.datasets.analysis.near_duplicates import signatures
from service.datasets.analysis.places import find
from service.datasets.analysis.roles import roles
from service.datasets.analysis.shingles import LENGTH, shingles
from service.datasets.validation.findings import Finding

REPEATED = 0.6
"""Share of an answer's shingles that stand in it already, from which it counts as repetitive. Tables, code and lists
of objects reach about a third."""
_FEWEST = 40  # tokens; in a shorter answer a refrain is no loop
_MOST = 1 << 12  # texts that are sorted at once: the number of the text and 20 bits of each hash fit 32 bits
_HASH_BITS = np.uint64(20)

_HINTS = {
    Ending.EMPTY: ("empty_answer", Flag.EMPTY_ANSWER, "is empty: there is nothing to learn in it.",
                   "Write the answer, or drop the example."),
    Ending.CUT: ("truncated_answer", Flag.TRUNCATED_ANSWER, "ends in the middle of a sentence.",
                 "Complete it: a model that learns from cut answers stops in mid-sentence."),
    Ending.OPEN_FENCE: ("truncated_answer", Flag.TRUNCATED_ANSWER, "opens a code block that is not closed.",
                        "Close it with ```, or complete the answer if it was cut off."),
}


class Degeneration:
    """Counts answers by what is wrong with them, and how many answers there are."""

    name = "degeneration"

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def inspect(self, batch: Batch) -> list[Finding]:
        columns = roles(batch)
        answers = np.flatnonzero(columns.answers)
        examples = columns.examples[answers]
        self._counts["answers"] += len(answers)
        unclear = doubtful([columns.texts[text] for text in answers.tolist()])
        findings = [*self._endings(batch, zip(answers[unclear].tolist(), examples[unclear].tolist(), strict=True)),
                    *self._loops(batch, answers)]
        return sorted(findings, key=lambda found: found.line or 0)

    def _endings(self, batch: Batch, unclear: Iterable[tuple[int, int]]) -> Iterator[Finding]:
        texts = roles(batch).texts
        for text, example in unclear:
            how = ending(texts[text])
            if how is Ending.COMPLETE:
                continue
            if how is Ending.SHORT:
                self._counts["short"] += 1
                batch.mark(example, Flag.SHORT_ANSWER)
                continue
            if how is Ending.EMPTY and self._calls(batch, text, example):
                continue
            kind, flag, words, hint = _HINTS[how]
            self._counts[kind] += 1
            batch.mark(example, flag)
            yield find(batch, text, example, "warning" if how is Ending.EMPTY else "info", kind, words, hint)

    @staticmethod
    def _calls(batch: Batch, text: int, example: int) -> bool:
        """Whether the message says nothing because it calls a tool."""
        after = text + 1 - int(batch.firsts[example])
        said = batch.examples[example]
        return after < len(said) and said[after][0] == "call"

    def _loops(self, batch: Batch, answers: NDArray[np.int64]) -> Iterator[Finding]:
        lengths = (batch.offsets[1:] - batch.offsets[:-1])[answers]
        may_loop = _may_repeat(batch, answers, lengths)
        long = answers[(lengths >= _FEWEST) & may_loop]
        for start in range(0, len(long), _MOST):
            part = long[start:start + _MOST]
            shares = _repeated(batch, part)
            for at in np.flatnonzero(shares >= REPEATED).tolist():
                text, share = int(part[at]), float(shares[at])
                example = int(roles(batch).examples[text])
                self._counts["repetitive_answer"] += 1
                batch.mark(example, Flag.REPETITIVE)
                yield find(batch, text, example, "info", "repetitive_answer",
                           f"repeats itself: {share:.0%} of it stands in it already.",
                           "Shorten it: a model learns loops quickly.")

    def summary(self) -> Summary:
        return dict(sorted(self._counts.items()))

    @staticmethod
    def merge(summaries: Sequence[Summary]) -> Summary:
        merged: Counter[str] = Counter()
        for summary in summaries:
            merged.update(summary)
        return dict(sorted(merged.items()))


def _may_repeat(batch: Batch, answers: NDArray[np.int64], lengths: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Leaves out most answers without sorting them: the mean of the minima tells how many different shingles there are.

    That estimate errs by an eighth; three times as much is allowed for.
    """
    minima, rows = signatures(batch)
    shares = minima.mean(axis=1, dtype=np.float64) / 2 ** 32
    different = 1 / np.maximum(shares, 1e-9) - 1
    examples = roles(batch).examples[answers]
    found: NDArray[np.bool_] = different[examples] <= 1.4 * (np.diff(rows)[examples] - REPEATED * lengths)
    return found


def _repeated(batch: Batch, texts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The share of each text's shingles that stand in it more than once, the first of each not counted."""
    starts = batch.offsets[:-1][texts]
    counts = batch.offsets[1:][texts] - starts - LENGTH + 1
    rows = np.concatenate([[0], np.cumsum(counts)])
    numbers = np.repeat(np.arange(len(texts)), counts)
    at = np.arange(rows[-1]) + np.repeat(starts - rows[:-1], counts)
    hashes = shingles(batch)[at] >> (np.uint64(64) - _HASH_BITS)
    keys = np.sort((hashes | (numbers.astype(np.uint64) << _HASH_BITS)).astype(np.uint32))
    again = (keys[1:] == keys[:-1]).astype(np.int64)
    repeats = np.add.reduceat(np.concatenate([[0], again]), rows[:-1])
    found: NDArray[np.float64] = repeats / counts
    return found
