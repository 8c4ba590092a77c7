"""How every benchmark prints: our figure, theirs, the ratio, and what the machine was doing meanwhile."""

import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import Literal

from rich.console import Console
from rich.table import Table

ROUNDS = 3
_VERSIONED = ("fastapi", "uvicorn", "sqlalchemy", "celery", "torch", "transformers")


@dataclass(frozen=True, slots=True)
class Line:
    """One comparison. The ratio is always so that more than 1 speaks for us."""

    name: str
    unit: str
    ours: float
    theirs: float | None = None
    better: Literal["more", "less"] = "more"

    @property
    def ratio(self) -> float | None:
        if not self.theirs or not self.ours:
            return None
        return self.ours / self.theirs if self.better == "more" else self.theirs / self.ours


def show(title: str, theirs: str, lines: Sequence[Line], *, rounds: int = ROUNDS) -> None:
    """Print a table; `theirs` says what we are compared with."""
    table = Table(title=title, caption=f"theirs: {theirs}\nmedian of {rounds}; load {load()}; {versions()}",
                  title_justify="left", caption_justify="left")
    for name in ("", "unit", "ours", "theirs", "ratio"):
        table.add_column(name, justify="left" if name in {"", "unit"} else "right")
    for line in lines:
        table.add_row(line.name, line.unit, _figure(line.ours), _figure(line.theirs),
                      "" if line.ratio is None else f"{line.ratio:.2f}x")
    Console(width=110).print(table)


def median_of(measure: Callable[[], float], rounds: int = ROUNDS) -> float:
    return statistics.median(measure() for _ in range(rounds))


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that `percent` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def load() -> str:
    return " ".join(f"{each:.1f}" for each in os.getloadavg())


def versions() -> str:
    found = [f"{name} {metadata.version(name)}" for name in _VERSIONED]
    return f"Python {platform.python_version()}, {os.cpu_count()} cores, {', '.join(found)}"


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"
