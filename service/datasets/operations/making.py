"""The lines of a version from its sources: the pure functions, as the builder and the preview of a source ask them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.datasets.analysis.columns import Columns
from service.datasets.conversion import reading
from service.datasets.transformation import operations, specs
from service.datasets.transformation.sources import Source

Advance = Callable[[object], None]
NEED_ANALYSIS = frozenset({"drop_invalid", "deduplicate", "split"})
"""Transformations that ask which lines are good, or which of them are alike."""


class CannotBeMade(ValueError):
    """The sources do not make a version; the message says why, in words for whoever asked."""


@dataclass(slots=True)
class Told:
    """What making lines told: the shape that was found, and rows left out or changed, by reason."""

    shape: str | None = None
    mapping: dict[str, Any] | None = None
    left_out: dict[str, int] = field(default_factory=dict)
    skipped: list[tuple[int, str]] = field(default_factory=list)
    "The first rows that could not be converted, from 1, and why."
    remarks: list[str] = field(default_factory=list)
    "Sentences on what had to be supposed, such as an encoding."

    def leave_out(self, reason: str, number: int = 1) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + number


@dataclass(frozen=True, slots=True)
class Lines:
    """A version's bytes on this machine's disk, with the columns of its analysis where they are kept."""

    path: Path
    columns: Path | None = None


def parts_of(spec: dict[str, Any]) -> tuple[str | None, ...]:
    """The versions that a transformation makes: one, or the two parts of a split."""
    return specs.parts(_spec(spec, 1)) if spec.get("type") != "merge" else (None,)


def check_transformation(spec: dict[str, Any], versions: int) -> dict[str, Any]:
    """The transformation with its defaults filled in. Raises CannotBeMade."""
    return specs.shown(_spec(spec, versions))


def _spec(spec: dict[str, Any], versions: int) -> specs.Spec:
    try:
        return specs.parse(spec, versions=versions)
    except specs.InvalidTransformation as wrong:
        raise CannotBeMade(_sentence(wrong)) from wrong


def convert(path: Path, *, filename: str, shape: str | None, mapping: dict[str, Any] | None, told: Told,
            advance: Advance) -> Iterator[bytes]:
    """The bytes of a version made from one file. Raises CannotBeMade."""
    outcome = reading.Outcome(skipped=told.skipped, remarks=told.remarks)
    try:
        found = reading.detect(path, filename=filename, layout=shape, mapping=mapping)
        told.shape, told.mapping = found.layout, found.shown()["mapping"]
        yield from reading.convert(path, found, outcome, advance=lambda row: advance(f"row {row}"))
    except reading.CannotBeConverted as wrong:
        raise CannotBeMade(str(wrong)) from wrong
    finally:
        told.left_out.update(outcome.reasons)


def transform(spec: dict[str, Any], part: str | None, sources: list[Lines], *, told: Told,
              advance: Advance) -> Iterator[bytes]:
    """The bytes of a version made from others. Raises CannotBeMade."""
    opened = [Source(each.path, Columns.load(each.columns) if each.columns else None, advance=advance)
              for each in sources]
    try:
        yield from operations.apply(_spec(spec, len(sources)), opened, part=part, note=told.leave_out)
    except specs.InvalidTransformation as wrong:
        raise CannotBeMade(_sentence(wrong)) from wrong


def _sentence(wrong: Exception) -> str:
    words = str(wrong)
    return f"{words[:1].upper()}{words[1:]}."
