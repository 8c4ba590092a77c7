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
from service.datasets.conversion.examples import MAX_ROW_BYTES, Example, Unconvertible, encode
from service.datasets.conversion.layouts import LAYOUTS, layout_of
from service.datasets.conversion.mending import is_foreign
from service.datasets.validation.formats import check
from service.datasets.validation.formats import detect as detect_format
from service.settings import MiB

NATIVE = "openai"
"""OpenAI's own JSON Lines, which stay as they are to the byte."""
COLUMNS = "columns"
"""Rows whose columns a mapping names."""
SHAPES = (NATIVE, *LAYOUTS, COLUMNS)
_LOOKED_AT = 50
_KEPT = 1000
_MOST_REASONS = 100
_PAIR = b'{"input"'
_FOREIGN = {"sharegpt", "sharegpt_preference", "preference", "alpaca"}
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
        if reason not in self.reasons and len(self.reasons) >= _MOST_REASONS:
            reason = "other reasons"
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
        if layout is None and container == "jsonl" and _is_native(path):
            return Shape(container, NATIVE)
        columns, layouts, problem = _first_rows(path, container)
    except (UnknownContainer, mappings.InvalidMapping) as wrong:
        raise CannotBeConverted(str(wrong)) from wrong
    if layout is not None and layout != COLUMNS:
        return Shape(container, layout)
    [(found, _)] = layouts.most_common(1) or [(None, 0)]
    if found is not None and layout is None:
        return Shape(container, found)
    if not columns:
        raise CannotBeConverted(f"None of its first rows can be read: {problem}." if problem else "It has no rows.")
    guessed = mappings.guess(columns)
    if guessed is None:
        raise CannotBeConverted(
            "It is not clear what its rows say. Name the columns with a mapping, such as user={question} and"
            f" assistant={{answer}}. Columns are {mappings.listed(columns)}.")
    return Shape(container, COLUMNS, guessed)


def _first_rows(path: Path, container: Container) -> tuple[set[str], Counter[str | None], str]:
    """The columns and layouts of the first rows, and why the first unreadable one cannot be read."""
    columns, layouts, problem = set[str](), Counter[str | None](), ""
    for row in islice(rows(path, container), _LOOKED_AT):
        if isinstance(row, Unconvertible):
            problem = problem or str(row)
        else:
            columns.update(row)
            layouts[layout_of(row)] += 1
    return columns, layouts, problem


def _is_native(path: Path) -> bool:
    """Whether JSON Lines are in a format that can be trained on, so that nothing is to be converted.

    So are lines of which none can be read: that is a finding of validation, with its number.
    """
    votes = Counter[bool]()
    with path.open("rb") as file:
        for line in islice(iter(lambda: file.readline(MAX_ROW_BYTES), b""), _LOOKED_AT):
            try:
                row = msgspec.json.decode(line.removeprefix(b"\xef\xbb\xbf"), type=dict[str, Any])
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue
            if is_foreign(row):
                return False  # even one call that wants mending would be an error as it is
            votes[layout_of(row) not in _FOREIGN and detect_format([line]) is not None] += 1
    return not votes or votes[True] >= votes[False]


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
                                                            _first_rows(path, shape.container)[0])
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
        line = encode(read(row))
        wrong = next((each for each in check(line, number, "preference" if line.startswith(_PAIR) else "chat")
                      if each.severity == "error"), None)
        if wrong is None:
            return line
        outcome.skip(number, wrong.kind.replace("_", " "))
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
