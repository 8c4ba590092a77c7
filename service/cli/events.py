"""`tuneworks events`: what happened in a project, and what happens there, over its house's API."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlencode

import typer
from rich.markup import escape

from service.cli.application import KEEPING, app, stderr, stdout
from service.cli.calling import CannotBeCalled, HouseClient, Refused, find_house
from service.cli.imports import House, HouseKey, ReadyFile

_PAUSE_SECONDS = 2.0
_PAGE = 100


@app.command(rich_help_panel=KEEPING, epilog="Examples:\n\n    tuneworks events --limit 50\n\n"
             "    tuneworks events --follow --type 'fine_tuning.job.*' --json | while read -r event; do …; done")
def events(*,
           follow: Annotated[bool, typer.Option(
               "--follow", "-f", help="Go on with what happens from now on, until interrupted; a break in between"
                                      " loses nothing.")] = False,
           types: Annotated[list[str] | None, typer.Option(
               "--type", metavar="TYPE", help="Only this type, or a group such as 'file.*'; may be repeated.")] = None,
           subject: Annotated[str | None, typer.Option(help="Only what happens to the object with this id.")] = None,
           limit: Annotated[int, typer.Option(min=0, max=10_000, help="How many of the past to show.")] = 10,
           house: House = None, house_key_env: HouseKey = "TUNEWORKS_API_KEY", ready_file: ReadyFile = None,
           as_json: Annotated[bool, typer.Option("--json", help="For machines: one event a line.")] = False) -> None:
    """Show what happened in a project, oldest first, and with --follow what happens."""
    narrowed = [("type", each) for each in types or []] + ([("subject", subject)] if subject is not None else [])
    try:
        client = find_house(house, house_key_env, ready_file)
        coming = _coming(client, narrowed, limit) if follow else iter(_past(client, narrowed, limit))
        for event in coming:
            _show(event, as_json=as_json)
    except (CannotBeCalled, Refused) as problem:
        stderr.print(f"[red]Error:[/] {escape(str(problem))}", soft_wrap=True)
        raise typer.Exit(1) from problem


def _past(client: HouseClient, narrowed: list[tuple[str, str]], limit: int) -> list[dict[str, Any]]:
    """The last so many events, oldest first."""
    found: list[dict[str, Any]] = []
    while len(found) < limit:
        asked = [*narrowed, ("limit", str(min(_PAGE, limit - len(found))))]
        page = client.get("/events?" + urlencode(asked + ([("after", found[-1]["id"])] if found else [])))
        found += page["data"]
        if not page["has_more"]:
            break
    return found[::-1]


def _coming(client: HouseClient, narrowed: list[tuple[str, str]], limit: int) -> Iterator[dict[str, Any]]:
    """The past, then all that comes: the stream is opened first, so that nothing falls between the two."""
    shown: set[str] = set()
    stream = _frames(client, "/events/stream?" + urlencode(narrowed))
    for number, frame in enumerate(stream):
        if number == 0:  # the place where it begins
            past = _past(client, narrowed, limit)
            shown = {event["id"] for event in past}
            yield from past
        if "data" in frame:
            event = json.loads(frame["data"])
            if event["id"] not in shown:
                yield event


def _frames(client: HouseClient, path: str) -> Iterator[dict[str, str]]:
    """The frames of a stream over as many connections as it takes. Raises what the first one does, and Refused."""
    last_id, begun = "", False
    while True:
        try:
            for frame in _parsed(client.lines(path, last_id=last_id)):
                begun, last_id = True, frame.get("id", last_id)
                yield frame
        except CannotBeCalled as trouble:
            if not begun:
                raise
            stderr.print(f"[yellow]Waiting:[/] {escape(str(trouble))}", soft_wrap=True)
        except Refused as refused:
            if not begun or refused.code != "service_unavailable":
                raise
        time.sleep(_PAUSE_SECONDS)


def _parsed(lines: Iterator[str]) -> Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    for line in lines:
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif not line and fields:
            yield fields
            fields = {}


def _show(event: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        stdout.file.write(json.dumps(event) + "\n")
        stdout.file.flush()
        return
    at = datetime.fromtimestamp(event["created_at"], UTC)
    stdout.print(f"{at:%Y-%m-%d %H:%M:%SZ}  {event['type']}  {escape(str(event['data'].get('id')))}"
                 f"  #{event['sequence']}", soft_wrap=True, highlight=False)
