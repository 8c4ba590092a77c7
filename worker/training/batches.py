"""Decides which examples make which optimizer step, by lengths and seed alone, so that resuming is counting."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One optimizer step: its number and epoch (both from 1) and the examples it learns from."""

    number: int
    epoch: int
    examples: tuple[int, ...]
    ends_epoch: bool


def schedule(lengths: Sequence[int], *, batch_size: int, n_epochs: int, seed: int) -> list[Step]:
    """Lay out all steps of a run; every example comes once an epoch, shuffled by seed and epoch.

    The step that holds the longest example is moved to the front of the first epoch, so that a run which does not
    fit into memory fails in its first minute.
    """
    steps: list[Step] = []
    longest = max(range(len(lengths)), key=lengths.__getitem__)
    for epoch in range(1, n_epochs + 1):
        order = list(range(len(lengths)))
        random.Random(f"{seed}:{epoch}").shuffle(order)  # noqa: S311  # reproducible is the point
        batches = [tuple(order[at : at + batch_size]) for at in range(0, len(order), batch_size)]
        if epoch == 1:
            batches.sort(key=lambda batch: longest not in batch)  # stable: the others keep their order
        steps += [
            Step(number=len(steps) + at, epoch=epoch, examples=batch, ends_epoch=at == len(batches))
            for at, batch in enumerate(batches, start=1)
        ]
    return steps


def micro_batches(examples: Sequence[int], lengths: Sequence[int], *, max_tokens: int) -> list[tuple[int, ...]]:
    """Cut examples into groups of like length whose padded size stays within `max_tokens`, the longest first.

    An example longer than the budget makes a group of its own.
    """
    groups: list[tuple[int, ...]] = []
    group: list[int] = []
    for example in sorted(examples, key=lambda at: (-lengths[at], at)):
        if group and (len(group) + 1) * lengths[group[0]] > max_tokens:
            groups.append(tuple(group))
            group = []
        group.append(example)
    return [*groups, tuple(group)] if group else groups


def share(examples: Sequence[int], lengths: Sequence[int], *, rank: int, ranks: int) -> list[int]:
    """Pick the examples of one rank: every `ranks`-th by length, so that all ranks have about the same to do."""
    return sorted(examples, key=lambda at: (-lengths[at], at))[rank::ranks]
