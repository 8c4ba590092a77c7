"""A report on a data file as a person reads it on a terminal: the verdict first, then why, then the numbers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from service.datasets.analysis.leakage import Leakage
from service.datasets.analysis.merging import Merged
from service.datasets.analysis.report import Duplicates, Privacy, Quality, TokenStats, Verdict
from service.datasets.validation.findings import Finding

_VERDICTS = {"go": ("bold white on green", "This file can be trained on."),
             "warn": ("bold black on yellow", "This file can be trained on, but look at this first:"),
             "block": ("bold white on red", "A job with this file would fail:")}
_SEVERITIES = {"error": "red", "warning": "yellow", "info": "dim"}
_LINES_SHOWN = 5
_BAR = 30


@dataclass(frozen=True, slots=True)
class Told:
    """What is known about one file, and the verdict for the use it is put to."""

    name: str
    verdict: Verdict
    reasons: list[str]
    merged: Merged


def show(console: Console, told: Told, *, limit: int, leaked: Leakage | None) -> None:
    """Print all of it. `limit` findings of each kind are shown in full."""
    report = told.merged.report
    kind = f" ({report.format})" if report.format else ""
    console.print(f"\n[bold]{escape(told.name)}[/]: {_many(report.examples, 'example')}{kind} in"
                  f" {_many(report.lines, 'line')}, {_size(report.bytes)}, {report.seconds:.1f} s")
    style, words = _VERDICTS[told.verdict]
    console.print(f"\n[{style}] {told.verdict.upper()} [/] {words}")
    for reason in told.reasons:
        _item(console, escape(reason))
    _findings(console, told.merged, limit)
    if report.tokens is not None and report.tokens.examples:
        _tokens(console, report.tokens)
    if report.duplicates is not None:
        _duplicates(console, report.duplicates)
    if leaked is not None:
        _leakage(console, leaked)
    if report.quality is not None and report.examples:
        _quality(console, report.quality)
    if report.privacy is not None:
        _privacy(console, report.privacy)
    console.print()


def _findings(console: Console, merged: Merged, limit: int) -> None:
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in merged.findings:
        groups.setdefault((finding.severity, finding.kind), []).append(finding)
    if not groups:
        return
    _title(console, "What was found")
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(overflow="fold")
    for severity, colour in _SEVERITIES.items():
        for (_, kind), found in ((key, each) for key, each in groups.items() if key[0] == severity):
            count = merged.report.counts.get(kind, len(found))
            table.add_row(f"[{colour}]{severity}[/]", f"{count:,}", _told(kind, found, count, limit))
    console.print(Padding(table, (0, 0, 0, 2)))


def _told(kind: str, found: list[Finding], count: int, limit: int) -> str:
    lines = [each.line for each in found if each.line is not None]
    rows = [f"[bold]{escape(kind.replace('_', ' '))}[/]" + (f"[dim], {_lines(lines, count)}[/]" if lines else "")]
    rows += [escape(each.message) for each in found[:limit]]
    if found[0].hint:
        rows.append(f"[dim]→ {escape(found[0].hint)}[/]")
    return "\n".join(rows)


def _tokens(console: Console, tokens: TokenStats) -> None:
    _title(console, f"Tokens [dim](counted by {tokens.tokenizer})[/]")
    _item(console, f"{tokens.billed:,} billed for each pass over the file, {tokens.trainable:,} of them learned from")
    roles = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in tokens.by_role.items())
    _item(console, f"by role: {escape(roles)}")
    if tokens.images:
        details = ", ".join(f"{number:,} {detail}" for detail, number in tokens.images.items())
        _item(console, f"images: {details}; what they cost is in none of these numbers")
    at = tokens.percentiles
    _item(console, f"an example has {at['p50']:,} (half have fewer), {at['min']:,} at least, {at['max']:,} at most,"
                   f" {tokens.mean:,.0f} on average")
    table = Table(box=None, show_header=False, padding=(0, 1, 0, 0), pad_edge=False)
    most = max(count for _, count in tokens.histogram)
    first = next(at for at, (_, count) in enumerate(tokens.histogram) if count)
    for bound, count in tokens.histogram[first:]:
        table.add_row(f"up to {bound:,}", f"{count:,}", f"[cyan]{'█' * max(count > 0, round(_BAR * count / most))}[/]")
    table.columns[0].justify = table.columns[1].justify = "right"
    console.print(Padding(table, (0, 0, 0, 4)))
    for over in tokens.over_context:
        _item(console, f"[yellow]{_many(over.examples, 'example')} longer than a context of {over.context:,}[/]:"
                       f" {over.tokens:,} tokens would be cut off at the end ({_lines(over.lines, over.examples)})")


def _duplicates(console: Console, found: Duplicates) -> None:
    told = list(_repeated(found))
    if told:
        _title(console, "Repeated")
    for words in told:
        _item(console, words)


def _repeated(found: Duplicates) -> Iterator[str]:
    if found.exact:
        yield f"{_many(found.exact, 'example')} say exactly the same as one before"
    if found.near:
        yield f"{_many(found.near, 'example')} say nearly the same as one before"
    if found.groups:
        yield f"[dim]the same: {_sets(found.groups)}[/]"
    if found.contradictions:
        yield f"{_many(found.contradictions, 'question')} answered in more than one way"
        yield f"[dim]different answers: {_sets(found.contradicting)}[/]"


def _leakage(console: Console, leaked: Leakage) -> None:
    _title(console, "Both files")
    if not leaked.exact + leaked.near + leaked.contradicting:
        _item(console, "[green]share no examples[/]")
        return
    for count, pairs, words in (
            (leaked.exact, leaked.exact_pairs, "stand in the training file too, so that they measure nothing"),
            (leaked.near, leaked.near_pairs, "stand in the training file in nearly the same words"),
            (leaked.contradicting, leaked.contradicting_pairs, "are answered differently in the training file")):
        if count:
            where = ", ".join(f"{there} as {here}" for here, there in pairs[:_LINES_SHOWN])
            _item(console, f"[yellow]{_many(count, 'validation example')}[/] {words} [dim](line {where}"
                           f"{', …' if count > _LINES_SHOWN else ''})[/]")


def _quality(console: Console, quality: Quality) -> None:
    colour = "green" if quality.score >= 80 else "yellow" if quality.score >= 50 else "red"
    _title(console, f"Quality: [{colour}]{quality.score}[/] of 100")
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), pad_edge=False)
    for part in quality.parts:
        table.add_row(escape(part.name.replace("_", " ")), f"{part.score}", escape(part.detail))
    if quality.parts:
        table.columns[1].justify = "right"
        console.print(Padding(table, (0, 0, 0, 2)))
    for advice in quality.advice:
        _item(console, escape(advice.message), mark="→")


def _privacy(console: Console, privacy: Privacy) -> None:
    if not privacy.counts:
        return
    _title(console, "Private data")
    kinds = ", ".join(f"{kind.replace('_', ' ')} {count:,}" for kind, count in privacy.counts.items())
    _item(console, f"{escape(kinds)}; in {_many(privacy.examples, 'example')}")


def _title(console: Console, text: str) -> None:
    console.print(f"\n[bold]{text}[/]")


def _item(console: Console, text: str, mark: str = "") -> None:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(mark or "-", text)
    console.print(Padding(grid, (0, 0, 0, 2)))


def _lines(lines: Iterable[int], count: int) -> str:
    shown = list(dict.fromkeys(lines))
    listed = ", ".join(f"{line:,}" for line in shown[:_LINES_SHOWN])
    return f"line{'' if count == 1 else 's'} {listed}{', …' if count > _LINES_SHOWN and len(shown) > 1 else ''}"


def _sets(groups: list[list[int]]) -> str:
    shown = "; ".join(" and ".join(f"{line:,}" for line in group[:3]) + (" …" if len(group) > 3 else "")
                      for group in groups[:3])
    return f"lines {shown}{' …' if len(groups) > 3 else ''}"


def _many(count: int, word: str) -> str:
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def _size(size: float) -> str:
    units: Any = ("B", "kB", "MB", "GB", "TB")
    for unit in units:
        if size < 1000 or unit == units[-1]:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1000
    raise AssertionError
