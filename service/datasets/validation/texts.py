"""Reads one line as JSON, strictly, and names all that a lenient reader would let pass or stumble over."""

import json
import math
import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import msgspec

from service.datasets.validation.findings import Finding, Place, shown
from service.datasets.validation.lines import BOM

MAX_DEPTH = 64
MOST_PER_LINE = 100
"""So many findings of one line are told; after that it is one bad line."""
_MOST_CONTAINERS = 500_000  # so many take about 120 MB while they are looked at
_INTEGER_DIGITS = 19  # a longer integer does not fit 64 bits and is rounded by many readers
_LONGEST_NUMBER = 400
_LONGEST_KEY = 1_000
_TRAPS = (b"\\u0000", b" :", b"\t:", b"\r:", b"\n:", b'\\\\":')
_SAFE = 10**18
_CONTAINERS = {dict, list}
_SURROGATE = re.compile("[\ud800-\udfff]")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
UNREADABLE: Any = object()
"""Stands for the value of a line that is no JSON."""


def parse(line: bytes, place: Place) -> tuple[Any, list[Finding]]:
    """The value of a line, or UNREADABLE, and what is wrong with its text."""
    if line.startswith(BOM):
        value, findings = parse(line.lstrip(BOM), place)
        return value, [place.error("stray_byte_order_mark", "begins with a byte order mark.", "Remove it; it stands"
                                   " where a file begins, so two files may have been joined."), *findings]
    if line.count(b"{") + line.count(b"[") > _MOST_CONTAINERS:
        return UNREADABLE, [place.error("too_complex", f"holds more than {_MOST_CONTAINERS:,} objects and arrays.",
                                        "Split it into examples of one conversation each.")]
    try:
        value = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _parse_strictly(line, place)
    return (value, []) if _is_sound(value, line) else _parse_strictly(line, place)


def _is_sound(value: Any, line: bytes) -> bool:
    """Whether there is nothing to find in what msgspec lets pass. False means "look closer".

    A key's quote is followed by its colon, and inside of a string that quote would be escaped; so counting tells
    whether a key comes twice, as long as there are no blanks before colons and no key ends in a backslash.
    """
    if any(trap in line for trap in _TRAPS):
        return False
    level, keys = [value], line.count(b'":') - line.count(b'\\":')
    for _ in range(MAX_DEPTH):
        objects = [each for each in level if type(each) is dict]
        keys -= sum(map(len, objects))
        if max(map(len, chain.from_iterable(objects)), default=0) > _LONGEST_KEY:
            return False
        members = list(chain(chain.from_iterable(map(dict.values, objects)),
                             chain.from_iterable(each for each in level if type(each) is list)))
        types = set(map(type, members))
        if int in types and any(type(member) is int and not -_SAFE < member < _SAFE for member in members):
            return False
        if dict not in types and list not in types:
            return keys == 0
        level = [member for member in members if type(member) in _CONTAINERS]
    return False


def _parse_strictly(line: bytes, place: Place) -> tuple[Any, list[Finding]]:
    """The same with a reader of our own, which names what it finds."""
    try:
        text = line.decode()
    except UnicodeDecodeError as wrong:
        return UNREADABLE, [_not_utf8(line, wrong.start, place)]
    reader = _Reader(place)
    try:
        value = reader.decoder.decode(text)
    except json.JSONDecodeError as wrong:
        return UNREADABLE, [place.error(
            "invalid_json", f"cannot be parsed. Error: line contains invalid json: {wrong.msg}: column {wrong.colno}",
            _hint(text, wrong))]
    except RecursionError:
        return UNREADABLE, [_too_deep(place)]
    return value, list(islice(chain(reader.findings, _values(value, place, 1)), MOST_PER_LINE))


def _not_utf8(line: bytes, at: int, place: Place) -> Finding:
    if line.startswith(_UTF16) or line.count(b"\x00") * 3 > len(line):
        hint = "It looks like UTF-16. Save the file as UTF-8."
    else:
        hint = "Save the file as UTF-8."
    return place.error("invalid_utf8", f"cannot be parsed. Error: byte {at + 1} of the line is not UTF-8.", hint)


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
        for key in built:
            if len(key) > _LONGEST_KEY:
                self._note(self.place.warning("long_key", f"has a key of {len(key):,} characters: '{shown(key)}'.",
                                              "Is it a text that stands where a key belongs?"))
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
        if len(text.removeprefix("-")) > _INTEGER_DIGITS:
            self._note(self.place.warning(
                "large_number", f"contains the number {shown(text)}, which many programs round.",
                "Write it as a string if every digit matters."))
        return int(text)

    def _out_of_range(self, text: str) -> None:
        self._note(self.place.error(
            "number_out_of_range", f"contains the number {shown(text)}, which is too large to be read."))


def _values(value: Any, place: Place, depth: int) -> Iterator[Finding]:
    """What is wrong with any string in `value`, and with how deep it nests."""
    if not isinstance(value, dict | list):
        return
    if depth > MAX_DEPTH:
        yield _too_deep(place)
        return
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for key, member in members:
        if isinstance(key, str):
            yield from _string(key, place)
        if isinstance(member, str):
            if not member.isascii() or "\x00" in member:
                yield from _string(member, place.inside(key))
        else:
            yield from _values(member, place.inside(key), depth + 1)


def _string(text: str, at: Place) -> Iterator[Finding]:
    if "\x00" in text:
        yield at.warning("nul_character", "contains a NUL character (\\u0000), which no tokenizer is trained on.",
                         "Remove it.")
    if _SURROGATE.search(text):
        yield at.error("unpaired_surrogate", "contains half of a surrogate pair (\\ud800 to \\udfff).",
                       "Cut texts between characters, not between UTF-16 units.")


def _too_deep(at: Place) -> Finding:
    return at.error("nesting_too_deep", f"nests objects and arrays more than {MAX_DEPTH} levels deep.")


ARRAY_HINT = "The file looks like one JSON array; `tuneworks convert` makes a line of each of its examples."
_SEEN = 200  # characters of a line that tell what it was meant to be


def _hint(text: str, wrong: json.JSONDecodeError) -> str | None:
    begins = text[:_SEEN].strip()
    if begins == "[" or (begins.startswith("[") and "{" in begins[:3]):
        return ARRAY_HINT
    if text.count("\x00") * 3 > len(text):
        return "It looks like UTF-16. Save the file as UTF-8."
    if begins in {"]", "{", "}", "},"} or text[-_SEEN:].rstrip().endswith(("{", "[")):
        return "Each example must stand on one line; this file looks like JSON printed over several lines."
    if "'" in begins[:3]:
        return "JSON strings stand in double quotes. Write lines with a JSON library, not as Python values."
    return next((hint for message, hint in _HINTS if wrong.msg.startswith(message)), None)


_HINTS = (
    ("Invalid control character", "Line breaks, tabs and NUL inside of a string must be escaped (\\n, \\t)."),
    ("Extra data", "Each line holds one JSON object and nothing after it."),
    ("Unterminated string", "The line ends inside of a string: was a line break written into it?"),
    ("Invalid \\", "A backslash inside of a string must be doubled."),
    ("Expecting ',' delimiter", "A quote inside of a string must be escaped, and a comma stand between values."),
    ("Expecting property name", "Names of keys stand in double quotes, and no comma before a closing brace."),
)
