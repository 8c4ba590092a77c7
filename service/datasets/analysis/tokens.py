"""Counts tokens exactly, without network, and sums them up as they are billed."""

import importlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Protocol

import numpy as np
from msgspec import Struct, field
from numpy.typing import NDArray

from service.datasets.analysis.report import OverContext, TokenStats
from service.datasets.analysis.shapes import ROLES

TOKENIZERS = ("o200k_base", "cl100k_base")
_UNCERTAIN = ("tools", "call")
_TOLD = 20


class Encoder(Protocol):
    def count(self, text: str) -> int: ...

    def encode_batch_to_numpy(self, texts: list[str], threads: int) -> tuple[NDArray[np.uint32], NDArray[np.int64]]: ...


@cache
def encoder(name: str) -> Encoder:
    """The tokenizer of that name. It takes about half a second, once a process."""
    found: Encoder = importlib.import_module("toktok")._encoding(name)  # noqa: SLF001  # its only way to token ids
    return found


def encode(texts: list[str], tokenizer: str) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Ids of all texts, one after another, and where each begins. Text that spells a special token is text."""
    return encoder(tokenizer).encode_batch_to_numpy(texts, 1)


def count(texts: list[str], tokenizer: str) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """The same without the ids, which is faster."""
    one = encoder(tokenizer).count
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([one(text) for text in texts], out=offsets[1:])
    return np.empty(0, np.uint32), offsets


class TokenSums(Struct):
    """What can be added up over segments; the lengths of examples stand in a column."""

    by_role: dict[str, int] = field(default_factory=dict)
    trainable: int = 0
    messages: int = 0
    images: dict[str, int] = field(default_factory=dict)
    "By their detail."

    def add(self, counts: NDArray[np.int64], codes: NDArray[np.uint8], learned: NDArray[np.bool_]) -> None:
        """Add the texts of some examples: tokens, role and whether it is trained, of each."""
        sums = np.bincount(codes, weights=counts, minlength=len(ROLES)).astype(np.int64)
        for code in np.flatnonzero(np.bincount(codes, minlength=len(ROLES))):
            self.by_role[ROLES[code]] = self.by_role.get(ROLES[code], 0) + int(sums[code])
        self.trainable += int(counts[learned].sum())

    def include(self, other: "TokenSums") -> None:
        for role, tokens in other.by_role.items():
            self.by_role[role] = self.by_role.get(role, 0) + tokens
        self.trainable += other.trainable
        self.messages += other.messages
        self.see(other.images)

    def see(self, images: Mapping[str, int]) -> None:
        for detail, number in images.items():
            self.images[detail] = self.images.get(detail, 0) + number


def stats(sums: TokenSums, lengths: NDArray[np.uint32], lines: NDArray[np.uint32], *, tokenizer: str,
          contexts: Sequence[int]) -> TokenStats:
    """All that is told about tokens, from sums and the length of every example, which counts as it is billed."""
    return TokenStats(
        tokenizer=tokenizer, exact=True, total=sum(sums.by_role.values()), billed=int(lengths.sum(dtype=np.int64)),
        trainable=sums.trainable, uncertain=sum(sums.by_role.get(role, 0) for role in _UNCERTAIN),
        by_role={role: sums.by_role[role] for role in ROLES if role in sums.by_role}, examples=len(lengths),
        messages=sums.messages, images=dict(sums.images), mean=round(float(lengths.mean()), 2) if len(lengths) else 0.0,
        percentiles=percentiles(lengths), histogram=histogram(lengths),
        over_context=[each for context in contexts if (each := _over(lengths, lines, context)).examples])


def percentiles(lengths: NDArray[np.uint32]) -> dict[str, int]:
    """The smallest length that so many per cent of the examples do not exceed."""
    if not len(lengths):
        return dict.fromkeys(("min", "p10", "p50", "p90", "p99", "max"), 0)
    places = {f"p{percent}": -(-len(lengths) * percent // 100) - 1 for percent in (10, 50, 90, 99)}
    places = {"min": 0} | places | {"max": len(lengths) - 1}
    ordered = np.partition(lengths, sorted(set(places.values())))
    return {name: int(ordered[place]) for name, place in places.items()}


def histogram(lengths: NDArray[np.uint32]) -> list[tuple[int, int]]:
    """How many examples are at most 16, 32, 64 … tokens long and longer than the bound before."""
    if not len(lengths):
        return []
    bounds = [16]
    while bounds[-1] < int(lengths.max()):
        bounds.append(2 * bounds[-1])
    counts = np.bincount(np.searchsorted(bounds, lengths), minlength=len(bounds))
    return [(bound, int(count)) for bound, count in zip(bounds, counts, strict=True)]


def _over(lengths: NDArray[np.uint32], lines: NDArray[np.uint32], context: int) -> OverContext:
    rows = np.flatnonzero(lengths > context)
    over = lengths[rows]
    return OverContext(context=context, examples=len(rows), tokens=int(over.sum(dtype=np.int64)) - context * len(rows),
                       longest=int(over.max(initial=0)), lines=lines[rows[:_TOLD]].tolist())
