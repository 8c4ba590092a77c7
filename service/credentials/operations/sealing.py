"""Data keys: one per project and one for what its organization shares, made when first needed, never stored bare."""

import logging
from dataclasses import dataclass
from typing import Self

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.credentials import queries
from service.credentials.tables import Credential, DataKey
from service.kit import keyring
from service.kit.database import database_now
from service.kit.encryption import CannotOpen, UnknownKey, new_data_key, seal, unseal
from service.kit.identifiers import new_id

_log = logging.getLogger(__name__)
SECRET, WEBHOOK_SECRET, _DATA_KEY = "secret", "webhook-secret", "data-key"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a data key is: a project's, or the organization's own."""

    organization_id: str
    project_id: str | None

    @classmethod
    def of(cls, row: Credential | DataKey) -> Self:
        return cls(row.organization_id, row.project_id)

    def context(self, row_id: str, purpose: str) -> str:
        """What a ciphertext is bound to: it opens for this tenant, this row and this purpose only."""
        return f"{self.organization_id}/{self.project_id or '-'}/{row_id}/{purpose}"


def current_key(session: Session, owner: Owner) -> tuple[str, bytes]:
    """The owner's data key and its id; made now if there is none that opens. Raises EncryptionUnavailable."""
    row = queries.current_data_key(session, owner.organization_id, owner.project_id)
    if row is not None:
        try:
            return row.id, opened(row)
        except (CannotOpen, UnknownKey) as lost:  # what it protects may be lost, what comes next need not be
            _log.warning("data key %s is retired, for it does not open: %s", row.id, lost)
            row.retired_at = database_now(session)
            session.flush()
    _make(session, owner)
    row = queries.current_data_key(session, owner.organization_id, owner.project_id)
    assert row is not None
    return row.id, opened(row)


def _make(session: Session, owner: Owner) -> None:
    """A data key for the owner, unless another transaction has just made one."""
    kek, key_id = keyring.keyring().current, new_id("dkey_")
    wrapped = kek.wrap(new_data_key(), owner.context(key_id, _DATA_KEY))
    session.execute(insert(DataKey).values(
        id=key_id, organization_id=owner.organization_id, project_id=owner.project_id, wrapped=wrapped, kek=kek.name,
    ).on_conflict_do_nothing())


def opened(row: DataKey) -> bytes:
    """The data key of a row, bare."""
    return unwrapped(Owner.of(row), row.id, row.kek, row.wrapped)


def unwrapped(owner: Owner, key_id: str, kek: str, wrapped: bytes) -> bytes:
    """Raises EncryptionUnavailable."""
    return keyring.unwrap(kek, wrapped, owner.context(key_id, _DATA_KEY))


def wrap_anew(row: DataKey) -> None:
    """Wrap the same data key with the current KEK."""
    kek = keyring.keyring().current
    row.wrapped, row.kek = kek.wrap(opened(row), Owner.of(row).context(row.id, _DATA_KEY)), kek.name


def hide(key: bytes, owner: Owner, credential_id: str, purpose: str, content: str) -> bytes:
    """A secret as its credential's row keeps it."""
    return seal(key, content.encode(), owner.context(credential_id, purpose))


def reveal(key: bytes, owner: Owner, credential_id: str, purpose: str, sealed: bytes) -> str:
    """Raises CannotOpen."""
    return unseal(key, sealed, owner.context(credential_id, purpose)).decode()
