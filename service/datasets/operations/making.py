"""The lines of a version from its sources: what the builder and the preview of a source ask of the pure functions.

It is the only place that knows how shapes are read and how transformations are applied.
"""

import json
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.datasets.validation.findings import Finding
from service.settings import MiB

NATIVE = "jsonl"
_READ = MiB
_KINDS = {"drop_invalid", "shuffle", "sample", "merge", "split"}
Advance = Callable[[object], None]


class CannotBeMade(ValueError):
    """The sources do not make a version; the message says why, in words for whoever asked."""


@dataclass(slots=True)
class Told:
    """What making lines told: the shape that was found, and rows left out by reason."""

    shape: str | None = None
    mapping: dict[str, Any] | None = None
    left_out: dict[str, int] = field(default_factory=dict)

    def leave_out(self, reason: str, number: int = 1) -> None:
        self.left_out[reason] = self.left_out.get(reason, 0) + number


def parts_of(spec: dict[str, Any]) -> tuple[str | None, ...]:
    """The versions that a transformation makes: one, or the two parts of a split."""
    return ("training", "validation") if spec.get("type") == "split" else (None,)


def check_transformation(spec: dict[str, Any], versions: int) -> dict[str, Any]:
    """The transformation with its defaults filled in. Raises CannotBeMade."""
    kind = spec.get("type")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise CannotBeMade(f"There is no transformation of type {json.dumps(kind)[:100]}. Types are"
                           f" {', '.join(sorted(_KINDS))}.")
    if versions > 1 and kind != "merge":
        raise CannotBeMade(f"Only merge takes several versions; {kind} takes one.")
    return spec


def convert(path: Path, *, filename: str, shape: str | None, mapping: dict[str, Any] | None, told: Told,
            advance: Advance) -> Iterator[bytes]:
    """The bytes of a version made from one file. Raises CannotBeMade."""
    with path.open("rb") as file:
        told.shape = shape or _detect(file.read(_READ))
    told.mapping = mapping
    if told.shape == NATIVE:
        return _chunks([path], advance)
    if told.shape == "alpaca":
        return _from_alpaca(path, told)
    raise CannotBeMade(f"The shape of {filename} was not recognised. Name it with 'shape', and say with 'mapping' which"
                       " of its columns or keys hold the texts.")


def transform(spec: dict[str, Any], part: str | None, paths: list[Path], *, told: Told,
              advance: Advance) -> Iterator[bytes]:
    """The bytes of a version made from others, which lie under `paths`. Raises CannotBeMade."""
    kind = spec["type"]
    if kind == "merge":
        return _chunks(paths, advance)
    lines = [line for line in paths[0].read_bytes().splitlines() if line.strip()]
    if kind == "drop_invalid":
        return iter(_valid(lines, told))
    order = random.Random(int(spec.get("seed", 0)))  # noqa: S311 - repeatable on purpose
    order.shuffle(lines)
    number = int(spec.get("examples", len(lines) // 10))
    chosen = {None: lines if kind == "shuffle" else lines[:number], "training": lines[number:],
              "validation": lines[:number]}[part]
    told.leave_out("not_chosen", len(lines) - len(chosen))
    return (line + b"\n" for line in chosen)


def _detect(head: bytes) -> str | None:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"["):
        return "alpaca" if b'"instruction"' in text else None
    line, newline, _ = text.partition(b"\n")
    if not newline and len(head) >= _READ:
        return NATIVE if line.startswith(b"{") else None
    try:
        return NATIVE if isinstance(json.loads(line), dict) else None
    except (ValueError, RecursionError):
        return None


def _from_alpaca(path: Path, told: Told) -> Iterator[bytes]:
    for row in json.loads(path.read_bytes()):
        if not row.get("output"):
            told.leave_out("no answer")
            continue
        question = "\n\n".join(text for text in (row["instruction"], row.get("input")) if text)
        yield json.dumps({"messages": [{"role": "user", "content": question},
                                       {"role": "assistant", "content": row["output"]}]},
                         ensure_ascii=False).encode() + b"\n"


def _valid(lines: Iterable[bytes], told: Told) -> Iterator[bytes]:
    from service.datasets.validation.examination import examine  # noqa: PLC0415 - goes with this stand-in

    for line in lines:
        seen = examine(iter([line]), lambda _: None)
        problems: list[Finding] = [each for each in seen.tally.kept if each.severity == "error"]
        if problems:
            told.leave_out(problems[0].kind)
        else:
            yield line + b"\n"


def _chunks(paths: Iterable[Path], advance: Advance) -> Iterator[bytes]:
    """The bytes of files one after another, each ending its last line where others follow."""
    for number, path in enumerate(paths):
        if number:
            yield b"\n"
        with path.open("rb") as file:
            while chunk := file.read(_READ):
                advance(f"{number}:{file.tell()}")
                yield chunk
