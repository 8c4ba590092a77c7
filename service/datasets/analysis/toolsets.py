"""Declared tools that were looked at once: most lines of a file declare the same, byte for byte."""

from dataclasses import dataclass

import msgspec

from service.datasets.analysis.quotes import delimiters
from service.datasets.validation.findings import Place
from service.datasets.validation.formats import check, read
from service.datasets.validation.schemas import Budget, Costly, Parameters
from service.datasets.validation.tools import declared

_MOST = 1000
_LARGEST = 64 * 1024
_LINE = b'{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"x"}],"tools":%b}'


@dataclass(frozen=True, slots=True)
class Toolset:
    """Tools with which nothing is wrong."""

    text: str
    "As an example says them."
    quotes: int
    "Those in their JSON that delimit strings."
    functions: dict[str, Parameters | None]

    def fits(self, name: str, arguments: str, budget: Budget) -> bool:
        """Whether a call is certainly right. False means look closer."""
        if name not in self.functions:
            return False
        parameters = self.functions[name]
        try:
            value = msgspec.json.decode(arguments)
            return isinstance(value, dict) and (
                parameters is None or parameters.refusal(value, len(arguments), budget) is None)
        except (ValueError, RecursionError, Costly):
            return False


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
    known = declared({"tools": msgspec.json.decode(raw)}, Place.example(0))
    return Toolset(said[0][1], delimiters(raw), known.functions)
