"""`tuneworks estimate`: what training some models on a file would cost and take, and whether it fits here. Offline."""

import dataclasses
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Column, Table

from service.catalog.base_models import BaseModelEntry, MethodName, base_models, find_base_model
from service.catalog.estimates import Estimate, Place, estimate
from service.catalog.machines import devices
from service.catalog.methods import Tuning
from service.cli.application import DATA, app, stdout
from service.cli.validate import reading_bar
from service.datasets.analysis.report import Report, TokenStats
from service.datasets.analysis.running import Options, analyse
from service.jobs.operations import judging
from service.jobs.schemas import Reason

_COLOURS = {"go": "green", "warn": "yellow", "block": "red"}


@dataclasses.dataclass(frozen=True, slots=True)
class Judged:
    """One model, what training it would be, and what speaks against it."""

    entry: BaseModelEntry
    found: Estimate | None
    reasons: list[Reason]


@app.command("estimate", rich_help_panel=DATA, epilog="Exit code 0: the first model can be trained, or with warnings."
             " 1: it would fail. Example:\n\n    tuneworks estimate train.jsonl --model gpt-4.1-mini --model qwen3-8b")
def estimate_file(
        file: Annotated[Path, typer.Argument(help="The training file.", exists=True, dir_okay=False)], *,
        model: Annotated[list[str], typer.Option(help="A base model; more of them to compare.")],
        validation: Annotated[Path | None, typer.Option(help="A validation file; it is looked at and not billed.",
                                                        exists=True, dir_okay=False)] = None,
        method: Annotated[MethodName, typer.Option(help="How it is to be trained on.")] = "supervised",
        tuning: Annotated[str, typer.Option(help="lora, full or last_layers; for local models.")] = "lora",
        epochs: Annotated[int | None, typer.Option(min=1, max=50, help="Passes; by OpenAI's rule by default.")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False) -> None:
    """Tell tokens, money, time and memory of training models on a file before anything is spent. Works offline."""
    entries = [_entry(name) for name in dict.fromkeys(model)]
    if tuning not in {"lora", "full", "last_layers"}:
        raise typer.BadParameter(f"{tuning!r} is none of lora, full, last_layers.", param_hint="--tuning")
    files = [judging.Reading("training_file", file.name, _read(file))]
    if validation is not None:
        files.append(judging.Reading("validation_file", validation.name, _read(validation)))
    places = [Place(socket.gethostname(), device) for device in devices()]
    counts = {name: _read(file, name).tokens for name in {entry.tokenizer for entry in entries} & {"cl100k_base"}}
    judged = [_judge(entry, files, places, method=method, tuning=tuning, epochs=epochs,
                     tokens=counts.get(entry.tokenizer)) for entry in entries]
    if as_json:
        stdout.file.write(msgspec.json.format(msgspec.json.encode(_plain(files, judged))).decode() + "\n")
    else:
        _show(files, judged)
    raise typer.Exit(1 if judging.verdict_of(judged[0].reasons) == "block" else 0)


def _entry(name: str) -> BaseModelEntry:
    entry = find_base_model(name)
    if entry is None:
        known = ", ".join(each.id for each in base_models())
        raise typer.BadParameter(f"{name!r} is no model of the catalog. There are: {known}.", param_hint="--model")
    return entry


def _read(path: Path, tokenizer: str = "o200k_base") -> Report:
    processes = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    with reading_bar(path.name) as progress:
        return analyse(path, processes=processes, options=Options(tokenizer=tokenizer, full=False), progress=progress)


def _judge(entry: BaseModelEntry, files: list[judging.Reading], places: list[Place], *, method: MethodName,
           tuning: str, epochs: int | None, tokens: TokenStats | None) -> Judged:
    """As a pre-flight judges, but that an own house's providers are not asked for."""
    reasons = [reason for file in files for reason in judging.about_file(file)]
    reasons += [each for each in judging.about_method(entry, method) if each.code != "model_not_available"]
    reasons += judging.about_retirement(entry, datetime.now(UTC).date())
    for file in files:
        reasons += judging.about_format(entry, method, file)
    tunings = entry.methods.get(method, ())
    if tunings and tuning not in tunings:
        reasons.append(judging.block("fine_tuning_tuning_not_available", f"Model {entry.id} does not support the tuning"
                                     f" '{tuning}'. It supports: {', '.join(tunings)}.", "tuning"))
    report, found = files[0].report, None
    stats = tokens or (report.tokens if report is not None else None)
    if stats is not None and stats.examples and method in entry.methods:
        found = estimate(entry, stats, method=method, hyperparameters={"n_epochs": epochs or "auto"},
                         tuning=Tuning.model_validate({"type": tuning}).shown() if tunings else None, places=places)
        reasons += judging.about_estimate(entry, found)
    return Judged(entry, found, judging.ordered(reasons))


def _plain(files: list[judging.Reading], judged: list[Judged]) -> dict[str, Any]:
    return {"files": [{"file": each.file_id, "report": each.report} for each in files],
            "verdict": judging.verdict_of(judged[0].reasons),
            "candidates": [{"model": each.entry.id, "provider": each.entry.provider,
                            "verdict": judging.verdict_of(each.reasons),
                            "reasons": [reason.model_dump() for reason in each.reasons],
                            "training_ends": each.entry.training_ends, "shutdown_date": each.entry.shutdown_date,
                            "estimate": dataclasses.asdict(each.found) if each.found else None} for each in judged]}


def _show(files: list[judging.Reading], judged: list[Judged]) -> None:
    for file in files:
        report = file.report
        if report is not None:
            tokens = f", {report.tokens.billed:,} tokens an epoch by {report.tokens.tokenizer}" if report.tokens else ""
            billed = "" if file.role == "training_file" else " (validation: not billed)"
            stdout.print(f"[bold]{escape(file.file_id)}[/]{billed}: {report.format or 'no known format'},"
                         f" {report.examples:,} examples, {report.errors:,} errors{tokens}")
    table = Table(Column("model", no_wrap=True, overflow="fold"), Column("cost", justify="right", overflow="fold"),
                  Column("time", justify="right"), Column("memory", justify="right"), "verdict", box=SIMPLE)
    for each in judged:
        verdict = judging.verdict_of(each.reasons)
        table.add_row(_name(each.entry), *_cells(each.found), f"[{_COLOURS[verdict]}]{verdict}[/]")
    stdout.print(table)
    for each in judged:
        _explain(each)


def _explain(each: Judged) -> None:
    """Everything that the table has no room for: reasons, where the price is from, what the time rests on."""
    stdout.print(f"[bold]{each.entry.id}[/]{_until(each)}")
    for reason in each.reasons:
        colour = {"block": "red", "warn": "yellow"}.get(reason.severity, "dim")
        stdout.print(f"  [{colour}]{reason.severity}[/] {escape(reason.message)}", soft_wrap=True)
    if each.found is not None:
        cost, (low, _, high) = each.found.cost, each.found.billed
        stdout.print(f"  {low:,} to {high:,} billed tokens in {each.found.epochs} epochs,"
                     f" {escape(each.found.tokens.basis)}", soft_wrap=True)
        stdout.print(f"  price: {cost.source}, {cost.as_of}" + (f"; {cost.note}" if cost.note else ""), soft_wrap=True)
        if each.found.duration is not None:
            stdout.print(f"  time {escape(each.found.duration.basis)}", soft_wrap=True)


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
    return "cannot be told" if span is None else f"{spoken(span.low)} to {spoken(span.high)}"


def spoken(seconds: int) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds} s"


def _until(each: Judged) -> str:
    day = each.entry.shutdown_date or each.entry.training_ends
    if day is None:
        return ""
    soon = any(reason.code in {"model_retires", "training_ended", "model_shut_down", "training_ends"}
               for reason in each.reasons)
    return f" [bold red]until {day}[/]" if soon else f" until {day}"
