"""Examples of one block on their way to become columns: gathered one by one, then counted all at once."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from service.datasets.analysis.acceptance import Taken
from service.datasets.analysis.batches import Batch, Flag, Said
from service.datasets.analysis.columns import BANDS, TYPES, Arrays
from service.datasets.analysis.hashes import hashed, hashes
from service.datasets.analysis.shapes import Shape, shape_of
from service.datasets.analysis.tokens import TokenSums, encode

_encode = msgspec.json.Encoder(order="deterministic").encode


class Gathered:
    """Rows of one block, in the order of their lines."""

    def __init__(self, taken: Taken) -> None:
        self.rows = taken.rows
        "Which line of the block each is."
        self.shapes = taken.shapes
        self.texts = taken.texts
        self.rests: dict[int, int] = {}
        self.warned: set[int] = set()

    def add(self, row: int, shape: Shape, texts: list[str]) -> None:
        """Add an example, in order or not."""
        self.rows.append(row)
        self.shapes.append(shape)
        self.texts.append(texts)

    def say(self, row: int, said: Sequence[Said]) -> None:
        """The same for one whose texts know their roles."""
        shape = shape_of(tuple(role for role, _, _ in said), tuple(trained for _, _, trained in said))
        self.add(row, shape, [text for _, text, _ in said])

    def sort(self) -> None:
        order = sorted(range(len(self.rows)), key=self.rows.__getitem__)
        self.rows = [self.rows[at] for at in order]
        self.shapes = [self.shapes[at] for at in order]
        self.texts = [self.texts[at] for at in order]


class Counted:
    """The same rows with their tokens."""

    def __init__(self, gathered: Gathered, tokenizer: str, sums: TokenSums) -> None:
        self._gathered = gathered
        shapes = gathered.shapes
        self.ids, self.offsets = encode(list(chain.from_iterable(gathered.texts)), tokenizer)
        self.firsts = np.zeros(len(shapes) + 1, np.int64)
        np.cumsum([len(each) for each in gathered.texts], out=self.firsts[1:])
        counts = np.diff(self.offsets)
        codes = np.frombuffer(b"".join([shape.codes for shape in shapes]), np.uint8)
        learned = np.frombuffer(b"".join([shape.learned for shape in shapes]), np.bool_)
        sums.add(counts, codes, learned)
        sums.messages += sum(shape.messages for shape in shapes)
        ends = self.offsets[self.firsts]
        self.lengths = np.diff(ends) + np.array([shape.overhead for shape in shapes])
        learnt = np.concatenate(([0], np.cumsum(np.where(learned, counts, 0))))[self.firsts]
        self.trainable = np.diff(learnt)
        self.flags = np.zeros(len(shapes), np.uint32)
        if gathered.warned:
            self.flags[[row in gathered.warned for row in gathered.rows]] = Flag.WARNED

    def batch(self, before: int) -> Batch:
        """As measures see it; the block begins after line number `before`."""
        gathered = self._gathered
        examples = [list(zip(shape.roles, texts, shape.trained, strict=True))
                    for shape, texts in zip(gathered.shapes, gathered.texts, strict=True)]
        return Batch(lines=[before + row + 1 for row in gathered.rows], examples=examples, ids=self.ids,
                     offsets=self.offsets, firsts=self.firsts, flags=self.flags)

    def arrays(self, lengths: list[int], *, before: int, offset: int, bands: NDArray[np.uint64] | None) -> Arrays:
        """Their columns; `lengths` are those of all lines of the block, which begins at byte `offset`."""
        rows = np.array(self._gathered.rows)
        sizes = np.array(lengths, np.int64)
        begins = np.cumsum(sizes + 1) - sizes - 1 + offset
        rests = [self._gathered.rests.get(row, 0) for row in self._gathered.rows] if self._gathered.rests else None
        exact, prompt, answer = hashes(self._gathered.shapes, self._gathered.texts, rests)
        columns = {"line": rows + 1 + before, "offset": begins[rows], "length": sizes[rows], "tokens": self.lengths,
                   "trainable": self.trainable, "flags": self.flags, "exact": exact, "prompt": prompt, "answer": answer}
        arrays: Arrays = {name: columns[name].astype(kind, copy=False) for name, kind in TYPES.items()}
        return arrays | {BANDS: np.empty((len(rows), 0), np.uint64) if bands is None else bands}


def rest_of(line: bytes) -> int:
    """A hash of what an item of reinforcement holds besides its messages: what its answer is graded by."""
    value: dict[str, Any] = msgspec.json.decode(line)
    value.pop("messages", None)
    value.pop("tools", None)
    return hashed([_encode(value).decode()]) if value else 0
