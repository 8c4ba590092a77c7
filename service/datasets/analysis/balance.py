"""Measures how evenly a file is made: labels, lengths, turns, and system prompts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from service.datasets.analysis.batches import Batch, Flag, Summary
from service.datasets.analysis.roles import roles
from service.datasets.validation.findings import Finding

LONGEST_LABEL = 64
"""Characters; a longer answer is no label."""
MOST_LABELS = 512
MOST_SYSTEMS = 1024
MOST_TURNS = 64
BUCKETS = 100
"""Buckets of lengths; four of them double the length."""
OTHERS = "\N{HORIZONTAL ELLIPSIS}"
"""Stands for the labels and system prompts beyond those that are counted one by one."""


class Balance:
    """Counts last answers that may be labels, system prompts by hash, turns, and lengths in tokens by bucket."""

    name = "balance"

    def __init__(self) -> None:
        self._labels: Counter[str] = Counter()
        self._systems: Counter[str] = Counter()
        self._known: dict[str, str] = {}
        self._turns = np.zeros(MOST_TURNS, np.int64)
        self._lengths = {part: np.zeros(BUCKETS, np.int64) for part in ("prompt", "answer")}

    def inspect(self, batch: Batch) -> list[Finding]:
        self._count_labels(batch)
        self._count_systems(batch)
        self._count_lengths(batch)
        return []

    def _count_labels(self, batch: Batch) -> None:
        columns = roles(batch)
        answers = [columns.texts[text] for text in columns.last_answer.tolist() if text >= 0]
        short = [answer.strip() for answer in answers if len(answer) <= LONGEST_LABEL and "\n" not in answer]
        counted = Counter(short)
        counted[OTHERS] += len(answers) - len(short)
        _add(self._labels, counted, MOST_LABELS)

    def _count_systems(self, batch: Batch) -> None:
        columns = roles(batch)
        batch.flags[columns.systems < 0] |= np.uint32(Flag.NO_SYSTEM_MESSAGE)
        counted = Counter([columns.texts[system] if system >= 0 else None for system in columns.systems.tolist()])
        _add(self._systems, {"" if system is None else self._name(system): n for system, n in counted.items()},
             MOST_SYSTEMS)

    def _name(self, system: str) -> str:
        if system not in self._known:
            if len(self._known) >= MOST_SYSTEMS:
                self._known.clear()
            self._known[system] = xxhash.xxh3_64_hexdigest(system.encode("utf-8", "surrogatepass"))
        return self._known[system]

    def _count_lengths(self, batch: Batch) -> None:
        columns, size = roles(batch), len(batch.examples)
        tokens = np.diff(batch.offsets)
        answers = np.bincount(columns.examples[columns.answers], tokens[columns.answers], size)
        everything = np.bincount(columns.examples, tokens, size)
        has_answer = columns.last_answer >= 0
        self._lengths["answer"] += _bucketed(answers[has_answer])
        self._lengths["prompt"] += _bucketed(everything - answers)
        turns = np.bincount(columns.examples[columns.prompts], minlength=size)
        self._turns += np.bincount(np.minimum(turns, MOST_TURNS - 1), minlength=MOST_TURNS)

    def summary(self) -> Summary:
        return {"labels": dict(self._labels), "systems": dict(self._systems), "turns": self._turns.tolist(),
                "lengths": {part: counts.tolist() for part, counts in self._lengths.items()}}

    @staticmethod
    def merge(summaries: Sequence[Summary]) -> Summary:
        merged = Balance()
        for summary in summaries:
            _add(merged._labels, Counter(summary["labels"]), MOST_LABELS)
            _add(merged._systems, Counter(summary["systems"]), MOST_SYSTEMS)
            merged._turns += np.array(summary["turns"])
            for part in merged._lengths:
                merged._lengths[part] += np.array(summary["lengths"][part])
        return merged.summary()


def length_at(counts: Sequence[int], share: float) -> int:
    """The length in tokens below which about this share of the examples lie."""
    total = sum(counts)
    below = np.cumsum(counts)
    bucket = int(np.searchsorted(below, share * total)) if total else 0
    return round(2 ** ((min(bucket, BUCKETS - 1) + 0.5) / 4)) - 1


def _bucketed(lengths: NDArray[Any]) -> NDArray[np.int64]:
    buckets = np.minimum(np.log2(lengths + 1) * 4, BUCKETS - 1).astype(np.int64)
    return np.bincount(buckets, minlength=BUCKETS)


def _add(to: Counter[str], counted: Mapping[str, int], most: int) -> None:
    """Add counts of names, of which no more than `most` are kept apart."""
    for name, count in counted.items():
        if count:
            to[name if name in to or len(to) < most else OTHERS] += count
