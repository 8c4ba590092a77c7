"""`tuneworks import`: has a house bring home, over its API, what another server keeps, and shows how far it is."""

import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from pydantic import SecretStr
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from service.cli.application import app, stderr, stdout
from service.cli.calling import CannotBeCalled, HouseClient, Refused, find_house, not_set
from service.settings import environment_secret

imports = typer.Typer(no_args_is_help=True, help="Bring home everything that another server keeps.")
MOVING = "Data, from and to other servers"
app.add_typer(imports, name="import", rich_help_panel=MOVING)
_POLL_SECONDS = 1.0
_SHOWN = 10
_STAGES = {"files": "listing files", "jobs": "listing jobs", "models": "listing models", "contents": "reading files",
           "histories": "reading jobs", "done": "done"}
House = Annotated[str | None, typer.Option(
    "--house", help="Base URL of the house, as http://tuneworks:8080/v1 (or without /v1); the one that `tuneworks up`"
                    " runs here, when it is left out.")]
HouseKey = Annotated[str, typer.Option(
    "--house-key-env", help="Variable that holds the project key of the house.", metavar="VARIABLE")]
ReadyFile = Annotated[Path | None, typer.Option(
    "--ready-file", dir_okay=False, help="Take base URL and key from the file that `tuneworks up --ready-file` wrote.")]


@imports.command("openai", epilog="Exit code 0: everything that can be read is home. 1: it is not, or a list could not"
                 " be read.\n\n"
                 "Examples:\n\n    tuneworks import openai --api-key-env OPENAI_API_KEY --dry-run\n\n"
                 "    tuneworks import openai --api-key-env OPENAI_API_KEY\n\n"
                 "    tuneworks import openai --credential openai-import --house https://tuneworks.example/v1")
def import_openai(*,
                  api_key_env: Annotated[str | None, typer.Option(
                      "--api-key-env", metavar="VARIABLE", help="Variable that holds the OpenAI key; the house stores"
                                                                " it encrypted, as a credential.")] = None,
                  credential: Annotated[str, typer.Option(
                      help="Name of the credential to read with; made, or given the new key, with --api-key-env.")
                  ] = "openai-import",
                  base_url: Annotated[str | None, typer.Option(
                      help="Where the server answers, if not at OpenAI's own address.")] = None,
                  dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what there is.")] = False,
                  wait: Annotated[bool, typer.Option(help="Wait for its end and show how far it is.")] = True,
                  house: House = None, house_key_env: HouseKey = "TUNEWORKS_API_KEY", ready_file: ReadyFile = None,
                  as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False) -> None:
    """Bring an OpenAI project home: files, jobs with events, checkpoints and results, and models, under their old ids.

    Nothing is changed there. The house does the reading: it goes on when this command is interrupted, and a second
    import brings only what is new. Afterwards POST /v1/fine_tuning/retrain trains old jobs again on models that live.
    """
    try:
        client = find_house(house, house_key_env, ready_file)
        if api_key_env is not None:
            _keep(client, credential, base_url, environment_secret(api_key_env), api_key_env)
        begun = client.post("/imports", {"provider": "openai", "credential": credential, "dry_run": dry_run})
        ended = _follow(client, begun, quiet=as_json) if wait else begun
        problems = client.get(f"/imports/{begun['id']}/problems?limit=1000")["data"] if wait else []
    except (CannotBeCalled, Refused) as problem:
        stderr.print(f"[red]Error:[/] {escape(str(problem))}", soft_wrap=True)
        raise typer.Exit(1) from problem
    if as_json:
        stdout.file.write(msgspec.json.format(msgspec.json.encode({**ended, "problem_list": problems})).decode() + "\n")
    else:
        _show(ended, problems)
    raise typer.Exit(1 if ended["status"] in {"failed", "cancelled"} or _unread(problems) else 0)


def _keep(client: HouseClient, name: str, base_url: str | None, key: SecretStr | None, variable: str) -> None:
    """Store the key as a credential of this name, or give it to the one that there is."""
    if key is None:
        raise CannotBeCalled(not_set(variable))
    body: dict[str, Any] = {"provider": "openai", "name": name, "secret": key.get_secret_value()}
    try:
        client.post("/credentials", body | ({"base_url": base_url} if base_url else {}))
    except Refused as refused:
        if refused.code != "credential_name_taken":
            raise
        known = next((each for each in client.pages("/credentials")
                      if (each["name"], each["scope"]) == (name, "project")), None)
        if known is None or known["provider"] != "openai":  # its key must not be lost to another server's
            raise
        changed = {"secret": key.get_secret_value()} | ({"base_url": base_url} if base_url else {})
        client.post(f"/credentials/{known['id']}", changed)


def _follow(client: HouseClient, told: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    bar = Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[counts]}"),
                   TimeElapsedColumn(), console=stderr, disable=quiet or not stderr.is_terminal, transient=True)
    stage, trouble = "", None
    with bar:
        task = bar.add_task("", total=100, counts="")
        while told["status"] in {"queued", "running"}:
            if told["stage"] != stage and bar.disable and not quiet:
                stderr.print(f"{_STAGES[told['stage']]}: {_counted(told)}")
            if told["status_details"] not in {trouble, None} and not quiet:
                bar.console.print(f"[yellow]Waiting:[/] {escape(told['status_details'])}", soft_wrap=True)
            stage, trouble = told["stage"], told["status_details"]
            bar.update(task, description=_STAGES[stage], completed=told["percent"] or 0, counts=_counted(told))
            time.sleep(_POLL_SECONDS)
            told = client.get(f"/imports/{told['id']}")
    return told


def _counted(told: dict[str, Any]) -> str:
    counts = told["counts"]
    done = {kind: counts[kind]["imported"] + counts[kind]["present"] for kind in ("files", "jobs")}
    return ", ".join(f"{done[kind]:,}/{counts[kind]['found']:,} {kind}" for kind in done)


def _unread(problems: list[dict[str, Any]]) -> list[str]:
    """Kinds of things of which the server did not give its list, or not all of it."""
    return sorted({f"{each['kind']}s" for each in problems if each["remote_id"] == "*"})


def _show(told: dict[str, Any], problems: list[dict[str, Any]]) -> None:
    words = {"succeeded": "[green]Everything that can be read is home.[/]", "failed": "[red]The import failed.[/]",
             "cancelled": "[yellow]The import was cancelled.[/]"}
    if told["status"] not in words:
        stdout.print(f"Import {told['id']} is {told['status']}; GET /v1/imports/{told['id']} tells how far it is.")
        return
    unread = _unread(problems)
    if told["status"] == "succeeded" and unread:
        stdout.print(f"[yellow]This is not complete:[/] the server's list of {' and of '.join(unread)} could not be"
                     " read, or not to its end; see below.", soft_wrap=True)
    elif told["status"] == "succeeded" and told["dry_run"]:
        stdout.print("This is what there is; nothing was brought.")
    else:
        stdout.print(words[told["status"]])
    if told["error"]:
        stdout.print(escape(str(told["error"].get("message"))), soft_wrap=True)
    table = Table("", "found", "brought", "here already", "problems")
    for kind, counts in told["counts"].items():
        table.add_row(kind, *(f"{counts[name]:,}" for name in ("found", "imported", "present", "problems")))
    stdout.print(table)
    for each in problems[:_SHOWN]:
        stdout.print(f"- {each['kind']} {escape(each['remote_id'])}: {escape(each['reason'])}", soft_wrap=True)
    if len(problems) > _SHOWN:
        stdout.print(f"… and {len(problems) - _SHOWN:,} more: GET /v1/imports/{told['id']}/problems")
