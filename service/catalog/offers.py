"""Which base models a project has: those of the catalog, and those that its compatible servers list."""

from collections.abc import Iterator
from datetime import date
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from service.catalog.base_models import BaseModelEntry, Price, find_base_model
from service.credentials import operations as credentials
from service.credentials import queries as credential_queries
from service.credentials.tables import Credential

COMPATIBLE = "compatible"
_SUPPOSED_CONTEXT = 131_072
"""Tokens. No list of models tells it, and what a server cuts off it does not tell either."""


def offered(session: Session, name: str) -> tuple[BaseModelEntry, str | None] | None:
    """The base model of this name, and the id of the only credential that leads to it, if there is just one.

    A compatible server's are called <credential>/<model>, and are there while the server lists them.
    """
    known = find_base_model(name)
    if known is not None:
        return known, None
    of, _, model = name.partition("/")
    credential = credentials.named(session, of) if model else None
    if credential is None or credential.provider != COMPATIBLE:
        return None
    found = next((entry for entry in _listed(credential) if entry.id == name), None)
    return None if found is None else (found, credential.id)


def meant(session: Session, name: str) -> str:
    """What to do about a name that begins with a credential's as only those of compatible servers do; else nothing."""
    of, _, model = name.partition("/")
    credential = credentials.named(session, of) if model else None
    if credential is None or credential.provider == COMPATIBLE:
        return ""
    entries = {each: find_base_model(each) for each in (model, f"{credential.provider}/{model}")}
    known = next((each for each, entry in entries.items() if entry and entry.provider == credential.provider), model)
    return (f"'{of}' is a credential for {credential.provider}, whose models are named without it: set 'model' to"
            f" '{known[:256]}' and 'credential' to '{of}'.")


def base_model(session: Session, name: str) -> BaseModelEntry | None:
    """The base model of this name, whoever has it."""
    found = offered(session, name)
    return found[0] if found else None


def listed(session: Session) -> list[BaseModelEntry]:
    """The base models of the project's compatible servers; of two credentials of one name the one that is used."""
    return [entry for credential in credential_queries.compatible(session) for entry in _listed(credential)]


def vanished(name: str, provider: str, *, made: date) -> BaseModelEntry:
    """Stands for a base that is in no list any more, so that what was tuned from it can still be used."""
    return BaseModelEntry(id=name, owned_by=provider, provider=provider, created=made, methods={},
                          context_length=_SUPPOSED_CONTEXT, price=_unknown_price(made), tokenizer="o200k_base")


def _listed(credential: Credential) -> Iterator[BaseModelEntry]:
    """What its server listed when it was last asked; a name that cannot be ours is left out."""
    day = (credential.checked_at or credential.created_at).date()
    for each in credential.models:
        try:
            yield BaseModelEntry(
                id=f"{credential.name}/{each['id']}", owned_by=str(each.get("owned_by") or credential.name)[:256],
                provider=COMPATIBLE, created=day, context_length=_SUPPOSED_CONTEXT,
                methods={"supervised": (), "dpo": ()}, price=_unknown_price(day), tokenizer="o200k_base",
                shutdown_date=_day(each.get("shutdown_date")))
        except (ValidationError, KeyError, TypeError):
            continue


def _unknown_price(day: date) -> Price:
    return Price(source="unknown: the server's operator knows it", as_of=day)


def _day(told: Any) -> date | None:
    try:
        return date.fromisoformat(told)
    except (ValueError, TypeError):
        return None
