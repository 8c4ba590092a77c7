"""`tuneworks credentials`: list the keys to other servers, and change the keys that they are kept under."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table
from sqlalchemy import select
from sqlalchemy.orm import Session

from service.cli.application import KEEPING, app, stderr, stdout
from service.cli.keys import house_organization
from service.credentials.operations import rotation
from service.credentials.tables import Credential
from service.embedded.attachment import attach
from service.embedded.ownership import add_key
from service.kit.database import Scope, transaction
from service.kit.encryption import EncryptionUnavailable, new_data_key
from service.kit.keyring import keyring, new_line
from service.settings import settings
from service.tenants.tables import Project

credentials = typer.Typer(no_args_is_help=True, help="List the keys to other servers, and change what protects them.")
app.add_typer(credentials, name="credentials", rich_help_panel=KEEPING)
Step = Callable[[Session, str], None]
Next = Callable[..., str | None]


@credentials.command("list")
def list_credentials() -> None:
    """List all credentials of all projects, without their secrets."""
    table = Table(Column("id", overflow="fold", no_wrap=True),
                  *(Column(name, overflow="fold") for name in ("name", "provider", "project", "secret", "state")))
    with transaction(Scope.organization(house_organization())) as session:
        rows = session.execute(select(Credential, Project.slug).outerjoin(Project, Project.id == Credential.project_id)
                               .where(Credential.deleted_at.is_(None)).order_by(Credential.position))
        for row, slug in rows:
            state = f"{row.status}: {row.status_details}" if row.status_details else row.status
            table.add_row(row.id, row.name, row.provider, slug or "(all)", escape(f"…{row.hint}"), escape(state))
    stdout.print(table)


@credentials.command("new-kek", epilog="Examples:\n\n    tuneworks credentials new-kek\n\n"
                     "    tuneworks credentials new-kek --print")
def new_kek(*, show: Annotated[bool, typer.Option(
        "--print", help="Print the line, for TUNEWORKS_KEKS or a vault, and change no file.")] = False) -> None:
    """Make a key-encryption key: appended to TUNEWORKS_KEK_FILE, where it is current at once.

    Keep a copy of the file elsewhere: without its keys no stored credential can be read. Where several machines have
    one, give it to all of them before `rotate-kek`.
    """
    attach()
    file = settings().kek_file
    if show or file is None:
        if not show:
            stderr.print("TUNEWORKS_KEK_FILE is not set, so here is the line:")
        stdout.print(new_line(f"kek-{new_data_key().hex()[:6]}", new_data_key()), soft_wrap=True)
        return
    name = add_key(file)
    stderr.print(f"{name} is the current key of {escape(str(file))}. Keep a copy of that file elsewhere, then run"
                 " `tuneworks credentials rotate-kek`.")


@credentials.command("rotate-kek")
def rotate_kek() -> None:
    """Put everything that is stored under the current key-encryption key; older keys may then be removed.

    Only data keys are wrapped anew; no credential is touched, and all stay usable meanwhile. Started again after an
    interruption, it does the rest.
    """
    scope = Scope.organization(house_organization())
    done = advance(scope, rotation.next_to_rewrap, rotation.rewrap)
    stderr.print(f"{len(done.ids)} data keys are now under {keyring().current.name}.")
    with transaction(scope) as session:
        used = rotation.keks_in_use(session)
    _end(done, "data key")
    if former := [name for name in keyring().names if name not in used]:
        stderr.print(f"No longer needed, but for backups made before: {', '.join(former)}. Remove it when every process"
                     " has the new list of keys.")


@credentials.command("rotate-data-keys")
def rotate_data_keys() -> None:
    """Give every project a new data key, encrypt its credentials with it, and destroy the old one.

    All stay usable meanwhile. A rotation that was interrupted is brought to its end first, and then none is begun.
    """
    scope = Scope.organization(house_organization())
    with transaction(scope) as session:
        interrupted = rotation.next_to_reencrypt(session) is not None
        retired = 0 if interrupted else rotation.retire(session)
    if interrupted:
        stderr.print("An earlier rotation was interrupted; it is brought to its end now.")
    done = advance(scope, rotation.next_to_reencrypt, rotation.reencrypt)
    with transaction(scope) as session:
        destroyed = rotation.destroy_retired(session)
    stderr.print(f"{len(done.ids)} credentials are encrypted anew; {retired} data keys were retired, {destroyed}"
                 " destroyed.")
    _end(done, "credential")


@dataclass
class Advance:
    """What a rotation did, and what did not open."""

    ids: list[str] = field(default_factory=list)
    stuck: dict[str, str] = field(default_factory=dict)


def advance(scope: Scope, find: Next, step: Step) -> Advance:
    """Take one after the other, each in a transaction of its own, until none is left but those that do not open."""
    done = Advance()
    while True:
        with transaction(scope) as session:
            each = find(session, but=list(done.stuck))
        if each is None:
            return done
        try:
            with transaction(scope) as session:
                step(session, each)
            done.ids.append(each)
        except EncryptionUnavailable as locked:
            done.stuck[each] = locked.message


def _end(done: Advance, what: str) -> None:
    for each, why in done.stuck.items():
        stderr.print(f"[red]{what} {each} was left as it is:[/] {escape(why)}", soft_wrap=True)
    if done.stuck:
        raise typer.Exit(1)


