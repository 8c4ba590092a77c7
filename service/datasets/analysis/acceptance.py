"""The fast way: takes lines of which it is certain that nothing is wrong with them, and leaves all others alone.

    line ─ plain ─▶ messages of text in an order that nobody objects to    most lines of most files
             └─ rich ─▶ with weights, names, calls and tools that were seen to be right before
                          └─▶ left over: look closer, the slow way
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain, compress, pairwise
from operator import attrgetter
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np
from msgspec import Meta, Struct

from service.datasets.analysis.quotes import delimiters, marks
from service.datasets.analysis.shapes import ROLES, Shape, shape_of
from service.datasets.validation.contents import LONG_TEXT
from service.datasets.validation.formats import Format

_MOST_ORDERS = 4096
REFUSALS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
Text = Annotated[str, Meta(min_length=1)]


class _Message(Struct, forbid_unknown_fields=True, tag_field="role", gc=False):
    content: Text


class _System(_Message, tag="system"):
    code: ClassVar[int] = ROLES.index("system")


class _Developer(_Message, tag="developer"):
    code: ClassVar[int] = ROLES.index("developer")


class _User(_Message, tag="user"):
    code: ClassVar[int] = ROLES.index("user")


class _Assistant(_Message, tag="assistant"):
    code: ClassVar[int] = ROLES.index("assistant")


class _Preferred(_Message, tag="assistant"):
    code: ClassVar[int] = ROLES.index("preferred")


class _NonPreferred(_Message, tag="assistant"):
    code: ClassVar[int] = ROLES.index("non_preferred")


class _Chat(Struct, forbid_unknown_fields=True, gc=False):
    messages: list[_System | _Developer | _User | _Assistant]


_One = Meta(min_length=1, max_length=1)


class _Pair(Struct, forbid_unknown_fields=True, gc=False):
    input: _Chat
    preferred_output: Annotated[list[_Preferred], _One]
    non_preferred_output: Annotated[list[_NonPreferred], _One]


class _Completion(Struct, forbid_unknown_fields=True, gc=False):
    prompt: Text
    completion: Text


class _Orders(dict[bytes, Shape | None]):
    """Shapes by the codes of their roles; None for an order that somebody may object to."""

    def __init__(self, usual: str, *trained: str) -> None:
        super().__init__()
        letters = {"s": "system", "d": "developer", "u": "user", "a": "assistant", "p": "preferred",
                   "n": "non_preferred", "P": "prompt", "C": "completion"}
        self._usual = re.compile("".join(re.escape(chr(ROLES.index(letters[each]))) if each in letters else each
                                         for each in usual).encode())
        self._trained = trained

    def __missing__(self, order: bytes) -> Shape | None:
        if len(self) >= _MOST_ORDERS:
            self.clear()
        roles = tuple(ROLES[code] for code in order)
        fits = self._usual.fullmatch(order) is not None
        self[order] = shape = shape_of(roles, tuple(role in self._trained for role in roles)) if fits else None
        return shape


Texts = tuple[list[str], bytes, list[int]]
"""Texts of examples, one after another, the codes of their roles, and how many each example has."""


def _of_chats(examples: list[_Chat]) -> Texts:
    return _of_messages([example.messages for example in examples])


def _of_pairs(examples: list[_Pair]) -> Texts:
    return _of_messages([[*example.input.messages, example.preferred_output[0], example.non_preferred_output[0]]
                         for example in examples])


def _of_messages(messages: Sequence[Sequence[Any]]) -> Texts:
    flat = list(chain.from_iterable(messages))
    return list(map(attrgetter("content"), flat)), bytes(map(attrgetter("code"), flat)), list(map(len, messages))


def _of_completions(examples: list[_Completion]) -> Texts:
    texts = [text for example in examples for text in (example.prompt, example.completion)]
    return texts, bytes((ROLES.index("prompt"), ROLES.index("completion"))) * len(examples), [2] * len(examples)


@dataclass(slots=True)
class Taken:
    """Lines that were taken, by their row, what they say, and the rows that are left, all in their order.

    Empty lines are neither.
    """

    rows: list[int]
    shapes: list[Shape]
    texts: list[str]
    "Of all, one after another."
    left: list[int]


class Acceptance:
    """The fast way for one format. An example has so many quotes of its own, and so many for each text."""

    def __init__(self, kind: Any, flatten: Callable[[list[Any]], Texts], orders: _Orders,
                 quotes: tuple[int, int]) -> None:
        self._decode = msgspec.json.Decoder(kind).decode
        self._flatten = flatten
        self._orders = orders
        self._quotes = quotes

    def take(self, data: bytes, lines: list[bytes]) -> Taken:
        """Take what is certainly clean of the lines of `data`."""
        examples, rows, left = self._decoded(lines)
        if not examples:
            return Taken([], [], [], left)
        texts, codes, sizes = self._flatten(examples)
        orders = self._orders
        shapes = [orders[codes[start:end]] for start, end in pairwise(accumulate(sizes, initial=0))]
        seen = marks(data)
        clean = np.fromiter(map(bool, shapes), np.bool_, len(shapes))
        strings = sum(sizes) * self._quotes[1] + len(sizes) * self._quotes[0]
        # no line has too few quotes, so that if there are not too many in all, there are in none
        if seen.delimiters - sum([delimiters(lines[row]) for row in left]) != strings:
            clean &= self._have_each_key_once(lines, rows, sizes)
        if len(data) > LONG_TEXT:
            clean &= [len(lines[row]) <= LONG_TEXT for row in rows]
        if seen.spells_nul:
            owners = np.repeat(np.arange(len(sizes)), sizes)
            clean[owners[["\0" in text for text in texts]]] = False
        if self._orders is _PAIRS:
            clean &= [texts[end - 2] != texts[end - 1] for end in accumulate(sizes)]
        if clean.all():
            return Taken(rows, shapes, texts, left)  # type: ignore[arg-type]  # none of them is None
        return Taken([*compress(rows, clean)], [*compress(shapes, clean)],  # type: ignore[list-item]  # as above
                     [*compress(texts, np.repeat(clean, sizes))], sorted([*left, *compress(rows, ~clean)]))

    def _decoded(self, lines: list[bytes]) -> tuple[list[Any], list[int], list[int]]:
        """Examples, their rows, and the rows of what is none but holds something."""
        decode = self._decode
        examples: list[Any] = []
        rows: list[int] = []
        left: list[int] = []
        keep, at = examples.append, rows.append
        for row, line in enumerate(lines):
            if line:
                try:
                    keep(decode(line))
                    at(row)
                except REFUSALS:
                    left.append(row)
        return examples, rows, left

    def _have_each_key_once(self, lines: list[bytes], rows: list[int], sizes: list[int]) -> list[bool]:
        own, each = self._quotes
        return [delimiters(lines[row]) == own + each * size for row, size in zip(rows, sizes, strict=True)]


_PAIRS = _Orders("[sd]?(ua)*upn", "preferred", "non_preferred")
_NOTHING = Acceptance(None, _of_completions, _Orders("PC"), (0, 0))
_BY_FORMAT: dict[Format, Acceptance] = {
    "chat": Acceptance(_Chat, _of_chats, _Orders("[sd]?(ua)+", "assistant"), (2, 8)),
    "preference": Acceptance(_Pair, _of_pairs, _PAIRS, (8, 8)),
    "completion": Acceptance(_Completion, _of_completions, _Orders("PC", "completion"), (0, 4))}


def acceptance(format: Format) -> Acceptance:
    """The fast way for lines of one format. What it leaves is not wrong, but may be."""
    return _BY_FORMAT.get(format, _NOTHING)
