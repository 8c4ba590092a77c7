"""Examples of one block on their way to become columns: gathered one by one, then counted all at once."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, overload

import msgspec
import numpy as np
from numpy.typing import NDArray

from service.datasets.analysis.acceptance import Taken
from service.datasets.analysis.batches import Batch, Flag, Said
from service.datasets.analysis.columns import BANDS, TYPES, Arrays
from service.datasets.analysis.hashes import Said as Heard
from service.datasets.analysis.hashes import hashed, hashes, mixed
from service.datasets.analysis.roles import Roles
from service.datasets.analysis.shapes import Shape, shape_of
from service.datasets.analysis.tokens import TokenSums, count, encode

_encode = msgspec.json.Encoder(order="deterministic").encode


class Gathered:
    """Rows of one block: those that were taken fast, and those that are added."""

    def __init__(self, taken: Taken) -> None:
        self.rows = taken.rows
        "Which line of the block each is."
        self.shapes = taken.shapes
        self.texts = taken.texts
        self.rests: dict[int, int] = {}
        self.warned: set[int] = set()
        self._added: list[tuple[int, Shape, list[str]]] = []

    def add(self, row: int, shape: Shape, texts: list[str]) -> None:
        self._added.append((row, shape, texts))

    def say(self, row: int, said: Sequence[Said]) -> None:
        """Add one whose texts know their roles."""
        shape = shape_of(tuple(role for role, _, _ in said), tuple(trained for _, _, trained in said))
        self.add(row, shape, [text for _, text, _ in said])

    def close(self) -> None:
        """Put what was added in its place."""
        if not self._added:
            return
        begins = [0, *accumulate([len(shape.roles) for shape in self.shapes])]
        rows, shapes, texts = list[int](), list[Shape](), list[str]()
        done = 0
        for row, shape, said in self._added:
            at = bisect_left(self.rows, row, done)
            rows += (*self.rows[done:at], row)
            shapes += (*self.shapes[done:at], shape)
            texts += self.texts[begins[done]:begins[at]]
            texts += said
            done = at
        self.rows = rows + self.rows[done:]
        self.shapes = shapes + self.shapes[done:]
        self.texts = texts + self.texts[begins[done]:]


class _Examples(Sequence[list[Said]]):
    """Examples as lists of their texts, made when one is asked for: few are."""

    def __init__(self, gathered: Gathered, firsts: NDArray[np.int64]) -> None:
        self._gathered = gathered
        self._firsts = firsts

    def __len__(self) -> int:
        return len(self._gathered.shapes)

    @overload
    def __getitem__(self, at: int) -> list[Said]: ...

    @overload
    def __getitem__(self, at: slice) -> list[list[Said]]: ...

    def __getitem__(self, at: int | slice) -> list[Said] | list[list[Said]]:
        if isinstance(at, slice):
            return [self[each] for each in range(*at.indices(len(self)))]
        shape = self._gathered.shapes[at]
        texts = self._gathered.texts[self._firsts[at]:self._firsts[at] + len(shape.roles)]
        return list(zip(shape.roles, texts, shape.trained, strict=True))


class Counted:
    """The same rows with their tokens."""

    def __init__(self, gathered: Gathered, tokenizer: str, sums: TokenSums, *, ids: bool) -> None:
        self._gathered = gathered
        shapes = gathered.shapes
        self.ids, self.offsets = (encode if ids else count)(gathered.texts, tokenizer)
        self._encoded = list(map(str.encode, gathered.texts))
        self.firsts = np.zeros(len(shapes) + 1, np.int64)
        np.cumsum([len(shape.codes) for shape in shapes], out=self.firsts[1:])
        counts = np.diff(self.offsets)
        self._codes = np.frombuffer(b"".join([shape.codes for shape in shapes]), np.uint8)
        self._learned = np.frombuffer(b"".join([shape.learned for shape in shapes]), np.bool_)
        sums.add(counts, self._codes, self._learned)
        sums.messages += sum([shape.messages for shape in shapes])
        self.lengths = np.diff(self.offsets[self.firsts]) + np.array([shape.overhead for shape in shapes], np.int64)
        learnt = np.concatenate(([0], np.cumsum(np.where(self._learned, counts, 0))))
        self.trainable = np.diff(learnt[self.firsts])
        self.flags = np.zeros(len(shapes), np.uint32)
        if gathered.warned:
            self.flags[[row in gathered.warned for row in gathered.rows]] = Flag.WARNED

    def batch(self, before: int, *, begins: bool) -> Batch:
        """As measures see it; the block begins after line number `before` of a segment that `begins` the file."""
        gathered = self._gathered
        columns = Roles.of(self._codes, self._learned, gathered.texts, self.firsts)
        return Batch(lines=[before + row + 1 for row in gathered.rows], begins=begins, ids=self.ids,
                     examples=_Examples(gathered, self.firsts), offsets=self.offsets, firsts=self.firsts,
                     flags=self.flags, derived={"roles": columns, "encoded": self._encoded})

    def arrays(self, lengths: NDArray[np.int64], *, before: int, offset: int,
               bands: NDArray[np.uint64] | None) -> Arrays:
        """Their columns; `lengths` are those of all lines of the block, which begins at byte `offset`."""
        rows = np.array(self._gathered.rows)
        begins = np.cumsum(lengths + 1) - lengths - 1 + offset
        prompt, answer = self._hashes()
        asks = np.array([shape.asks for shape in self._gathered.shapes], np.bool_)
        columns = {"line": rows + 1 + before, "offset": begins[rows], "length": lengths[rows], "tokens": self.lengths,
                   "trainable": self.trainable, "flags": self.flags, "exact": mixed(prompt, answer),
                   "prompt": np.where(asks, prompt, np.uint64(0)), "answer": answer}
        arrays: Arrays = {name: columns[name].astype(kind, copy=False) for name, kind in TYPES.items()}
        return arrays | {BANDS: np.empty((len(rows), 0), np.uint64) if bands is None else bands}

    def _hashes(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        gathered = self._gathered
        splits = self.firsts[:-1] + np.array([shape.split for shape in gathered.shapes], np.int64)
        prompt, answer = hashes(Heard(self._encoded, self._codes, self._learned, self.firsts, splits))
        if gathered.rests:
            answer = mixed(answer, np.array([gathered.rests.get(row, 0) for row in gathered.rows], np.uint64))
        return prompt, answer


def rest_of(line: bytes) -> int:
    """A hash of what an item of reinforcement holds besides its messages: what its answer is graded by."""
    value: dict[str, Any] = msgspec.json.decode(line)
    value.pop("messages", None)
    value.pop("tools", None)
    return hashed(_encode(value)) if value else 0
