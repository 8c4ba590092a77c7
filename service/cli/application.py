"""The Typer application with its commands, and the consoles they speak through."""

from importlib import metadata
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

stdout = Console(highlight=False)
"""What a script may want to read."""
stderr = Console(stderr=True, highlight=False)
"""Everything that is said to a person."""

_ORDER = ("up", "validate", "convert", "transform", "estimate", "import", "events", "doctor", "settings", "migrate",
          "keys", "credentials", "models", "api", "relay", "poller", "sender", "worker", "serve")


class _InOrder(TyperGroup):
    """Lists commands by their use, not by their module."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=_ORDER.index)


app = typer.Typer(
    name="tuneworks", cls=_InOrder, no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="The fine-tuning platform behind one OpenAI-compatible API, in your own house.",
    epilog="Begin with [bold]tuneworks up[/]. Something amiss? [bold]tuneworks doctor[/]. What can be set:"
           " [bold]tuneworks settings[/].")

TOGETHER = "The whole house on one machine"
SINGLE = "Single processes, for machines of their own"
KEEPING = "Keeping house"
DATA = "Data, on your own machine"


def _version(asked: bool) -> None:  # noqa: FBT001 - Typer's form of a callback
    if asked:
        stdout.print(metadata.version("tuneworks"))
        raise typer.Exit


@app.callback()
def _options(*, version: Annotated[bool, typer.Option(
        "--version", help="Print the version and end.", callback=_version, is_eager=True)] = False) -> None:
    """Options before the command."""
