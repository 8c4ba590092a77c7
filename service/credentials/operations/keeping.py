"""Storing, changing and deleting credentials; every one of these is in the audit log, without the secret."""

import json
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.credentials.errors import MissingBaseURL, NameTaken, ReservedName, SecretNeeded, UnfitField
from service.credentials.operations.checking import ask_for_check
from service.credentials.operations.sealing import SECRET, WEBHOOK_SECRET, Owner, current_key, hide, opened, reveal
from service.credentials.schemas import CredentialCreate, CredentialUpdate, checked_options, given, plain
from service.credentials.tables import Credential, DataKey
from service.kit.database import database_now
from service.kit.identifiers import new_id
from service.tenants.operations import audit

_NEEDS_BASE_URL = frozenset({"azure", "compatible"})
_RESERVED = frozenset({"local", "openai", "azure", "compatible", "bedrock"})
_SHORT = 12
"""Of a secret shorter than this, four characters would be too much to show."""


def create(session: Session, owner: Owner, body: CredentialCreate, *, by: str) -> Credential:
    """Keep a new credential and have it checked; its base URL has been looked at by the caller.

    Raises InvalidRequest, NameTaken or EncryptionUnavailable.
    """
    _fits(body.provider, body.name, session_token=body.session_token is not None)
    base_url = _address(body.provider, body.base_url)
    key_id, key = current_key(session, owner)
    row = Credential(id=new_id("cred_"), organization_id=owner.organization_id, project_id=owner.project_id,
                     provider=body.provider, name=body.name, base_url=base_url, data_key_id=key_id, created_by=by,
                     options=checked_options(body.provider, body.options))
    _keep_secret(row, key, plain(body.secret), plain(body.session_token))
    _keep_webhook_secret(row, key, plain(body.webhook_secret))
    session.add(row)
    _flush(session, body.name)
    _note(session, row, "created", by, {"provider": row.provider, "name": row.name})
    ask_for_check(session, row)
    return row


def update(session: Session, row: Credential, body: CredentialUpdate, *, by: str) -> Credential:
    """Change what is given; it is locked, and the caller has asked before for it to be checked again.

    Raises as `create` does, and SecretNeeded.
    """
    _fits(row.provider, body.name or row.name, session_token=body.session_token is not None)
    moved = given(body, "base_url") and body.base_url != row.base_url
    if body.secret is None and (moved or body.session_token is not None):
        raise SecretNeeded
    if body.secret is not None or given(body, "webhook_secret"):
        _change_secrets(session, row, body)
    row.updated_at = database_now(session)
    if body.options is not None:
        row.options = checked_options(row.provider, body.options)
    if moved:
        row.base_url = _address(row.provider, body.base_url)
    if body.secret is not None:  # what is known is of the former one
        row.status, row.status_details, row.checked_at = "unchecked", None, None
    row.name = body.name or row.name
    _flush(session, row.name)
    _note(session, row, "updated", by, {"changed": sorted(body.model_fields_set)})
    return row


def delete(session: Session, row: Credential, *, by: str, left: dict[str, Any] | None = None) -> Credential:
    """Forget the secrets for good; the row stays for what was done with it. `left` is what its server keeps of ours."""
    row.deleted_at = database_now(session)
    row.secret, row.webhook_secret, row.data_key_id, row.hint, row.models = b"", None, None, "", []
    _note(session, row, "deleted", by, left or {})
    session.flush()
    return row


def _change_secrets(session: Session, row: Credential, body: CredentialUpdate) -> None:
    """Whatever changes, both secrets end under the owner's current data key; what goes need not be readable."""
    owner, former_id = Owner.of(row), row.data_key_id
    key_id, key = current_key(session, owner)

    def kept(purpose: str, sealed: bytes) -> bytes:
        if former_id == key_id:
            return sealed
        former = opened(session.get_one(DataKey, former_id))
        return hide(key, owner, row.id, purpose, reveal(former, owner, row.id, purpose, sealed))

    if body.secret is not None:
        _keep_secret(row, key, plain(body.secret), plain(body.session_token))
    else:
        row.secret = kept(SECRET, row.secret)
    if given(body, "webhook_secret"):
        _keep_webhook_secret(row, key, plain(body.webhook_secret))
    elif row.webhook_secret is not None:
        row.webhook_secret = kept(WEBHOOK_SECRET, row.webhook_secret)
    row.data_key_id = key_id


def _keep_secret(row: Credential, key: bytes, secret: str, session_token: str | None) -> None:
    content = json.dumps({"secret": secret, **({"session_token": session_token} if session_token else {})})
    row.secret = hide(key, Owner.of(row), row.id, SECRET, content)
    row.hint = secret[-4:] if len(secret) >= _SHORT else ""


def _keep_webhook_secret(row: Credential, key: bytes, secret: str | None) -> None:
    row.webhook_secret = hide(key, Owner.of(row), row.id, WEBHOOK_SECRET, secret) if secret else None


def _address(provider: str, base_url: str | None) -> str | None:
    if base_url is None and provider in _NEEDS_BASE_URL:
        raise MissingBaseURL(provider)
    return base_url


def _fits(provider: str, name: str, *, session_token: bool) -> None:
    if provider == "compatible" and name.lower() in _RESERVED:
        raise ReservedName(name)
    if session_token and provider != "bedrock":
        raise UnfitField("session_token", provider)


def _flush(session: Session, name: str) -> None:
    try:
        session.flush()
    except IntegrityError as taken:
        raise NameTaken(name) from taken


def _note(session: Session, row: Credential, what: str, by: str, details: dict[str, Any]) -> None:
    audit(session, organization_id=row.organization_id, project_id=row.project_id, actor=by,
          action=f"credential.{what}", subject=row.id, details=details)
