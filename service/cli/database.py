"""`tuneworks migrate`."""

from typing import Annotated

import typer

from service import schema
from service.cli.application import KEEPING, app, stderr, stdout
from service.embedded.attachment import attach


@app.command(rich_help_panel=KEEPING, epilog="Examples:\n\n    tuneworks migrate\n\n    tuneworks migrate --check\n\n"
             "    tuneworks migrate --down=-1")
def migrate(*, check: Annotated[bool, typer.Option(
                "--check", help="Change nothing; exit 1 if something is due.")] = False,
            down: Annotated[str | None, typer.Option(
                metavar="REVISION", help="Go back instead: a revision, -1 for one step, base for an empty database."
                                         " Data of later revisions is lost.")] = None) -> None:
    """Bring the database to the newest schema. Safe to run twice, and from several machines at once."""
    attach()
    if check:
        found = schema.standing()
        if not found.is_current:
            stderr.print(f"The database is at {found.current or 'nothing'}, the newest is {found.newest}."
                         " Run [bold]tuneworks migrate[/].")
            raise typer.Exit(1)
    elif down is not None:
        found = schema.downgrade(down)
    else:
        found = schema.upgrade()
    stdout.print(f"The database is at {found.current or 'nothing'}"
                 + (", the newest." if found.is_current else f"; the newest is {found.newest}."))
