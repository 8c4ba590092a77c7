"""What the demo shows: stages as they pass, training as it moves, answers side by side."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from worker.demo.score import Score

_QUIET_LINES = 10
"""Where no terminal watches, training is shown in about so many lines."""


class Display:
    """Prints to a terminal, or plain lines to a file or a CI log."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=not Console().is_terminal)

    def title(self, text: str) -> None:
        self.console.print(f"\n[bold]{text}[/bold]")

    def line(self, text: str) -> None:
        self.console.print(f"  {text}")

    def verbatim(self, text: str) -> None:
        """As it is, and never broken to the terminal's width: for what somebody may copy."""
        self.console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """A spinner, where there is a terminal to spin on; one line where there is none."""
        if self.console.is_terminal:
            with self.console.status(f"  {what}"):
                yield
        else:
            self.line(what)
            yield

    @contextmanager
    def training(self) -> Iterator["TrainingBar"]:
        bar = Progress(TextColumn("  {task.description}"), BarColumn(40), MofNCompleteColumn(),
                       TextColumn("{task.fields[figures]}"), TimeElapsedColumn(), console=self.console,
                       disable=not self.console.is_terminal)
        with bar:
            yield TrainingBar(self, bar)

    def answers(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """Message, the base model's answer and the tuned model's, of a few held-out examples."""
        table = Table(show_lines=True, expand=self.console.is_terminal)
        for heading, ratio in (("customer", 3), ("base model", 4), ("tuned model", 4)):
            table.add_column(heading, ratio=ratio, overflow="fold")
        for row in rows:
            table.add_row(*(escape(_short(cell)) for cell in row))
        self.console.print(table)

    def scores(self, before: Score, after: Score) -> None:
        table = Table("on held-out messages", "base", "tuned")
        table.add_row("valid JSON ticket", f"{before.valid:.0%}", f"[bold]{after.valid:.0%}[/bold]")
        table.add_row("fields right", f"{before.fields_right:.0%}", f"[bold]{after.fields_right:.0%}[/bold]")
        table.add_row("everything right", f"{before.all_right:.0%}", f"[bold]{after.all_right:.0%}[/bold]")
        self.console.print(table)


class TrainingBar:
    """Stage, step, loss, rate and time left of one job."""

    def __init__(self, display: Display, bar: Progress) -> None:
        self._display = display
        self._bar = bar
        self._task = bar.add_task("waiting", total=None, figures="")
        self._shown = -1

    def stage(self, name: str) -> None:
        """Shown above the bar: beside it, a long message would push the bar off a narrow terminal."""
        self._display.line(name)

    def step(self, step: int, total: int, *, loss: float | None, rate: float | None,
             seconds_left: float | None) -> None:
        figures = "  ".join(filter(None, (
            f"loss {loss:.3f}" if loss is not None else "",
            f"{rate:.0f} tokens/s" if rate is not None else "",
            f"{seconds_left:.0f} s left" if seconds_left is not None else "")))
        self._bar.update(self._task, description="training", completed=step, total=total, figures=figures)
        tenth = step * _QUIET_LINES // total
        if not self._display.console.is_terminal and tenth != self._shown:
            self._display.line(f"step {step}/{total}  {figures}")
        self._shown = tenth


def _short(text: str, limit: int = 160) -> str:
    return text if len(text) <= limit else text[:limit] + " …"
