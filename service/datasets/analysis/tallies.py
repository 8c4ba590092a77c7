"""Counts all findings of an analysis, keeps the first of each kind, and adds up what segments counted."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from msgspec import Struct, field

from service.datasets.validation.findings import Finding, Severity

_NUMBERED = re.compile(r"\A(Example|Line) (\d+)\b")


class Tally(Struct):
    """Counts are exact; of each kind the first `keep` findings are kept, in the order of their lines."""

    keep: int
    counts: dict[Severity, dict[str, int]] = field(default_factory=dict)
    kept: list[Finding] = field(default_factory=list)

    def add(self, findings: Iterable[Finding]) -> bool:
        """Count `findings`; whether an error was among them."""
        wrong = False
        for finding in findings:
            wrong = wrong or finding.severity == "error"
            if self.count(finding.severity, finding.kind) <= self.keep:
                self.kept.append(finding)
        return wrong

    def count(self, severity: Severity, kind: str, times: int = 1) -> int:
        """How many there were of that kind, these included."""
        kinds = self.counts.setdefault(severity, {})
        kinds[kind] = kinds.get(kind, 0) + times
        return kinds[kind]

    def room(self, severity: Severity, kind: str) -> int:
        """How many more findings of a kind are kept."""
        return max(0, self.keep - self.counts.get(severity, {}).get(kind, 0))

    def include(self, other: "Tally", lines: int) -> None:
        """Add what a later segment counted, which begins after line number `lines`."""
        room = {(severity, kind): self.room(severity, kind)
                for severity, kinds in other.counts.items() for kind in kinds}
        for finding in other.kept:
            key = finding.severity, finding.kind
            if room[key] > 0:
                room[key] -= 1
                self.kept.append(moved(finding, lines))
        for severity, kinds in other.counts.items():
            for kind, times in kinds.items():
                self.count(severity, kind, times)

    def total(self, severity: Severity) -> int:
        return sum(self.counts.get(severity, {}).values())

    def by_kind(self) -> dict[str, int]:
        """Counts whatever the severity, the most frequent first."""
        counts: Counter[str] = Counter()
        for kinds in self.counts.values():
            counts.update(kinds)
        return dict(counts.most_common())


def moved(finding: Finding, lines: int) -> Finding:
    """The finding as it is told in a text that has so many more lines before it."""
    if not lines or finding.line is None:
        return finding
    number = finding.line + lines
    message = _NUMBERED.sub(rf"\g<1> {number}", finding.message)
    return replace(finding, line=number, message=message)
