"""The fast way: takes lines of which it is certain that nothing is wrong with them, and leaves all others alone.

    line ─ plain ─▶ messages of text in an order that nobody objects to    most lines of most files
             └─ rich ─▶ with weights, names, calls and tools that were seen to be right before
                          └─▶ left over: look closer, the slow way
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta, Struct

from service.datasets.analysis.quotes import delimiters
from service.datasets.analysis.shapes import Shape, shape_of
from service.datasets.validation.formats import Format

_ROLES = {"s": "system", "d": "developer", "u": "user", "a": "assistant"}
_MOST_ORDERS = 4096
REFUSALS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
Text = Annotated[str, Meta(min_length=1)]


class _Message(Struct, forbid_unknown_fields=True, tag_field="role", gc=False):
    content: Text


class _System(_Message, tag="system"):
    code: ClassVar[str] = "s"


class _Developer(_Message, tag="developer"):
    code: ClassVar[str] = "d"


class _User(_Message, tag="user"):
    code: ClassVar[str] = "u"


class _Assistant(_Message, tag="assistant"):
    code: ClassVar[str] = "a"


class _Chat(Struct, forbid_unknown_fields=True, gc=False):
    messages: list[_System | _Developer | _User | _Assistant]


class _Output(Struct, forbid_unknown_fields=True, gc=False):
    role: Literal["assistant"]
    content: Text


_Outputs = Annotated[list[_Output], Meta(min_length=1, max_length=1)]


class _Pair(Struct, forbid_unknown_fields=True, gc=False):
    input: _Chat
    preferred_output: _Outputs
    non_preferred_output: _Outputs


class _Completion(Struct, forbid_unknown_fields=True, gc=False):
    prompt: Text
    completion: Text


class _Orders(dict[str, Shape | None]):
    """Shapes by the order of roles; None for an order that somebody may object to."""

    def __init__(self, usual: str, more: tuple[str, ...] = (), trained: str = "assistant") -> None:
        super().__init__()
        self._usual = re.compile(usual)
        self._more = more
        self._trained = trained

    def __missing__(self, order: str) -> Shape | None:
        if len(self) >= _MOST_ORDERS:
            self.clear()
        roles = (*(_ROLES[code] for code in order), *self._more)
        fits = self._usual.fullmatch(order) is not None
        self[order] = shape = shape_of(roles, tuple(role == self._trained for role in roles)) if fits else None
        return shape


_CHATS = _Orders("[sd]?(ua)+")
_PAIRS = _Orders("[sd]?(ua)*u", ("preferred", "non_preferred"), "preferred")
_COMPLETION = shape_of(("prompt", "completion"), (False, True))
Accepted = tuple[Shape | None, list[str]]


def _chat(example: _Chat) -> Accepted:
    messages = example.messages
    return _CHATS["".join([message.code for message in messages])], [message.content for message in messages]


def _pair(example: _Pair) -> Accepted:
    messages, better, worse = example.input.messages, example.preferred_output[0], example.non_preferred_output[0]
    shape = _PAIRS["".join([message.code for message in messages])] if better.content != worse.content else None
    return shape, [*(message.content for message in messages), better.content, worse.content]


def _completion(example: _Completion) -> Accepted:
    return _COMPLETION, [example.prompt, example.completion]


@dataclass(slots=True)
class Taken:
    """Lines that were taken, by their row, what they say, and the rows that are left, all in their order."""

    rows: list[int]
    shapes: list[Shape]
    texts: list[list[str]]
    left: list[int]


class Acceptance:
    """The fast way for one format. An example has so many quotes of its own, and so many for each text."""

    def __init__(self, kind: Any, understand: Callable[[Any], Accepted], quotes: int, quotes_of_text: int) -> None:
        self._decode = msgspec.json.Decoder(kind).decode
        self._understand = understand
        self._quotes = quotes
        self._quotes_of_text = quotes_of_text

    def take(self, data: bytes, lines: list[bytes]) -> Taken:
        """Take what is certainly clean of `lines`, which are those of `data`."""
        decode, understand = self._decode, self._understand
        taken = Taken([], [], [], [])
        rows, shapes, texts, left = taken.rows.append, taken.shapes.append, taken.texts.append, taken.left.append
        for row, line in enumerate(lines):
            try:
                shape, said = understand(decode(line))
            except REFUSALS:
                shape = None
            if shape is None:
                left(row)
            else:
                rows(row)
                shapes(shape)
                texts(said)
        return taken if self._has_nothing_else(data, lines, taken) else self._without_doubtful(lines, taken)

    def _has_nothing_else(self, data: bytes, lines: list[bytes], taken: Taken) -> bool:
        """Whether in what was taken no key comes twice and no NUL stands, looked at all together."""
        if b"\\u0000" in data or b'\\\\"' in data:
            return False
        return delimiters(data) - sum(delimiters(lines[row]) for row in taken.left) == self._wanted(taken.texts)

    def _wanted(self, texts: list[list[str]]) -> int:
        return self._quotes * len(texts) + self._quotes_of_text * sum(map(len, texts))

    def _without_doubtful(self, lines: list[bytes], taken: Taken) -> Taken:
        """The same line by line."""
        kept = Taken([], [], [], taken.left)
        for row, shape, texts in zip(taken.rows, taken.shapes, taken.texts, strict=True):
            line = lines[row]
            if b"\\u0000" in line or delimiters(line) != self._wanted([texts]):
                kept.left.append(row)
            else:
                kept.rows.append(row)
                kept.shapes.append(shape)
                kept.texts.append(texts)
        kept.left.sort()
        return kept


_NOTHING = Acceptance(msgspec.Raw, lambda _: (None, []), 0, 0)
_BY_FORMAT: dict[Format, Acceptance] = {
    "chat": Acceptance(_Chat, _chat, 2, 8), "preference": Acceptance(_Pair, _pair, 16, 8),
    "completion": Acceptance(_Completion, _completion, 0, 4)}


def acceptance(format: Format) -> Acceptance:  # noqa: A002
    """The fast way for lines of one format. What it leaves is not wrong, but may be."""
    return _BY_FORMAT.get(format, _NOTHING)
