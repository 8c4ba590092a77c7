"""`tuneworks estimate`: what training some models on a file would cost and take, and whether it fits here. Offline."""

import dataclasses
import os
import socket
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from service.catalog.base_models import BaseModelEntry, MethodName, TuningName, base_models, find_base_model
from service.catalog.estimates import Place, estimate
from service.catalog.machines import devices
from service.catalog.methods import RANKS, Tuning
from service.cli.application import DATA, app, stdout
from service.cli.candidates import Judged, plain, show, today
from service.cli.counting import count_as_trained
from service.cli.validate import reading_bar
from service.datasets.analysis.report import Report, TokenStats
from service.datasets.analysis.running import Options, analyse
from service.datasets.analysis.trained import NotCounted
from service.embedded.attachment import attach
from service.jobs.operations import judging
from service.jobs.operations.policies import house_policy
from service.jobs.schemas.preflights import Reason


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """How the models are to be trained."""

    method: MethodName
    tuning: Tuning
    epochs: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class Count:
    """Tokens by a model's own tokenizer, or why it did not count."""

    tokens: TokenStats | None = None
    problem: str | None = None


@app.command("estimate", rich_help_panel=DATA, epilog="Exit code 0: the first model can be trained, or with warnings."
             " 1: it would fail. Example:\n\n    tuneworks estimate train.jsonl --model gpt-4.1-mini --model qwen3-8b")
def estimate_file(
        file: Annotated[Path, typer.Argument(help="The training file.", exists=True, dir_okay=False)], *,
        model: Annotated[list[str], typer.Option(help="A base model; more of them to compare.")],
        validation: Annotated[Path | None, typer.Option(help="A validation file; it is looked at and not billed.",
                                                        exists=True, dir_okay=False)] = None,
        method: Annotated[MethodName, typer.Option(help="How it is to be trained on.")] = "supervised",
        tuning: Annotated[TuningName, typer.Option(help="Which weights move; for local models.")] = "lora",
        rank: Annotated[int | None, typer.Option(help="Of lora; 16 by default.")] = None,
        epochs: Annotated[int | None, typer.Option(min=1, max=50, help="Passes; by OpenAI's rule by default.")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False) -> None:
    """Tell tokens, money, time and memory of training models on a file before anything is spent. Works offline."""
    entries = [_entry(name) for name in dict.fromkeys(model)]
    asked = Asked(method, _tuning(tuning, rank), epochs)
    attach()
    files = [judging.Reading("training_file", file.name, _read(file))]
    if validation is not None:
        files.append(judging.Reading("validation_file", validation.name, _read(validation)))
    places = [Place(socket.gethostname(), device) for device in devices()]
    counts = {entry.tokenizer_id: _count(file, files[0].report, entry) for entry in entries}
    judged = [_judge(entry, files, places, asked, counts[entry.tokenizer_id]) for entry in entries]
    if as_json:
        stdout.file.write(msgspec.json.format(msgspec.json.encode(plain(files, judged))).decode() + "\n")
    else:
        show(files, judged)
    raise typer.Exit(1 if judged[0].verdict == "block" else 0)


def _tuning(kind: TuningName, rank: int | None) -> Tuning:
    if rank is not None and (kind != "lora" or rank not in RANKS):
        raise typer.BadParameter(f"{rank} is none of {', '.join(map(str, RANKS))}, which lora takes.",
                                 param_hint="--rank")
    return Tuning(type=kind, rank=rank)


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


def _count(path: Path, report: Report | None, entry: BaseModelEntry) -> Count:
    """By the tokenizer that the model is trained with, where that is not the report's."""
    if report is None or report.tokens is None or entry.tokenizer_id == report.tokens.tokenizer:
        return Count(report.tokens if report is not None else None)
    if entry.tokenizer != "own":
        return Count(_read(path, entry.tokenizer).tokens)
    if report.format != "chat":
        return Count(problem="A base model's own tokenizer counts chats only.")
    try:
        with reading_bar(f"{path.name} as {entry.id} does") as progress:
            return Count(count_as_trained(path, entry, progress))
    except NotCounted as reason:
        return Count(problem=str(reason))


def _judge(entry: BaseModelEntry, files: list[judging.Reading], places: list[Place], asked: Asked,
           count: Count) -> Judged:
    """As a pre-flight judges, but that an own house's providers are not asked for."""
    method, tuning = asked.method, asked.tuning
    reasons = [reason for file in files for reason in judging.about_file(file)]
    reasons += [each for each in judging.about_method(entry, method) if each.code != "model_not_available"]
    reasons += judging.about_retirement(entry, today(), [house_policy()])
    for file in files:
        reasons += judging.about_format(entry, method, file)
    reasons += judging.about_limits(method, files)
    tunings = entry.methods.get(method, ())
    if tunings and tuning.type not in tunings:
        reasons.append(judging.block("fine_tuning_tuning_not_available", f"Model {entry.id} does not support the tuning"
                                     f" '{tuning.type}'. It supports: {', '.join(tunings)}.", "tuning"))
    read = files[0].report.tokens if files[0].report is not None else None
    stats, found = count.tokens or read, None
    if stats is not None and stats.examples and method in entry.methods:
        found = estimate(entry, stats, method=method, hyperparameters={"n_epochs": asked.epochs or "auto"},
                         tuning=tuning.shown() if tunings else None, places=places,
                         images=read.images if read is not None else {})
        reasons += judging.about_estimate(entry, found)
    if count.problem is not None:
        reasons.append(Reason(severity="info", code="not_counted", message=count.problem, param=None))
    return Judged(entry, found, judging.ordered(reasons))
