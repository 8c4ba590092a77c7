"""`tuneworks doctor`."""

import logging
from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from service import doctor as examination
from service.cli.application import KEEPING, app, stdout
from service.doctor import Verdict

_COLOURS = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "red"}


@app.command(rich_help_panel=KEEPING, epilog="Exit code 1 when something is broken. Example:\n\n    tuneworks doctor"
             " --json | jq '.\\[] | select(.verdict == \"fail\")'")
def doctor(*, as_json: Annotated[bool, typer.Option("--json", help="For machines: a list of checks.")] = False) -> None:
    """Tell what is configured, what can be reached, what is missing, and what to do about it."""
    logging.getLogger().addHandler(logging.NullHandler())  # the findings say it; a log line would say it again
    findings = examination.examine()
    if as_json:
        stdout.print_json(data=[asdict(finding) for finding in findings])
    else:
        table = Table("part", "", Column("found", overflow="fold"), Column("what to do", overflow="fold"))
        for finding in findings:
            colour = _COLOURS[finding.verdict]
            table.add_row(finding.name, f"[{colour}]{finding.verdict}[/]", escape(finding.found),
                          escape(finding.advice))
        stdout.print(table)
    raise typer.Exit(1 if any(finding.verdict is Verdict.FAIL for finding in findings) else 0)
