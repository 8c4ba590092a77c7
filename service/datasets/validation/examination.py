"""Reads a whole file: every line is checked, everything is counted, the first of each kind is kept."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from service.datasets.validation.findings import Finding, Place, Tally
from service.datasets.validation.formats import check
from service.datasets.validation.lines import BOM, MAX_LINE_BYTES, Oversize, read_lines
from service.settings import MiB

MIN_EXAMPLES = 10
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_NOT_CHAT = {"not_an_object", "invalid_json", "invalid_utf8", "missing_messages", "nesting_too_deep", "too_complex"}
"""Findings after which nobody knows whether the line was meant as a chat."""


@dataclass(slots=True)
class Examination:
    """What a file holds. `examples` are lines without errors; `format` is None when no line says what it is."""

    lines: int = 0
    examples: int = 0
    format: str | None = None
    tally: Tally = field(default_factory=Tally)


def examine(chunks: Iterable[bytes], advance: Callable[[int], None] = lambda _: None) -> Examination:
    """Read a file to its end. `advance` is told the number of every 1,000th line."""
    seen = Examination()
    blanks = range(0)
    for number, line in read_lines(chunks):
        seen.lines = number
        if number % 1000 == 0:
            advance(number)
        if number == 1 and isinstance(line, bytes) and line.startswith(_UTF16):
            seen.tally.add([Finding("error", "not_utf8", None, None, "The file is encoded as UTF-16.",
                                    "Save it as UTF-8.")])
            return seen
        if isinstance(line, bytes) and not line.strip():
            blanks = range(blanks.start or number, number + 1)
            continue
        seen.tally.add(_blank(blank) for blank in blanks)  # blank lines at the end of a file are nobody's trouble
        blanks = range(0)
        _take(seen, number, line if number > 1 else _without_mark(line, seen))
    _judge(seen)
    return seen


def _take(seen: Examination, number: int, line: bytes | Oversize) -> None:
    if isinstance(line, Oversize):
        seen.tally.add([Place.example(number).error(
            "line_too_long", f"is {line.bytes / MiB:,.0f} MB long, but a line may have at most"
            f" {MAX_LINE_BYTES // MiB} MB.", "Split the example, or link images instead of embedding them.")])
        return
    findings = [finding for finding in check(line, number, "chat") if finding.severity != "info"]  # nobody keeps them
    if seen.format is None and not any(finding.kind in _NOT_CHAT for finding in findings):
        seen.format = "chat"
    if not seen.tally.add(findings):
        seen.examples += 1


def _judge(seen: Examination) -> None:
    if not seen.examples and not seen.tally.errors:
        seen.tally.add([Finding("error", "no_examples", None, None, "The file holds no examples.")])
    if seen.examples < MIN_EXAMPLES:
        seen.tally.add([Finding("warning", "too_few_examples", None, None, too_few(seen.examples))])


def too_few(examples: int) -> str:
    """OpenAI's words for a training file that is too short."""
    return f"Training file has {examples} example(s), but must have at least {MIN_EXAMPLES} examples"


def _without_mark(line: bytes | Oversize, seen: Examination) -> bytes | Oversize:
    if isinstance(line, Oversize) or not line.startswith(BOM):
        return line
    seen.tally.add([Place.example(1).warning(
        "byte_order_mark", "begins with a byte order mark, which many programs take for data.",
        "Save the file as UTF-8 without BOM.")])
    return line.removeprefix(BOM)


def _blank(number: int) -> Finding:
    return Finding("warning", "blank_line", number, None, f"Line {number} is empty.", "Remove it.")
