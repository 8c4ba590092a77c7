"""Questions about credentials and data keys."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, or_, select, text
from sqlalchemy.orm import Session

from service.credentials.errors import CredentialNotFound, SharedCredential
from service.credentials.tables import Credential, DataKey
from service.kit.pagination import paginate


def _live() -> Select[Credential]:
    return select(Credential).where(Credential.deleted_at.is_(None))


def credential(session: Session, credential_id: str, *, lock: bool = False) -> Credential:
    """A credential that a project may use: its own or its organization's. Raises CredentialNotFound."""
    found = _one(session, _live().where(Credential.id == credential_id), lock=lock)
    if found is None:
        raise CredentialNotFound(credential_id)
    return found


def _one(session: Session, query: Select[Credential], *, lock: bool) -> Credential | None:
    """With a lock, the row as it is now."""
    return session.scalar(query.with_for_update(), execution_options={"populate_existing": True}) if lock else \
        session.scalar(query)


def works(session: Session, credential_id: str) -> bool:
    """Whether it is there, and nothing is known against it."""
    found = _one(session, _live().where(Credential.id == credential_id), lock=False)
    return found is not None and found.works


def deleted(session: Session, provider: str) -> Sequence[Credential]:
    """What the transaction's tenant had for this provider, and has no more."""
    return session.scalars(select(Credential).where(Credential.provider == provider,
                                                    Credential.deleted_at.is_not(None))).all()


def is_deleted(session: Session, credential_id: str) -> bool:
    return session.scalar(select(Credential.id).where(Credential.id == credential_id,
                                                      Credential.deleted_at.is_not(None))) is not None


def keep(session: Session, credential_id: str) -> bool:
    """Whether it is there still; if so, nobody deletes it before the transaction ends."""
    return session.scalar(select(Credential.id).where(Credential.id == credential_id, Credential.deleted_at.is_(None))
                          .with_for_update(read=True)) is not None


def with_data_key(session: Session, credential_id: str) -> tuple[Credential, DataKey]:
    """A credential and the data key it is encrypted with, both as of one moment, though keys be changed meanwhile.

    Raises CredentialNotFound.
    """
    query = (select(Credential, DataKey).join(DataKey, DataKey.id == Credential.data_key_id)
             .where(Credential.id == credential_id, Credential.deleted_at.is_(None)))
    found = session.execute(query.execution_options(populate_existing=True)).one_or_none()
    if found is None:
        raise CredentialNotFound(credential_id)
    return found[0], found[1]


def shared_credential(session: Session, credential_id: str, *, lock: bool = False) -> Credential:
    """A credential of the whole organization. Raises CredentialNotFound, for a project's too."""
    query = _live().where(Credential.id == credential_id, Credential.project_id.is_(None))
    found = _one(session, query, lock=lock)
    if found is None:
        raise CredentialNotFound(credential_id)
    return found


def own_credential(session: Session, credential_id: str, *, lock: bool = False) -> Credential:
    """A credential that a project may change. Raises CredentialNotFound or SharedCredential."""
    found = credential(session, credential_id, lock=lock)
    if found.is_shared:
        raise SharedCredential(credential_id)
    return found


def credentials(session: Session, *, shared_only: bool = False, provider: str | None = None, after: str | None,
                limit: int) -> tuple[Sequence[Credential], bool]:
    """One page, newest first, and whether more follow."""
    query = _live().where(Credential.project_id.is_(None)) if shared_only else _live()
    if provider is not None:
        query = query.where(Credential.provider == provider)
    return paginate(session, query, Credential, after=after, limit=limit)


def candidates(session: Session, provider: str, wanted: str | None) -> Sequence[Credential]:
    """Those for `provider`, or those of them that `wanted` names by id or name: a project's own first, then newest."""
    query = _live().where(Credential.provider == provider)
    if wanted is not None:
        query = query.where(or_(Credential.id == wanted, Credential.name == wanted))
    return session.scalars(query.order_by(Credential.project_id.is_(None), Credential.position.desc())).all()


def named(session: Session, name: str) -> Credential | None:
    query = _live().where(Credential.name == name)
    return session.scalar(query.order_by(Credential.project_id.is_(None), Credential.position.desc()).limit(1))


def compatible(session: Session) -> Sequence[Credential]:
    """Those for compatible servers; of two with one name, the project's own, which is the one that is used."""
    found = candidates(session, "compatible", None)
    first = {each.name: each for each in reversed(found)}
    return [each for each in found if first[each.name] is each]


def current_data_key(session: Session, organization_id: str, project_id: str | None) -> DataKey | None:
    """Held until the transaction ends, so that nobody retires it under what is being encrypted with it."""
    owner = DataKey.project_id.is_(None) if project_id is None else DataKey.project_id == project_id
    return session.scalar(select(DataKey).where(DataKey.organization_id == organization_id, owner,
                                                DataKey.retired_at.is_(None)).with_for_update(read=True))


def signing(session: Session, credential_id: str) -> Any:
    """What the webhooks of this credential are checked with, as a row, or None; needs no tenant."""
    return session.execute(text("select * from credential_signing(:id)"), {"id": credential_id}).one_or_none()


def oldest_project(session: Session) -> str | None:
    """A project of the transaction's organization that work can be done for."""
    found: str | None = session.execute(text(
        "select id from projects where organization_id = current_setting('app.organization_id', true)"
        " and archived_at is null order by position limit 1")).scalar()
    return found
