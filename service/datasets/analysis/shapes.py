"""The shape of an example: who speaks in which order, apart from what they say. Most files know a handful."""

from dataclasses import dataclass
from functools import lru_cache

ROLES = ("system", "developer", "user", "assistant", "tool", "function", "tools", "call",
         "preferred", "non_preferred", "prompt", "completion")
_CODES = {role: code for code, role in enumerate(ROLES)}
_ANSWERS = {"preferred", "completion", "assistant"}
_UNSAID = {"tools", "call", "prompt", "completion"}
"""Texts that are no messages of their own."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Text i of such an example is said by roles[i]; the answer begins with text `split`."""

    roles: tuple[str, ...]
    trained: tuple[bool, ...]
    codes: bytes
    learned: bytes
    split: int
    overhead: int
    "Tokens that are billed besides those of the texts: 4 for each message and 1 for the example."
    messages: int
    asks: bool
    "Whether somebody asks something before the answer."


@lru_cache(maxsize=4096)
def shape_of(roles: tuple[str, ...], trained: tuple[bool, ...]) -> Shape:
    split = max((at for at, role in enumerate(roles) if role in _ANSWERS), default=len(roles))
    messages = sum(role not in _UNSAID for role in roles)
    return Shape(
        roles=roles, trained=trained, codes=bytes(_CODES[role] for role in roles), learned=bytes(trained), split=split,
        messages=messages,
        overhead=4 * messages + 1 if messages else 0, asks=any(role in {"user", "prompt"} for role in roles[:split]))
