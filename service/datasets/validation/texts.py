"""Reads one line as JSON, strictly, and names all that a lenient reader would let pass or stumble over."""

import json
import re
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import msgspec

from service.datasets.validation.decoding import LONGEST_KEY, MOST_PER_LINE, Reader
from service.datasets.validation.findings import Finding, Place
from service.datasets.validation.lines import BOM

MAX_DEPTH = 64
_MOST_CONTAINERS = 500_000  # so many take about 120 MB while they are looked at
_SAFE = 10**18
_TELLING = {dict, list, int}
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
    if not isinstance(value, dict | list) or _has_trap(line):
        return False
    objects: list[dict[str, Any]] = []
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        members: list[Any] = []
        for each in level:
            if type(each) is dict:
                objects.append(each)
                members += each.values()
            elif type(each) is list:
                members += each
            elif not -_SAFE < each < _SAFE:
                return False
        level = [member for member in members if type(member) in _TELLING]
        if not level:
            break
    else:
        return False
    keys = line.count(b'":') - line.count(b'\\":')
    return sum(map(len, objects)) == keys and (
        len(line) <= LONGEST_KEY or max(map(len, chain.from_iterable(objects)), default=0) <= LONGEST_KEY)


def _has_trap(line: bytes) -> bool:
    return (b"\\u0000" in line or b" :" in line or b'\\\\":' in line or b"\t:" in line or b"\r:" in line
            or b"\n:" in line)


def _parse_strictly(line: bytes, place: Place) -> tuple[Any, list[Finding]]:
    """The same with a reader of our own, which names what it finds."""
    try:
        text = line.decode()
    except UnicodeDecodeError as wrong:
        return UNREADABLE, [_not_utf8(line, wrong.start, place)]
    reader = Reader(place)
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
