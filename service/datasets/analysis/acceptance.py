"""The fast way: takes a line of which it is certain that nothing is wrong with it, and leaves all others alone.

    line ─ plain ─▶ messages of text in an order that nobody objects to    most lines of most files
             └─ rich ─▶ with weights, names, calls and tools that were seen to be right before
                          └─▶ None: look closer, the slow way
"""

import re
from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta, Struct

from service.datasets.analysis.shapes import Shape, shape_of
from service.datasets.validation.formats import Format

Accepted = tuple[Shape, list[str]]
"""The shape of an example and its texts."""
Accept = Callable[[bytes], Accepted | None]

_ROLES = {"s": "system", "d": "developer", "u": "user", "a": "assistant"}
_CHAT = re.compile(r"[sd]?(ua)+")
_QUESTION = re.compile(r"[sd]?(ua)*u")
_MOST_ORDERS = 4096
_REFUSALS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
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


_Any = _System | _Developer | _User | _Assistant


class _Chat(Struct, forbid_unknown_fields=True, gc=False):
    messages: list[_Any]


class _Input(Struct, forbid_unknown_fields=True, gc=False):
    messages: list[_Any]


class _Output(Struct, forbid_unknown_fields=True, gc=False):
    role: Literal["assistant"]
    content: Text


_Outputs = Annotated[list[_Output], Meta(min_length=1, max_length=1)]


class _Pair(Struct, forbid_unknown_fields=True, gc=False):
    input: _Input
    preferred_output: _Outputs
    non_preferred_output: _Outputs


class _Completion(Struct, forbid_unknown_fields=True, gc=False):
    prompt: Text
    completion: Text


_chat = msgspec.json.Decoder(_Chat).decode
_pair = msgspec.json.Decoder(_Pair).decode
_completion = msgspec.json.Decoder(_Completion).decode


class _Orders:
    """Orders of roles that were looked at: the shape of an example in that order, or None if it is not a usual one."""

    def __init__(self, usual: re.Pattern[str], more: tuple[str, ...] = ()) -> None:
        self._usual = usual
        self._more = more
        self._known: dict[str, Shape | None] = {}

    def __call__(self, order: str) -> Shape | None:
        try:
            return self._known[order]
        except KeyError:
            if len(self._known) >= _MOST_ORDERS:
                self._known.clear()
            self._known[order] = found = self._shape(order)
            return found

    def _shape(self, order: str) -> Shape | None:
        if not self._usual.fullmatch(order):
            return None
        roles = (*(_ROLES[code] for code in order), *self._more)
        return shape_of(roles, tuple(role in {"assistant", "preferred"} and not self._more for role in roles))


_chats = _Orders(_CHAT)
_pairs = _Orders(_QUESTION, ("preferred", "non_preferred"))
_COMPLETION = shape_of(("prompt", "completion"), (False, True))


def accept_chat(line: bytes) -> Accepted | None:
    try:
        messages = _chat(line).messages
    except _REFUSALS:
        return None
    shape = _chats("".join([message.code for message in messages]))
    if shape is None or not _is_plain(line, 1 + 2 * len(messages)):
        return None
    return shape, [message.content for message in messages]


def accept_pair(line: bytes) -> Accepted | None:
    try:
        pair = _pair(line)
    except _REFUSALS:
        return None
    messages, better, worse = pair.input.messages, pair.preferred_output[0].content, pair.non_preferred_output[0].content
    shape = _pairs("".join([message.code for message in messages]))
    if shape is None or better == worse or not _is_plain(line, 8 + 2 * len(messages)):
        return None
    return shape, [*(message.content for message in messages), better, worse]


def accept_completion(line: bytes) -> Accepted | None:
    try:
        example = _completion(line)
    except _REFUSALS:
        return None
    return (_COMPLETION, [example.prompt, example.completion]) if _is_plain(line, 2) else None


def _is_plain(line: bytes, keys: int) -> bool:
    """Whether a line has no key twice, which msgspec lets pass, and no NUL.

    A key's quote is followed by its colon, and inside of a string that quote would be escaped, so counting tells;
    blanks before a colon only make it look closer.
    """
    return line.count(b'":') - line.count(b'\\":') == keys and b"\\u0000" not in line


def accept_nothing(line: bytes) -> Accepted | None:  # noqa: ARG001
    return None


_BY_FORMAT: dict[Format, Accept] = {"chat": accept_chat, "preference": accept_pair, "completion": accept_completion}


def acceptance(format: Format) -> Accept:  # noqa: A002
    """The fast way for lines of one format. None from it means "look closer", never "it is wrong"."""
    return _BY_FORMAT.get(format, accept_nothing)
