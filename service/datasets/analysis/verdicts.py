"""The verdict on a file, and in plain words what it rests on."""

from service.datasets.analysis.report import Verdict
from service.datasets.analysis.tallies import Tally
from service.datasets.validation.examination import MIN_EXAMPLES, too_few
from service.datasets.validation.findings import Finding, Severity

_NAMED = 4


def judge_size(tally: Tally, examples: int) -> None:
    """Findings on the file as a whole: that it holds nothing, or too little."""
    if not examples and not tally.total("error"):
        tally.add([Finding("error", "no_examples", None, None, "The file holds no examples.")])
    if examples < MIN_EXAMPLES:
        tally.add([Finding("warning", "too_few_examples", None, None, too_few(examples))])


def verdict(tally: Tally, *, examples: int, bad_lines: int) -> tuple[Verdict, list[str]]:
    """`block` on any error or too few examples, `warn` on any warning, else `go`; and the reasons."""
    reasons = []
    if errors := tally.total("error"):
        where = f" on {_many(bad_lines, 'line')} that cannot be trained on" if bad_lines else ""
        reasons.append(f"{_many(errors, 'error')}{where}: {_kinds(tally, 'error')}.")
    if examples < MIN_EXAMPLES:
        reasons.append(f"{_many(examples, 'example')}, but a training file must have at least {MIN_EXAMPLES}.")
    blocked = bool(reasons)
    if warnings := tally.total("warning"):
        reasons.append(f"{_many(warnings, 'warning')}: {_kinds(tally, 'warning')}.")
    return "block" if blocked else "warn" if warnings else "go", reasons


def _kinds(tally: Tally, severity: Severity) -> str:
    kinds = sorted(tally.counts.get(severity, {}).items(), key=lambda each: (-each[1], each[0]))
    named = [f"{kind.replace('_', ' ')} ({count:,})" for kind, count in kinds[:_NAMED]]
    rest = sum(count for _, count in kinds[_NAMED:])
    return ", ".join([*named, *([f"others ({rest:,})"] if rest else [])])


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"
