"""A JSON decoder that notes what the standard one accepts in silence."""

import json
import math
from collections.abc import Callable
from typing import Any

from service.datasets.validation.findings import Finding, Place, shown

MOST_PER_LINE = 100
"""So many findings of one line are told; after that it is one bad line."""
LONGEST_KEY = 1_000
_INTEGER_DIGITS = 19  # a longer integer does not fit 64 bits and is rounded by many readers
_LONGEST_NUMBER = 400


class Reader:
    """Reads one line; what it finds is in `findings`."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.findings: list[Finding] = []
        self.decoder = json.JSONDecoder(object_pairs_hook=self._object, parse_constant=self._constant,
                                        parse_float=self._float, parse_int=self._int)

    def _note(self, tell: Callable[[Place, str], Finding], about: str) -> None:
        """Words are made only for findings that are kept; there may be a million."""
        if len(self.findings) < MOST_PER_LINE:
            self.findings.append(tell(self.place, about))

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        built = dict(pairs)
        if len(built) != len(pairs):
            self._note(_duplicate_key, _first_repeated(pairs))
        for key in built:
            if len(key) > LONGEST_KEY:
                self._note(_long_key, key)
        return built

    def _constant(self, name: str) -> float:
        self._note(_not_a_number, name)
        return 0.0

    def _float(self, text: str) -> float:
        value = float(text)
        if math.isinf(value):
            self._note(_out_of_range, text)
            return 0.0
        return value

    def _int(self, text: str) -> int:
        if len(text) > _LONGEST_NUMBER:
            self._note(_out_of_range, text)
            return 0
        if len(text.removeprefix("-")) > _INTEGER_DIGITS:
            self._note(_large_number, text)
        return int(text)


def _first_repeated(pairs: list[tuple[str, Any]]) -> str:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            return key
        seen.add(key)
    return ""


def _duplicate_key(place: Place, key: str) -> Finding:
    return place.warning("duplicate_key", f"has the key '{shown(key)}' twice in one object; the last one counts.",
                         "Remove one of them.")


def _long_key(place: Place, key: str) -> Finding:
    return place.warning("long_key", f"has a key of {len(key):,} characters: '{shown(key)}'.",
                         "Is it a text that stands where a key belongs?")


def _not_a_number(place: Place, name: str) -> Finding:
    return place.error("not_a_number", f"cannot be parsed. Error: line contains invalid json: {name} is not a JSON"
                                       " value.", "Write null or a number.")


def _out_of_range(place: Place, text: str) -> Finding:
    return place.error("number_out_of_range", f"contains the number {shown(text)}, which is too large to be read.",
                       "Write it as a string.")


def _large_number(place: Place, text: str) -> Finding:
    return place.warning("large_number", f"contains the number {shown(text)}, which many programs round.",
                         "Write it as a string if every digit matters.")
