"""`tuneworks settings`: every variable, what it is, and what it is for."""

from pydantic import SecretStr, ValidationError
from pydantic_core import PydanticUndefined
from rich.markup import escape
from rich.table import Column, Table
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from service.cli.application import KEEPING, app, stdout
from service.embedded.attachment import attach
from service.settings import Settings
from service.settings import settings as current


@app.command(rich_help_panel=KEEPING)
def settings() -> None:
    """Show every variable with its value, its default and its meaning. Secrets are masked."""
    values, problem = _values()
    table = Table(Column("variable", overflow="fold"), Column("value", overflow="fold"),
                  Column("default", overflow="fold"), "meaning", show_lines=True)
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        value = values.get(name, default)
        table.add_row(f"TUNEWORKS_{name.upper()}", "" if value == default else f"[bold]{escape(masked(value))}[/]",
                      "" if default is PydanticUndefined else escape(masked(default)),
                      escape(field.description or ""))
    stdout.print(table)
    if problem is not None:
        raise problem


def _values() -> tuple[dict[str, object], ValidationError | None]:
    try:
        attach()
        return {name: getattr(current(), name) for name in Settings.model_fields}, None
    except ValidationError as problem:
        return {}, problem


def masked(value: object) -> str:
    """As text, without anything secret: of a URL only the password is hidden."""
    if not isinstance(value, SecretStr):
        return str(value)
    plain = value.get_secret_value()
    if "://" in plain:
        try:
            return make_url(plain).render_as_string(hide_password=True)
        except ArgumentError:
            return "********"
    return "********" if plain else ""
