"""JSON and text that Postgres can hold, from data that may contain anything."""

import math
from typing import Any


def storable(value: Any) -> Any:
    """The same with what Postgres refuses replaced: NUL, halves of surrogate pairs, numbers that are none."""
    match value:
        case str():
            return storable_text(value)
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {storable_text(str(key)): storable(each) for key, each in value.items()}
        case list() | tuple():
            return [storable(each) for each in value]
    return value


def storable_text(text: str) -> str:
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
