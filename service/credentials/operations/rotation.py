"""Changing keys under what is stored: the KEK around data keys, and the data keys themselves.

Every step is a transaction of its own that leaves everything readable, so that a change which is cut off is taken up
by starting it again. Run in the scope of an organization.
"""

from collections.abc import Sequence

from sqlalchemy import delete, exists, select
from sqlalchemy.orm import Session

from service.credentials.operations.sealing import (
    SECRET,
    WEBHOOK_SECRET,
    Owner,
    current_key,
    hide,
    opened,
    reveal,
    wrap_anew,
)
from service.credentials.tables import Credential, DataKey
from service.kit import keyring
from service.kit.database import database_now


def keks_in_use(session: Session) -> Sequence[str]:
    """Names of the KEKs without which something stored could not be read."""
    return session.scalars(select(DataKey.kek).distinct().order_by(DataKey.kek)).all()


def next_to_rewrap(session: Session, *, but: Sequence[str] = ()) -> str | None:
    """A data key that another KEK than the current one wraps; `but` names those that are to be left out."""
    return session.scalar(select(DataKey.id).where(
        DataKey.kek != keyring.keyring().current.name, DataKey.id.not_in(but)).order_by(DataKey.position).limit(1))


def rewrap(session: Session, data_key_id: str) -> None:
    """Wrap a data key with the current KEK; doing it twice is doing it once. Raises EncryptionUnavailable."""
    row = session.scalar(select(DataKey).where(DataKey.id == data_key_id).with_for_update())
    if row is not None and row.kek != keyring.keyring().current.name:
        wrap_anew(row)
        session.flush()


def retire(session: Session) -> int:
    """From now on nothing is encrypted with the data keys that there are; how many they were."""
    rows = session.scalars(select(DataKey).where(DataKey.retired_at.is_(None)).with_for_update()).all()
    for row in rows:
        row.retired_at = database_now(session)
    session.flush()
    return len(rows)


def next_to_reencrypt(session: Session, *, but: Sequence[str] = ()) -> str | None:
    """A credential whose secrets are encrypted with a retired data key."""
    return session.scalar(select(Credential.id).join(DataKey, DataKey.id == Credential.data_key_id)
                          .where(DataKey.retired_at.is_not(None), Credential.id.not_in(but))
                          .order_by(Credential.position).limit(1))


def reencrypt(session: Session, credential_id: str) -> None:
    """Encrypt a credential's secrets with its owner's current data key. Raises EncryptionUnavailable."""
    row = session.scalar(select(Credential).where(Credential.id == credential_id).with_for_update())
    if row is None or row.data_key_id is None:
        return
    owner, former = Owner.of(row), opened(session.get_one(DataKey, row.data_key_id))
    key_id, key = current_key(session, owner)
    row.secret = hide(key, owner, row.id, SECRET, reveal(former, owner, row.id, SECRET, row.secret))
    if row.webhook_secret is not None:
        signing = reveal(former, owner, row.id, WEBHOOK_SECRET, row.webhook_secret)
        row.webhook_secret = hide(key, owner, row.id, WEBHOOK_SECRET, signing)
    row.data_key_id = key_id
    session.flush()


def destroy_retired(session: Session) -> int:
    """Delete the retired data keys under which nothing is left, so that no old copy of a row can be read again."""
    used = exists().where(Credential.data_key_id == DataKey.id)
    return session.connection().execute(
        delete(DataKey).where(DataKey.retired_at.is_not(None), ~used)).rowcount
