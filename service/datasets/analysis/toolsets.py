"""Declared tools that were looked at once: most lines of a file declare the same, byte for byte."""

from dataclasses import dataclass
from typing import Any

import jsonschema_rs
import msgspec
import numpy as np

from service.datasets.analysis.quotes import delimiters
from service.datasets.validation.formats import check, read

_MOST = 1000
_LARGEST = 64 * 1024
_LINE = b'{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"x"}],"tools":%b}'


@dataclass(frozen=True, slots=True)
class Toolset:
    """Tools with which nothing is wrong."""

    text: str
    "As an example says them."
    quotes: int
    schemas: dict[str, Any]
    "A validator for the arguments of each."

    def fits(self, name: str, arguments: str) -> bool:
        """Whether a call is certainly right. False means look closer."""
        schema = self.schemas.get(name)
        if schema is None:
            return False
        try:
            value = msgspec.json.decode(arguments)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return False
        return isinstance(value, dict) and _is_flat(value, arguments) and bool(schema.is_valid(value))


def _is_flat(value: dict[str, Any], text: str) -> bool:
    """Whether no key comes twice, as far as that is seen at a glance; and no number is too large for anybody."""
    return text.count(":") - sum(each.count(":") for each in value.values() if isinstance(each, str)) == len(value) and (
        not any(isinstance(each, dict | list | float) or (isinstance(each, int) and abs(each) > 2**53)
                for each in value.values()))


class Toolsets:
    """Remembers the last thousand."""

    def __init__(self) -> None:
        self._known: dict[bytes, Toolset | None] = {}

    def get(self, raw: bytes) -> Toolset | None:
        """What is known of tools in JSON; None when something may be wrong with them."""
        if raw in self._known:
            return self._known[raw]
        if len(raw) > _LARGEST:
            return None
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[raw] = found = _look(raw)
        return found


def _look(raw: bytes) -> Toolset | None:
    line = _LINE % raw
    if check(line, 1, "chat") or not (said := read(line, "chat")) or said[0][0] != "tools":
        return None
    try:
        schemas = {tool["function"]["name"]: jsonschema_rs.validator_for(tool["function"].get("parameters") or {})
                   for tool in msgspec.json.decode(raw)}
    except (ValueError, TypeError, LookupError):
        return None
    return Toolset(said[0][1], int(delimiters(raw, np.array([len(raw)]))[0]), schemas)
