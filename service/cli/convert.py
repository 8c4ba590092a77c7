"""`tuneworks convert` and `tuneworks transform`: data of other shapes as training data, and training data mended."""

import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import msgspec
import typer
from rich.markup import escape

from service.cli.application import DATA, app, stderr, stdout
from service.datasets.conversion import exporting, reading
from service.datasets.conversion.reading import CannotBeConverted, Outcome, Shape
from service.datasets.transformation import specs
from service.datasets.transformation.operations import apply
from service.datasets.transformation.sources import Source

_UNREADABLE = 2
_REASONS = 5
_SHOWN = 2000  # characters of the first example
Target = Annotated[Path | None, typer.Option("--output", "-o", dir_okay=False, help="Where to write; - is stdout.")]
Force = Annotated[bool, typer.Option("--force", help="Write over a file that is there.")]
As = Literal["jsonl", "sharegpt", "alpaca", "csv", "parquet"]


@app.command(rich_help_panel=DATA, epilog="Exit code 0: something was converted. 1: nothing was. 2: the file"
             " cannot be read. Examples:\n\n    tuneworks convert alpaca.json -o train.jsonl\n\n    tuneworks convert"
             " faq.csv --map user={question} --map assistant={answer} -o train.jsonl\n\n    tuneworks convert"
             " train.jsonl --to sharegpt -o train.json")
def convert(source: Annotated[str, typer.Argument(help="CSV, TSV, Parquet, JSON or JSON Lines; - reads stdin.")], *,
            output: Target = None,
            shape: Annotated[str | None, typer.Option(
                "--shape", "--from", help=f"What its rows are: {', '.join(reading.SHAPES)}. Detected by default.")
            ] = None,
            mapping: Annotated[list[str] | None, typer.Option(
                "--map", help="Which columns hold what, as user={question}; also assistant, system, tools, preferred,"
                              " non_preferred. May be repeated.")] = None,
            to: Annotated[As, typer.Option(help="What to write.")] = "jsonl",
            dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; show what would come of it.")
                               ] = False,
            force: Force = False,
            as_json: Annotated[bool, typer.Option("--json", help="For machines: what was done.")] = False) -> None:
    """Turn data of another shape into training data, or training data into another shape. Works offline."""
    target = _target(source, output, to, force=force or dry_run)
    outcome = Outcome()
    with _readable(source) as path:
        try:
            found = reading.detect(path, filename=source, layout=shape, mapping=_mapping(mapping))
            lines = _Peeked(reading.convert(path, found, outcome))
            if dry_run:
                for _ in lines:
                    pass
            elif to == "jsonl":
                _write(lines, target, keep=lambda: outcome.converted > 0)
            else:
                with _whole(target, keep=lambda: outcome.converted > 0) as building:
                    outcome.converted = exporting.export(exporting.lines_of(lines), to, building, skip=outcome.skip)
        except CannotBeConverted as wrong:
            _refuse(str(wrong))
    _report(found, outcome, None if dry_run else target, lines.first, as_json=as_json)
    raise typer.Exit(0 if outcome.converted else 1)


@app.command(rich_help_panel=DATA, epilog="Examples:\n\n    tuneworks transform train.jsonl --with deduplicate --with"
             " redact -o clean.jsonl\n\n    tuneworks transform clean.jsonl --with '{\"type\": \"split\", \"fraction\":"
             " 0.9, \"seed\": 1}' -o parts.jsonl")
def transform(file: Annotated[Path, typer.Argument(help="Training data in OpenAI's format.", exists=True,
                                                   dir_okay=False)], *,
              steps: Annotated[list[str], typer.Option(
                  "--with", help=f"What to do, one after another: {', '.join(specs.TYPES)}; with options as JSON.")],
              output: Annotated[Path, typer.Option("--output", "-o", dir_okay=False,
                                                   help="Where to write; - is stdout.")],
              force: Force = False) -> None:
    """Deduplicate, redact, shuffle, split, sample training data. Lines that stay keep their bytes. Works offline."""
    try:
        wanted = [specs.parse(_json(step) if step.lstrip().startswith("{") else {"type": step}) for step in steps]
    except specs.InvalidTransformation as wrong:
        raise typer.BadParameter(str(wrong), param_hint="--with") from wrong
    if any(isinstance(step, specs.Split) for step in wanted[:-1]):
        raise typer.BadParameter("split comes last: it makes two files.", param_hint="--with")
    if str(output) == "-" and isinstance(wanted[-1], specs.Split):
        raise typer.BadParameter("split makes two files, which cannot both be stdout.", param_hint="--output")
    targets = _parts(output) if isinstance(wanted[-1], specs.Split) else [output]
    for each in targets:
        _check_absent(each, force=force)
    with tempfile.TemporaryDirectory() as scratch:
        path = file
        for number, step in enumerate(wanted):
            into = targets if number == len(wanted) - 1 else [Path(scratch) / str(number)]
            _transform(step, path, into)
            path = into[0]
    _say(f"Written: {escape(', '.join(str(each) for each in targets))}")


def _transform(step: specs.Spec, path: Path, targets: list[Path]) -> None:
    """One step, and what came of it."""
    source, written, notes = Source(path), list[int](), Counter[str]()
    try:
        for part, target in zip(specs.parts(step), targets, strict=True):
            lines = _Peeked(apply(step, [source], part=part,
                                  note=lambda reason, times: notes.update({reason: times})))
            _write(lines, target)
            written.append(lines.count)
    except specs.InvalidTransformation as wrong:
        _refuse(str(wrong)[:1].upper() + str(wrong)[1:] + ".")
    left_out = len(source) - sum(written)
    kept = (f"{written[0]:,} to train on, {written[1]:,} to validate with" if len(written) > 1 else
            f"{written[0]:,} of {len(source):,} lines kept" + (f", {left_out:,} left out" if left_out else ""))
    told = [f"{times:,} times {reason}" for reason, times in notes.items()]
    _say(f"{step.__struct_config__.tag}: {escape('; '.join([kept, *told]))}")


class _Peeked:
    """Lines on their way, of which the first is remembered."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self.first = b""
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        for line in self._lines:
            self.count += 1
            self.first = self.first or line.partition(b"\n")[0]
            yield line


def _mapping(pairs: list[str] | None) -> dict[str, Any] | None:
    if not pairs:
        return None
    cut = [pair.partition("=") for pair in pairs]
    if wrong := next((name for name, equals, _ in cut if not equals), None):
        raise typer.BadParameter(f"{wrong!r} is not of the form role={{column}}.", param_hint="--map")
    return {name.strip(): template for name, _, template in cut}


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as wrong:
        raise typer.BadParameter(f"{text[:60]!r} is no JSON object: {wrong}", param_hint="--with") from wrong


def _target(source: str, output: Path | None, to: As, *, force: bool) -> Path:
    if Path(source).is_dir():
        _refuse(f"{source}: is a directory.")
    ending = {"sharegpt": "json", "alpaca": "json"}.get(to, to)
    target = output or (Path(source).with_suffix(f".{ending}") if source != "-" else Path("-"))
    if output is None and source != "-" and target == Path(source):
        target = target.with_name(f"{target.stem}.converted.{ending}")
    if str(target) == "-" and to != "jsonl":
        raise typer.BadParameter("Only jsonl can be written to stdout.", param_hint="--output")
    _check_absent(target, force=force)
    return target


def _parts(output: Path) -> list[Path]:
    return [output.with_name(f"{output.stem}.{part}{output.suffix}") for part in ("training", "validation")]


def _check_absent(target: Path, *, force: bool) -> None:
    if target.exists() and not force:
        _refuse(f"{target} is there already. --force writes over it; -o names another.")


def _write(lines: Any, target: Path, *, keep: Callable[[], bool] = lambda: True) -> None:
    """To a file, which appears when it is whole, or to stdout."""
    if str(target) == "-":
        for line in lines:
            sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
        return
    with _whole(target, keep=keep) as building, building.open("wb") as file:
        _write_all(lines, file)


@contextmanager
def _whole(target: Path, *, keep: Callable[[], bool]) -> Iterator[Path]:
    """Where to write a file that takes its name once it is whole and worth keeping, and else goes."""
    building = target.with_name(f".{target.name}.partial")
    try:
        yield building
        if keep():
            building.replace(target)
    except OSError as trouble:
        _refuse(f"{target}: {trouble.strerror}.")
    finally:
        with suppress(OSError):
            building.unlink(missing_ok=True)


def _write_all(lines: Any, file: BinaryIO) -> None:
    with stderr.status("") as status:  # seen on a terminal only
        for number, line in enumerate(lines, start=1):
            file.write(line)
            if number % 5000 == 0:
                status.update(f"{number:,} lines")


@contextmanager
def _readable(name: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(name)
        if name == "-":
            path = Path(scratch) / "stdin"
            with path.open("wb") as spool:
                shutil.copyfileobj(sys.stdin.buffer, spool)
        if not path.is_file():
            _refuse(f"{name}: no such file.")
        yield path


def _report(found: Shape, outcome: Outcome, target: Path | None, first: bytes, *, as_json: bool) -> None:
    if as_json:
        told = {**found.shown(), "rows": outcome.rows, "converted": outcome.converted, "reasons": dict(outcome.reasons),
                "remarks": outcome.remarks, "skipped": outcome.skipped,
                "output": None if target is None or not outcome.converted else str(target)}
        console = stderr if str(target) == "-" else stdout
        console.file.write(msgspec.json.format(msgspec.json.encode(told)).decode() + "\n")
        return
    mapped = "" if found.mapping is None else f", {escape(str(found.shown()['mapping']))}"
    _say(f"{outcome.rows:,} rows of {found.container}, as {found.layout}{mapped}: {outcome.converted:,} converted,"
         f" {sum(outcome.reasons.values()):,} skipped.")
    for reason, times in outcome.reasons.most_common(_REASONS):
        rows = ", ".join(str(row) for row, why in outcome.skipped if why == reason)
        _say(f"  {times:,} times {escape(reason)}: rows {rows[:60]}{'…' if len(rows) > 60 else ''}")
    for each in outcome.remarks:
        _say(escape(each))
    if first and target is None:
        _say(f"The first: {escape(first.decode(errors='replace')[:_SHOWN])}")
    if target is not None and str(target) != "-":
        following = f" Next: tuneworks validate {escape(str(target))}" if target.suffix == ".jsonl" else ""
        _say(f"Written: {escape(str(target))}.{following}" if outcome.converted else "Nothing was written.")


def _say(text: str) -> None:
    stderr.print(text, soft_wrap=True)


def _refuse(message: str) -> Any:
    stderr.print(f"[red]Error:[/] {escape(message)}", soft_wrap=True)
    raise typer.Exit(_UNREADABLE)
