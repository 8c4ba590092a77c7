"""The fast way: says of a line that it is certainly a clean chat of texts, or else nothing."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType


class _Said(Struct, forbid_unknown_fields=True, tag_field="role"):
    content: str
    name: str | UnsetType = UNSET

    @property
    def keys(self) -> int:
        return 2 + (self.name is not UNSET)


class _System(_Said, tag="system"):
    pass


class _Developer(_Said, tag="developer"):
    pass


class _User(_Said, tag="user"):
    pass


class _Assistant(Struct, forbid_unknown_fields=True, tag_field="role", tag="assistant"):
    content: Annotated[str, Meta(min_length=1)]
    name: str | UnsetType = UNSET
    weight: Literal[0, 1] | UnsetType = UNSET

    @property
    def keys(self) -> int:
        return 2 + (self.name is not UNSET) + (self.weight is not UNSET)


class _Chat(Struct, forbid_unknown_fields=True):
    messages: list[_System | _Developer | _User | _Assistant]


_decoder = msgspec.json.Decoder(_Chat)


def is_clean(line: bytes) -> bool:
    """Whether nothing is wrong with a line. False means "look closer", never "it is wrong"."""
    try:
        messages = _decoder.decode(line).messages
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    if not messages or not isinstance(messages[-1], _Assistant) or b"\\u0000" in line:
        return False
    if not any(isinstance(message, _Assistant) and message.weight != 0 for message in messages):
        return False
    # msgspec lets a key that comes twice pass. A key's quote is followed by its colon, and inside of a string that
    # quote would be escaped, so counting tells; blanks before a colon only make it look closer.
    named = line.count(b'":') - line.count(b'\\":')
    return named == 1 + sum(message.keys for message in messages)
