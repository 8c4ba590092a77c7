"""What a measure is: something that looks at batch after batch and sums up what it saw."""

from collections.abc import Sequence
from importlib import import_module
from typing import Protocol

from service.datasets.analysis.batches import Batch, Summary
from service.datasets.validation.findings import Finding


class Measure(Protocol):
    """One instance reads one segment; summaries of segments are merged in their order."""

    name: str

    def inspect(self, batch: Batch) -> list[Finding]: ...

    def summary(self) -> Summary: ...

    @staticmethod
    def merge(summaries: Sequence[Summary]) -> Summary: ...


def measures() -> tuple[type[Measure], ...]:
    """All of them. What they need is loaded when they are asked for: it takes longer than to read a small file."""
    found: tuple[type[Measure], ...] = import_module("service.datasets.analysis.measures").MEASURES
    return found
