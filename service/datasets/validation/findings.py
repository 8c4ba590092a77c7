"""What is wrong, where, and how to mend it; and a tally that counts all of it and keeps the first of each kind."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

Severity = Literal["error", "warning"]
_SHOWN = 60  # characters of the customer's data that a message repeats
_LONGEST_PATH = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem. An `error` keeps its line from being trained on, a `warning` does not."""

    severity: Severity
    kind: str
    line: int | None
    "From 1; None when it concerns the whole file."
    path: str | None
    "Such as messages[2].content, counted from 0; None when it concerns the whole line."
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A position in an example: its line, its name in messages, and its path."""

    line: int
    name: str
    path: str = ""

    @classmethod
    def example(cls, line: int) -> "Place":
        return cls(line, f"Example {line}")

    def key(self, key: str) -> "Place":
        return replace(self, path=f"{self.path}.{shown(key)}" if self.path else shown(key))

    def item(self, index: int) -> "Place":
        return replace(self, path=f"{self.path}[{index}]")

    def called(self, name: str) -> "Place":
        return replace(self, name=name)

    def error(self, kind: str, text: str, hint: str | None = None) -> Finding:
        return self._finding("error", kind, text, hint)

    def warning(self, kind: str, text: str, hint: str | None = None) -> Finding:
        return self._finding("warning", kind, text, hint)

    def _finding(self, severity: Severity, kind: str, text: str, hint: str | None) -> Finding:
        return Finding(severity, kind, self.line, self.path[:_LONGEST_PATH] or None, f"{self.name} {text}", hint)


def shown(text: str) -> str:
    """The customer's text as a message may repeat it: short, in one line, and storable anywhere."""
    short = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in short)


class Tally:
    """Exact counts of all findings, and the first `keep` of each kind."""

    def __init__(self, keep: int = 1000) -> None:
        self.counts: Counter[str] = Counter()
        self.errors = 0
        self.warnings = 0
        self.kept: list[Finding] = []
        self._keep = keep

    def add(self, findings: Iterable[Finding]) -> bool:
        """Count `findings`; whether an error was among them."""
        before = self.errors
        for finding in findings:
            self.counts[finding.kind] += 1
            if finding.severity == "error":
                self.errors += 1
            else:
                self.warnings += 1
            if self.counts[finding.kind] <= self._keep:
                self.kept.append(finding)
        return self.errors > before
