"""Examples of one block on their way to become columns: gathered one by one, then counted all at once."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from service.datasets.analysis.batches import Batch, Said
from service.datasets.analysis.columns import BANDS, TYPES, Arrays
from service.datasets.analysis.hashes import hashed, hashes
from service.datasets.analysis.shapes import Shape, shape_of
from service.datasets.analysis.tokens import TokenSums, encode

_encode = msgspec.json.Encoder(order="deterministic").encode


class Gathered:
    """Rows of one block, in the order of their lines."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        "Which line of the block each is."
        self.shapes: list[Shape] = []
        self.texts: list[list[str]] = []
        self.rests: dict[int, int] = {}
        self.flags: dict[int, int] = {}

    def add(self, row: int, said: Sequence[Said], *, flags: int = 0, rest: int = 0) -> None:
        """Add an example that came the slow way."""
        if flags:
            self.flags[len(self.rows)] = flags
        if rest:
            self.rests[len(self.rows)] = rest
        self.rows.append(row)
        self.shapes.append(shape_of(tuple(role for role, _, _ in said), tuple(trained for _, _, trained in said)))
        self.texts.append([text for _, text, _ in said])


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
        for row, flags in gathered.flags.items():
            self.flags[row] = flags

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
        exact, prompt, answer = hashes(self._gathered.shapes, self._gathered.texts, self._gathered.rests)
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
