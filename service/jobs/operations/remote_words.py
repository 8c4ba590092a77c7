"""What servers say, made storable: no NUL, no surrogates, no NaN, nothing endless. They are not to be trusted."""

import math
from datetime import UTC, datetime
from typing import Any

_DEEPEST = 8
_WIDEST = 200
_LONGEST = 2000
_LARGEST = 2**63 - 1


def plain(value: object, longest: int) -> str:
    """Text that Postgres can store and JSON can carry, cut; empty for what is no text."""
    if not isinstance(value, str):
        return ""
    return value[:longest].replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def storable(value: object, depth: int = 0) -> Any:
    """JSON of the same shape, with whatever cannot be stored left out or cut."""
    if isinstance(value, str):
        return plain(value, _LONGEST)
    if isinstance(value, dict) and depth < _DEEPEST:
        return {plain(name, 200): storable(each, depth + 1) for name, each in list(value.items())[:_WIDEST]
                if isinstance(name, str)}
    if isinstance(value, list | tuple) and depth < _DEEPEST:
        return [storable(each, depth + 1) for each in value[:_WIDEST]]
    is_number = isinstance(value, int | float) and abs(value) <= _LARGEST and math.isfinite(value)
    return value if is_number else None


def moment(value: datetime, *, before: datetime) -> datetime:
    """A server's time, if it is one that our database takes and is not later than `before`."""
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    return min(aware, before)
