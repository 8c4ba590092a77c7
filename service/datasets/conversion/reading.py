"""The one door: what a file is, and the lines that come of it."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from service.datasets.conversion import mapping as mappings
from service.datasets.conversion.containers import Container, Row, UnknownContainer, container_of, remark, rows
from service.datasets.conversion.examples import Example, Unconvertible, encode
from service.datasets.conversion.layouts import LAYOUTS, layout_of
from service.datasets.conversion.mending import is_foreign
from service.datasets.validation.formats import detect as detect_format
from service.settings import MiB

NATIVE = "openai"
"""OpenAI's own JSON Lines, which stay as they are to the byte."""
COLUMNS = "columns"
"""Rows whose columns a mapping names."""
SHAPES = (NATIVE, *LAYOUTS, COLUMNS)
_LOOKED_AT = 50
_KEPT = 1000
_READ = MiB


class CannotBeConverted(ValueError):
    """The file as a whole; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a file was found to be, and the mapping of its columns where it needs one."""

    container: Container
    layout: str
    mapping: mappings.Mapping | None = None

    def shown(self) -> dict[str, Any]:
        mapping = None if self.mapping is None else msgspec.to_builtins(self.mapping)
        return {"container": self.container, "shape": self.layout, "mapping": mapping}


@dataclass(slots=True)
class Outcome:
    """What converting told. `skipped` keeps the first 1,000 as (row from 1, reason); `reasons` counts all.

    `remarks` are sentences on what had to be supposed.
    """

    rows: int = 0
    converted: int = 0
    skipped: list[tuple[int, str]] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)

    def skip(self, row: int, reason: str) -> None:
        self.reasons[reason] += 1
        if len(self.skipped) < _KEPT:
            self.skipped.append((row, reason))


def detect(path: Path, *, filename: str | None = None, layout: str | None = None,
           mapping: dict[str, Any] | None = None) -> Shape:
    """What a file is; `layout` and `mapping` are taken at their word. Raises CannotBeConverted."""
    with path.open("rb") as file:
        head = file.read(_READ)
    if layout is not None and layout not in SHAPES:
        raise CannotBeConverted(f"There is no shape {layout!r}. Shapes are {', '.join(SHAPES)}.")
    try:
        container = container_of(head, filename or path.name)
        if mapping is not None:
            return Shape(container, COLUMNS, mappings.parse(mapping))
        if layout is None and container == "jsonl" and _is_native(head):
            return Shape(container, NATIVE)
        first = [row for row in islice(rows(path, container), _LOOKED_AT) if isinstance(row, dict)]
    except (UnknownContainer, mappings.InvalidMapping) as wrong:
        raise CannotBeConverted(str(wrong)) from wrong
    if layout is not None and layout != COLUMNS:
        return Shape(container, layout)
    found = None if layout == COLUMNS else Counter(layout_of(row) for row in first).most_common(1)
    if found and found[0][0] is not None:
        return Shape(container, found[0][0])
    if not first:
        raise CannotBeConverted("It has no rows, or none of the first can be read.")
    columns = sorted({name for row in first for name in row})
    guessed = mappings.guess(columns)
    if guessed is None:
        raise CannotBeConverted(
            "It is not clear what its rows say. Name the columns with a mapping, such as user={question} and"
            f" assistant={{answer}}. Columns are {', '.join(columns)[:500] or 'none'}.")
    return Shape(container, COLUMNS, guessed)


def _columns(path: Path, container: Container) -> set[str]:
    """The names in the first rows, of which not each needs to have all."""
    first = islice(rows(path, container), _LOOKED_AT)
    return {name for row in first if isinstance(row, dict) for name in row}


def _is_native(head: bytes) -> bool:
    """Whether JSON Lines are in a format that can be trained on, so that nothing is to be converted."""
    lines = [line for line in head.split(b"\n")[:_LOOKED_AT] if line.strip()]
    readable = lines[:-1] or lines  # the last one may be cut
    try:
        first = msgspec.json.decode(readable[0].removeprefix(b"\xef\xbb\xbf"), type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, IndexError):
        return True  # a broken first line is a finding of validation, with its number
    if layout_of(first) in {"sharegpt", "sharegpt_preference", "preference", "alpaca"}:
        return False
    if any(is_foreign(_decoded(line)) for line in readable):
        return False
    return detect_format(readable) is not None


def _decoded(line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def convert(path: Path, shape: Shape, outcome: Outcome, *,
            advance: Callable[[int], None] = lambda _: None) -> Iterator[bytes]:
    """The lines of the file, each with its newline; native ones in chunks as they are. Raises CannotBeConverted.

    `advance` hears the number of rows read.
    """
    if shape.layout == NATIVE:
        yield from _as_it_is(path, outcome, advance)
        return
    try:
        read = LAYOUTS.get(shape.layout) or mappings.reader(shape.mapping or mappings.Mapping(user=""),
                                                            _columns(path, shape.container))
        outcome.remarks += filter(None, [remark(path, shape.container)])
        for number, row in enumerate(rows(path, shape.container), start=1):
            outcome.rows = number
            if number % 1000 == 0:
                advance(number)
            if isinstance(row, Unconvertible):
                outcome.skip(number, str(row))
                continue
            line = _line(read, row, number, outcome)
            if line is not None:
                outcome.converted += 1
                yield line
    except (UnknownContainer, mappings.InvalidMapping) as wrong:
        raise CannotBeConverted(str(wrong)) from wrong


def _line(read: Callable[[Row], Example], row: Row, number: int, outcome: Outcome) -> bytes | None:
    try:
        return encode(read(row))
    except Unconvertible as why:
        outcome.skip(number, str(why))
    except (TypeError, ValueError, KeyError, AttributeError, RecursionError):
        outcome.skip(number, "not of the shape of the others")
    return None


def _as_it_is(path: Path, outcome: Outcome, advance: Callable[[int], None]) -> Iterator[bytes]:
    last = b"\n"
    with path.open("rb") as file:
        while chunk := file.read(_READ):
            outcome.rows += chunk.count(b"\n")
            last = chunk[-1:]
            advance(outcome.rows)
            yield chunk
    outcome.rows += last != b"\n"
    outcome.converted = outcome.rows
