"""Reads one line as JSON, strictly, and names all that a lenient reader would let pass or stumble over."""

import json
import math
from collections.abc import Iterator
from typing import Any

from service.datasets.validation.findings import Finding, Place, shown

MAX_DEPTH = 64
MOST_PER_LINE = 100
"""So many findings of one line are told; after that it is one bad line."""
_MOST_CONTAINERS = 500_000  # so many take about 120 MB while they are looked at
_INTEGER_DIGITS = 19  # a longer integer does not fit 64 bits and is rounded by many readers
_LONGEST_NUMBER = 400
UNREADABLE: Any = object()
"""Stands for the value of a line that is no JSON."""


def parse(line: bytes, place: Place) -> tuple[Any, list[Finding]]:
    """The value of a line, or UNREADABLE, and what is wrong with its text."""
    try:
        text = line.decode()
    except UnicodeDecodeError as wrong:
        return UNREADABLE, [place.error(
            "invalid_utf8", f"cannot be parsed. Error: byte {wrong.start + 1} of the line is not UTF-8.",
            "Save the file as UTF-8.")]
    if line.count(b"{") + line.count(b"[") > _MOST_CONTAINERS:
        return UNREADABLE, [place.error("too_complex", f"holds more than {_MOST_CONTAINERS:,} objects and arrays.")]
    reader = _Reader(place)
    try:
        value = reader.decoder.decode(text)
    except json.JSONDecodeError as wrong:
        return UNREADABLE, [place.error(
            "invalid_json", f"cannot be parsed. Error: line contains invalid json: {wrong.msg}: column {wrong.colno}",
            _hint(text, wrong))]
    except RecursionError:
        return UNREADABLE, [_too_deep(place)]
    return value, reader.findings


class _Reader:
    """A JSON decoder that notes what the standard one accepts in silence."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.findings: list[Finding] = []
        self.decoder = json.JSONDecoder(object_pairs_hook=self._object, parse_constant=self._constant,
                                        parse_float=self._float, parse_int=self._int)

    def _note(self, finding: Finding) -> None:
        if len(self.findings) < MOST_PER_LINE:
            self.findings.append(finding)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        built = dict(pairs)
        if len(built) != len(pairs):
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen:
                    self._note(self.place.warning(
                        "duplicate_key", f"has the key '{shown(key)}' twice in one object; the last one counts.",
                        "Remove one of them."))
                    break
                seen.add(key)
        return built

    def _constant(self, name: str) -> float:
        self._note(self.place.error(
            "not_a_number", f"cannot be parsed. Error: line contains invalid json: {name} is not a JSON value.",
            "Write null or a number."))
        return 0.0

    def _float(self, text: str) -> float:
        value = float(text)
        if math.isinf(value):
            self._out_of_range(text)
            return 0.0
        return value

    def _int(self, text: str) -> int:
        if len(text) > _LONGEST_NUMBER:
            self._out_of_range(text)
            return 0
        if len(text) > _INTEGER_DIGITS:
            self._note(self.place.warning(
                "large_number", f"contains the number {shown(text)}, which many programs round.",
                "Write it as a string if every digit matters."))
        return int(text)

    def _out_of_range(self, text: str) -> None:
        self._note(self.place.error(
            "number_out_of_range", f"contains the number {shown(text)}, which is too large to be read."))


def strings_and_depth(value: Any, place: Place, depth: int = 1) -> Iterator[Finding]:
    """What is wrong with any string in `value`, and with how deep it nests."""
    if depth > MAX_DEPTH:
        yield _too_deep(place)
        return
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for key, member in members:
        if isinstance(key, str) and _suspect(key):
            yield from _string(key, place)
        if isinstance(member, str):
            if _suspect(member):
                yield from _string(member, place.inside(key))
        elif isinstance(member, dict | list):
            yield from strings_and_depth(member, place.inside(key), depth + 1)


def _suspect(text: str) -> bool:
    return "\x00" in text or not text.isascii()


def _string(text: str, at: Place) -> Iterator[Finding]:
    if "\x00" in text:
        yield at.warning("nul_character", "contains a NUL character (\\u0000), which no tokenizer is trained on.",
                         "Remove it.")
    try:
        text.encode()
    except UnicodeEncodeError:
        yield at.error("unpaired_surrogate", "contains half of a surrogate pair (\\ud800 to \\udfff).",
                       "Cut texts between characters, not between UTF-16 units.")


def _too_deep(at: Place) -> Finding:
    return at.error("nesting_too_deep", f"nests objects and arrays more than {MAX_DEPTH} levels deep.")


def _hint(text: str, wrong: json.JSONDecodeError) -> str | None:
    stripped = text.strip()
    if stripped in {"[", "]", "{", "}", "},"} or stripped.endswith(("{", "[")):
        return "Each example must stand on one line; this file looks like JSON printed over several lines."
    if stripped.startswith("\N{ZERO WIDTH NO-BREAK SPACE}"):
        return "Remove the byte order mark at the start of the line."
    if "'" in stripped[:3]:
        return "JSON strings stand in double quotes. Write lines with a JSON library, not as Python values."
    if wrong.msg.startswith("Invalid control character"):
        return "Line breaks, tabs and NUL inside of a string must be escaped (\\n, \\t)."
    if wrong.msg == "Extra data":
        return "Each line holds one JSON object and nothing after it."
    return None
