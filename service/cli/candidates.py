"""Models side by side, as `tuneworks estimate` shows them: the cheapest first, and what speaks against each."""

import dataclasses
from datetime import UTC, date, datetime
from typing import Any

from rich.box import SIMPLE
from rich.markup import escape
from rich.padding import Padding
from rich.table import Column, Table

from service.catalog.base_models import BaseModelEntry, base_models
from service.catalog.estimates import Estimate
from service.cli.application import stdout
from service.jobs.operations import judging
from service.jobs.schemas.preflights import Reason, Verdict

_RETIREMENT = frozenset({"model_retires", "training_ended", "model_shut_down", "training_ends"})
_LONGER_SHOWN = 5
_COLOURS = {"go": "green", "warn": "yellow", "block": "red"}


@dataclasses.dataclass(frozen=True, slots=True)
class Judged:
    """One model, what training it would be, and what speaks against it."""

    entry: BaseModelEntry
    found: Estimate | None
    reasons: list[Reason]

    @property
    def verdict(self) -> Verdict:
        return judging.verdict_of(self.reasons)


def plain(files: list[judging.Reading], judged: list[Judged]) -> dict[str, Any]:
    return {"files": [{"file": each.file_id, "report": each.report} for each in files],
            "verdict": judged[0].verdict,
            "candidates": [{"model": each.entry.id, "provider": each.entry.provider,
                            "verdict": each.verdict,
                            "reasons": [reason.model_dump() for reason in each.reasons],
                            "training_ends": each.entry.training_ends, "shutdown_date": each.entry.shutdown_date,
                            "estimate": dataclasses.asdict(each.found) if each.found else None}
                           for each in _cheapest_first(judged)],
            "living_longer": [entry.id for entry in _living_longer(judged)]}


def _cheapest_first(judged: list[Judged]) -> list[Judged]:
    """What can be trained before what cannot, then by the price that is most likely; unknown prices last."""
    def weight(each: Judged) -> tuple[bool, float, float]:
        cost = each.found.cost.expected if each.found is not None else None
        span = each.found.duration if each.found is not None else None
        return (each.verdict == "block", float("inf") if cost is None else cost,
                float("inf") if span is None else span.expected)
    return sorted(judged, key=weight)


def _living_longer(judged: list[Judged]) -> list[BaseModelEntry]:
    """Models that outlive all that were asked for, where one of these is over or soon will be: the longest first."""
    if not any(_dies_soon(each) for each in judged):
        return []
    days = [day for each in judged if (day := _last_day(each.entry)) is not None]
    methods = {method for each in judged for method in each.entry.methods} or {"supervised"}
    found = [entry for entry in base_models() if methods & set(entry.methods)
             and ((day := _last_day(entry)) is None or (day > max(days) and entry.ended(today()) is None))
             and entry not in [each.entry for each in judged]]
    return sorted(found, key=lambda entry: _last_day(entry) or date.max, reverse=True)


def _dies_soon(each: Judged) -> bool:
    return any(reason.code in _RETIREMENT for reason in each.reasons)


def _last_day(entry: BaseModelEntry) -> date | None:
    return min((day for day in (entry.shutdown_date, entry.training_ends) if day is not None), default=None)


def today() -> date:
    return datetime.now(UTC).date()


def show(files: list[judging.Reading], judged: list[Judged]) -> None:
    for file in files:
        report = file.report
        if report is not None:
            tokens = f", {report.tokens.billed:,} tokens an epoch by {report.tokens.tokenizer}" if report.tokens else ""
            billed = "" if file.role == "training_file" else " (validation: not billed)"
            stdout.print(f"[bold]{escape(file.file_id)}[/]{billed}: {report.format or 'no known format'},"
                         f" {report.examples:,} examples, {report.errors:,} errors{tokens}")
    table = Table(Column("model", no_wrap=True, overflow="fold"), Column("cost", justify="right", overflow="fold"),
                  Column("time", justify="right"), Column("memory", justify="right"), "verdict", box=SIMPLE,
                  pad_edge=False)
    ordered = _cheapest_first(judged)
    for each in ordered:
        table.add_row(_name(each.entry), *_cells(each.found), f"[{_COLOURS[each.verdict]}]{each.verdict}[/]")
    stdout.print(table)
    for each in ordered:
        _explain(each)
    longer = _living_longer(judged)
    if longer:
        named = ", ".join(_name(entry) + (f" (until {day})" if (day := _last_day(entry)) else "")
                          for entry in longer[:_LONGER_SHOWN])
        more = f", and {len(longer) - _LONGER_SHOWN} more" if len(longer) > _LONGER_SHOWN else ""
        _say(f"[bold]Living longer:[/] {escape(named)}{more}.", indent=0)


def _explain(each: Judged) -> None:
    """Everything that the table has no room for: reasons, where the price is from, what the time rests on."""
    stdout.print(f"[bold]{each.entry.id}[/]{_until(each)}")
    for reason in each.reasons:
        colour = {"block": "red", "warn": "yellow"}.get(reason.severity, "dim")
        _say(f"[{colour}]{reason.severity}[/] {escape(reason.message)}")
    if each.found is not None:
        cost, (low, _, high) = each.found.cost, each.found.billed
        many = f"{low:,}" if low == high else f"{low:,} to {high:,}"
        passes = "1 epoch" if each.found.epochs == 1 else f"{each.found.epochs} epochs"
        _say(f"{many} billed tokens in {passes}, {escape(each.found.tokens.basis)}")
        _say(f"price: {cost.source}, {cost.as_of}" + (f"; {cost.note}" if cost.note else ""))
        if each.found.duration is not None:
            _say(f"time {escape(each.found.duration.basis)}")


def _say(text: str, indent: int = 2) -> None:
    """A paragraph that is broken at words, and stays behind its indent."""
    stdout.print(Padding(text, (0, 0, 0, indent)))


def _name(entry: BaseModelEntry) -> str:
    return entry.aliases[0] if entry.aliases else entry.id


def _cells(found: Estimate | None) -> tuple[str, str, str]:
    if found is None:
        return "-", "-", "-"
    best = next(iter(found.memory), None)
    fits = {"yes": "fits", "no": "too big", "unknown": "close"}
    return _money(found), _time(found), "-" if best is None else f"{best.needed / 2**30:.1f} GiB {fits[best.fits]}"


def _money(found: Estimate) -> str:
    low, high = found.cost.low, found.cost.high
    if low is None or high is None:
        hourly = found.cost.per_hour
        return "cannot be told" if hourly is None else f"{dollars(hourly)} an hour"
    return dollars(low) if low == high else f"{dollars(low)} to {dollars(high)}"


def dollars(micro: int) -> str:
    """Whole micro-dollars as people read money: in cents, or finer where there are no whole cents."""
    whole, part = divmod(micro, 1_000_000)
    digits = f"{part:06d}".rstrip("0").ljust(2, "0")
    return f"${whole:,}.{digits if micro < 1_000_000 else f'{part:06d}'[:2]}"


def _time(found: Estimate) -> str:
    span = found.duration
    if span is None:
        return "cannot be told"
    low, high = spoken(span.low), spoken(span.high)
    same = low.split()[-1] == high.split()[-1]
    return f"{low.split()[0] if same else low} to {high}"


def spoken(seconds: int) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds} s"


def _until(each: Judged) -> str:
    day = each.entry.shutdown_date or each.entry.training_ends
    if day is None:
        return ""
    return f" [bold red]until {day}[/]" if _dies_soon(each) else f" until {day}"
