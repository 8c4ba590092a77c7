"""The fast way: says of a line that it is certainly a clean chat of texts, or else nothing."""

import re
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType


class _Said(Struct, forbid_unknown_fields=True, tag_field="role"):
    content: str
    name: str | UnsetType = UNSET

    @property
    def keys(self) -> int:
        return 2 + (self.name is not UNSET)


class _System(_Said, tag="system"):
    code: ClassVar[str] = "s"


class _Developer(_Said, tag="developer"):
    code: ClassVar[str] = "d"


class _User(_Said, tag="user"):
    code: ClassVar[str] = "u"


class _Assistant(Struct, forbid_unknown_fields=True, tag_field="role", tag="assistant"):
    code: ClassVar[str] = "a"
    content: Annotated[str, Meta(min_length=1)]
    name: str | UnsetType = UNSET
    weight: Literal[0, 1] | UnsetType = UNSET

    @property
    def keys(self) -> int:
        return 2 + (self.name is not UNSET) + (self.weight is not UNSET)


class _Chat(Struct, forbid_unknown_fields=True):
    messages: list[_System | _Developer | _User | _Assistant]


_ORDER = re.compile(r"[sd]?a?(ua)*")
"""Orders of speakers that nobody objects to: instructions first and once, and no one twice in a row."""
_BLANKS = (b" :", b"\t:", b"\r:", b"\n:")
_LONGEST = 1_000_000
_decoder = msgspec.json.Decoder(_Chat)


def is_clean(line: bytes) -> bool:
    """Whether nothing is wrong with a line. False means "look closer", never "it is wrong"."""
    try:
        messages = _decoder.decode(line).messages
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    if not messages or len(line) > _LONGEST or b"\\u0000" in line or not _is_learnt(messages[-1]):
        return False
    if not _ORDER.fullmatch("".join([message.code for message in messages])):
        return False
    # msgspec lets a key that comes twice pass. A key's quote is followed by its colon, and inside of a string that
    # quote would be escaped, so counting tells, as long as there are no blanks before colons.
    if any(blank in line for blank in _BLANKS):
        return False
    named = line.count(b'":') - line.count(b'\\":')
    return named == 1 + sum(message.keys for message in messages)


def _is_learnt(message: _System | _Developer | _User | _Assistant) -> bool:
    return isinstance(message, _Assistant) and message.weight != 0
