"""`tuneworks keys`: make, list and revoke API keys without an API key, for whoever may reach the database."""

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Column, Table
from sqlalchemy import or_, select

from service.cli.application import KEEPING, app, stderr, stdout
from service.embedded.attachment import attach
from service.kit.database import NOBODY, Scope, database_now, transaction
from service.settings import settings
from service.tenants import operations
from service.tenants.tables import APIKey, Project

keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys.")
app.add_typer(keys, name="keys", rich_help_panel=KEEPING)


@keys.command(epilog="Examples:\n\n    tuneworks keys create --project 'Support bot'\n\n"
              "    tuneworks keys create --admin --name ops --expires-days 90")
def create(*, project: Annotated[str, typer.Option(
               help="Name or slug of the project it is for; made if it is new.")] = "default",
           admin: Annotated[bool, typer.Option("--admin", help="A key that administers the organization.")] = False,
           name: Annotated[str, typer.Option(help="What the key is called in lists.")] = "cli",
           expires_days: Annotated[int | None, typer.Option(
               min=1, max=36500, help="Days until it ends by itself.")] = None) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    lifetime = timedelta(days=expires_days) if expires_days else None
    organization_id = house_organization()
    with transaction(Scope.organization(organization_id)) as session:
        if admin:
            row, plain = operations.create_admin_key(session, organization_id, name, expires_in=lifetime)
        else:
            owner = session.scalar(select(Project).where(
                or_(Project.slug == project, Project.name == project), Project.archived_at.is_(None))
                .order_by(Project.position).limit(1))
            if owner is None:
                owner = operations.create_project(session, organization_id, project)
                stderr.print(f"The project {escape(repr(project))} is new; its slug is {owner.slug}.")
            _, made, plain = operations.create_service_account(session, owner, name, expires_in=lifetime)
            assert made is not None
            row = made
    stderr.print(f"{row.id}: keep it now, it is not shown again.")
    stdout.print(escape(plain), soft_wrap=True)


@keys.command("list")
def list_keys() -> None:
    """List all keys, without their secrets."""
    table = Table(Column("id", overflow="fold", no_wrap=True),  # an id that is cut off could not be revoked
                  *(Column(name, overflow="fold") for name in ("key", "name", "project", "last used", "state")))
    organization_id = house_organization()
    with transaction(Scope.organization(organization_id)) as session:
        now = database_now(session)
        rows = session.execute(select(APIKey, Project.slug).outerjoin(Project, Project.id == APIKey.project_id)
                               .order_by(APIKey.position))
        for key, slug in rows:
            table.add_row(key.id, key.redacted_value, escape(key.name), slug or "(admin)", _when(key.last_used_at),
                          _state(key, now))
    stdout.print(table)


@keys.command(epilog="Example:\n\n    tuneworks keys revoke key_abc123")
def revoke(key_id: Annotated[str, typer.Argument(help="Its id, as `tuneworks keys list` shows it.")]) -> None:
    """End a key for good; requests with it are refused within seconds."""
    organization_id = house_organization()
    with transaction(Scope.organization(organization_id)) as session:
        key = session.scalar(select(APIKey).where(APIKey.id == key_id, APIKey.revoked_at.is_(None)))
        if key is None:
            raise typer.BadParameter(f"there is no live key {key_id!r}; `tuneworks keys list` shows them all.",
                                     param_hint="KEY_ID")
        if key.project_id is None:
            operations.delete_admin_key(session, key.id, by=operations.CLI)
        else:
            operations.delete_project_key(session, key.project_id, key.id, by=operations.CLI)
    stderr.print(f"{key_id} is revoked.")


def house_organization() -> str:
    """The organization of the house that is set or that runs here; made now if there is none."""
    attach()
    with transaction(NOBODY) as session:
        return operations.bootstrap(session, settings().organization_name).id


def _when(moment: datetime | None) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if moment else "never"


def _state(key: APIKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return "revoked"
    if key.expires_at is None:
        return "live"
    return "expired" if key.expires_at <= now else f"until {_when(key.expires_at)}"
