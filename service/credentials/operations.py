"""What can be done with credentials: choose one, open it, note how it was answered.

A secret is readable in an OpenCredential only, which shows it to nobody who prints, logs or compares it. Open one in
a transaction, use it after: nothing here waits for a server.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.orm import Session

from service.credentials.tables import Credential


@dataclass(frozen=True, slots=True)
class OpenCredential:
    """A credential with its secrets readable, for as long as one piece of work needs it."""

    id: str
    provider: str
    base_url: str | None
    options: dict[str, Any]
    secret: str = field(repr=False)
    organization_id: str
    project_id: str | None = None
    "None where it belongs to the whole organization."
    session_token: str | None = field(default=None, repr=False)
    "Of temporary AWS keys."
    webhook_secret: str | None = field(default=None, repr=False)
    "As the provider shows it, mostly whsec_… ."


def choose(session: Session, provider: str, wanted: str | None) -> Credential:
    """The credential for `provider` that a project asks for by id or name, or else its newest that works.

    A project's own come before its organization's. Raises UnknownCredential or NoCredential (400, param `credential`).
    """
    raise NotImplementedError


def named(session: Session, name: str) -> Credential | None:
    """The live credential of this name, the project's own before its organization's."""
    raise NotImplementedError


def open_credential(session: Session, credential_id: str) -> OpenCredential:
    """Raises CredentialNotFound (a deleted one is not found), or EncryptionUnavailable."""
    raise NotImplementedError


def record_check(session: Session, credential_id: str, *, status: str, details: str | None,
                 models: Sequence[Any] | None = None) -> None:
    """Note how its server answered: 'valid', 'refused' or 'unreachable', and what it lists, if that was asked.

    Says CREDENTIAL_FAILING or CREDENTIAL_RECOVERED once, when that changed. A deleted credential is left alone.
    `models` are worker.providers.remote.RemoteModel or alike: id, owned_by, shutdown_date.
    """
    raise NotImplementedError


def failing(session: Session, credential_id: str, details: str) -> None:
    """Its server refused it (401, 403) while something else was asked."""
    record_check(session, credential_id, status="refused", details=details)


@dataclass(frozen=True, slots=True)
class Signing:
    """What a provider's webhook at one credential is checked with."""

    credential_id: str
    organization_id: str
    project_id: str | None
    "None where it belongs to the whole organization: any of its projects' jobs may be meant."
    keys: tuple[bytes, ...] = field(repr=False)


def webhook_keys(session: Session, credential_id: str) -> Signing | None:
    """The keys that sign webhooks for this credential; None where there are none, for whatever reason.

    Needs no tenant: works in the scope NOBODY, since whoever calls is known by the signature only.
    """
    raise NotImplementedError
