"""`tuneworks validate`: reads a data file on this machine, every line of it, and says what is wrong with it."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from service.cli.application import DATA, app, stderr, stdout
from service.cli.reporting import Told, show
from service.datasets.analysis.leakage import compare
from service.datasets.analysis.merging import Merged
from service.datasets.analysis.options import Options
from service.datasets.analysis.rows import all_rows
from service.datasets.analysis.running import analyse_whole
from service.datasets.validation.formats import Format, format_problem

Method = Literal["supervised", "dpo", "reinforcement"]
_UNREADABLE = 2
_TOO_FEW = "too_few_examples"
_KEPT = 1000
_KEPT_FOR_FILE = 1_000_000
_TABLES = {".csv", ".tsv", ".parquet", ".xlsx"}
_HEAD = 64 * 1024


@app.command(rich_help_panel=DATA, epilog="Exit code 0: go, or go with warnings. 1: a job with this file would fail."
             " 2: the file cannot be read. Examples:\n\n    tuneworks validate train.jsonl\n\n    tuneworks validate"
             " train.jsonl --validation test.jsonl --findings findings.jsonl\n\n    tuneworks validate train.jsonl"
             " --examples examples.jsonl --context 16385\n\n    tuneworks validate - --json < train.jsonl | jq"
             " .verdict")
def validate(file: Annotated[str, typer.Argument(  # noqa: PLR0913 - each is an option of the command
                 help="The training file, one example a line; - reads it from stdin.", metavar="FILE")], *,
             validation: Annotated[Path | None, typer.Option(
                 help="A validation file, which is looked at too and compared with the training file.")] = None,
             method: Annotated[Method | None, typer.Option(help="How it is to be trained on.")] = None,
             form: Annotated[Format | None, typer.Option(
                 "--format", help="What the lines are; found out by default.")] = None,
             processes: Annotated[int | None, typer.Option(
                 min=1, max=256, help="Processes that read it; as many as this machine has cores by default.")] = None,
             fast: Annotated[bool, typer.Option(
                 "--fast", help="Leave out near duplicates, quality and private data.")] = False,
             findings: Annotated[Path | None, typer.Option(
                 dir_okay=False, help="Write all that was found there, as JSON lines.")] = None,
             examples: Annotated[Path | None, typer.Option(
                 dir_okay=False, help="Write there what each example is like, as JSON lines: its tokens, its flags.",
             )] = None,
             context: Annotated[int | None, typer.Option(
                 min=1, help="With --examples: tell by how many tokens each is longer than that.")] = None,
             limit: Annotated[int, typer.Option(min=0, max=1000, help="Show so many examples of each problem.")] = 1,
             as_json: Annotated[bool, typer.Option("--json", help="For machines: the whole report.")] = False) -> None:
    """Check a training file: what is wrong with it, how many tokens it has, how good it is. Works offline."""
    if context is not None and examples is None:
        _refuse("--context goes with --examples, where it tells what is beyond it.")
    options = Options(format=form, full=not fast, keep=_KEPT if findings is None else _KEPT_FOR_FILE)
    workers = processes or os.cpu_count() or 1
    told: list[Told] = []
    for name in [file] if validation is None else [file, str(validation)]:
        with _readable(name) as path:
            merged = _analyse(path, name, options, workers)
        told.append(_judged(merged, name, method, is_validation=bool(told)))
    leaked = compare(told[0].merged.columns, told[1].merged.columns) if len(told) > 1 else None
    if findings is not None:
        _write(findings, map(asdict, told[0].merged.findings))
    if examples is not None:
        _write(examples, all_rows(told[0].merged.columns, context=context))
    if as_json:
        stdout.file.write(msgspec.json.format(_as_json(told, leaked)).decode() + "\n")
    else:
        for each in told:
            show(stdout, each, limit=limit, leaked=leaked if each is told[-1] else None)
    raise typer.Exit(1 if any(each.verdict == "block" for each in told) else 0)


def _analyse(path: Path, name: str, options: Options, processes: int) -> Merged:
    with reading_bar(name) as progress:
        return analyse_whole(path, processes=processes, options=options, progress=progress)


def _judged(merged: Merged, name: str, method: Method | None, *, is_validation: bool) -> Told:
    """The verdict with what the method and the use of the file add to it."""
    report = merged.report
    verdict, reasons = report.verdict, list(report.reasons)
    if is_validation and not report.errors and _TOO_FEW in report.counts:  # only a training file needs ten
        merged = replace(merged, findings=[each for each in merged.findings if each.kind != _TOO_FEW])
        others = report.warnings > 1
        verdict = "warn" if others else "go"
        reasons = [each for each in reasons if "must have at least" not in each] if others else []
    shown = "stdin" if name == "-" else Path(name).name
    misfit = method and report.format and format_problem(
        method, report.format, shown)  # type: ignore[arg-type]  # a choice of the command: one of its words
    if misfit:
        verdict, reasons = "block", [misfit, *reasons]
    return Told(shown, verdict, reasons, merged)


def _as_json(told: list[Told], leaked: Any) -> bytes:
    """The report of the training file; with a validation file, its report and what both share are added."""
    reports = [msgspec.to_builtins(msgspec.structs.replace(each.merged.report, verdict=each.verdict,
                                                           reasons=each.reasons)) for each in told]
    more = {"validation": reports[1], "leakage": leaked} if len(reports) > 1 else {}
    return msgspec.json.encode(reports[0] | more)


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    try:
        with path.open("wb") as out:
            for row in rows:
                out.write(msgspec.json.encode(row) + b"\n")
    except OSError as trouble:
        _refuse(f"{path}: {trouble.strerror}.")


# -- what is read ---------------------------------------------------------------------------------------------

@contextmanager
def _readable(name: str) -> Iterator[Path]:
    """The file itself, or what comes on stdin as a file. What is no lines of JSON is refused here."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(name)
        try:
            if name == "-":
                path = Path(scratch) / "stdin.jsonl"
                with path.open("wb") as spool:
                    shutil.copyfileobj(sys.stdin.buffer, spool)
            with path.open("rb") as opened:
                head = opened.read(_HEAD)
        except OSError as trouble:
            _refuse(f"{name}: {trouble.strerror or trouble}.")
        if not head:
            _refuse(f"{name} is empty.")
        if (other := _other_shape(name, head)) is not None:
            _refuse(f"{name} is {other}, and training takes one JSON object a line. To make that of it, run:\n"
                    f"  tuneworks convert {name}")
        yield path


def _other_shape(name: str, head: bytes) -> str | None:
    if head.startswith(b"PAR1"):
        return "a Parquet file"
    if Path(name).suffix.lower() in _TABLES and not head.lstrip().startswith(b"{"):
        return "a table"
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return "one JSON list" if start.startswith(b"[") else None


def _refuse(words: str) -> None:
    stderr.print(f"[red]Error:[/] {escape(words)}", highlight=False, soft_wrap=True)
    raise typer.Exit(_UNREADABLE)


@contextmanager
def reading_bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr for whoever looks on; nothing in a pipe or a log."""
    columns = (TextColumn("Reading {task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        task = bar.add_task(escape("stdin" if name == "-" else Path(name).name), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
