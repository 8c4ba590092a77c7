"""Questions about organizations, projects, service accounts, keys and the audit log."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, or_, select, text
from sqlalchemy.orm import Session

from service.kit.pagination import Order, paginate
from service.tenants.errors import (
    AdminKeyNotFound,
    KeyNotFound,
    ProjectArchived,
    ProjectNotFound,
    ServiceAccountNotFound,
)
from service.tenants.tables import APIKey, AuditEntry, Organization, Project, ServiceAccount


def recognise(session: Session, digest: bytes) -> Any:
    """The live key with this SHA-256 as a row (key_id, organization_id, project_id, slug, …), or None."""
    return session.execute(text("select * from authenticate_key(:digest)"), {"digest": digest}).one_or_none()


def first_organization_id(session: Session) -> str | None:
    found: str | None = session.execute(text("select first_organization()")).scalar()
    return found


def organization(session: Session) -> Organization:
    """The organization of this transaction."""
    return session.scalars(select(Organization)).one()


def project_by_slug(session: Session, slug: str) -> Project | None:
    return session.scalar(select(Project).where(Project.slug == slug))


def project(session: Session, project_id: str) -> Project:
    """The project with this id, archived or not. Raises ProjectNotFound."""
    found = session.scalar(select(Project).where(Project.id == project_id))
    if found is None:
        raise ProjectNotFound(project_id)
    return found


def active_project(session: Session, project_id: str) -> Project:
    """The project, which must take changes. Raises ProjectNotFound or ProjectArchived."""
    found = project(session, project_id)
    if found.archived_at:
        raise ProjectArchived(project_id)
    return found


def project_ids(session: Session) -> Sequence[str]:
    """All projects of the transaction's organization, archived ones too, always in one order."""
    return session.scalars(select(Project.id).order_by(Project.id)).all()


def projects(session: Session, *, include_archived: bool, after: str | None,
             limit: int) -> tuple[Sequence[Project], bool]:
    query = select(Project) if include_archived else select(Project).where(Project.archived_at.is_(None))
    return paginate(session, query, Project, after=after, limit=limit)


def _accounts(session: Session, project_id: str) -> Select[ServiceAccount]:
    found = project(session, project_id)
    return select(ServiceAccount).where(ServiceAccount.project_id == found.id, ServiceAccount.deleted_at.is_(None))


def service_account(session: Session, project_id: str, account_id: str) -> ServiceAccount:
    """Raises ProjectNotFound or ServiceAccountNotFound."""
    found = session.scalar(_accounts(session, project_id).where(ServiceAccount.id == account_id))
    if found is None:
        raise ServiceAccountNotFound(account_id)
    return found


def service_accounts(session: Session, project_id: str, *, after: str | None,
                     limit: int) -> tuple[Sequence[ServiceAccount], bool]:
    return paginate(session, _accounts(session, project_id), ServiceAccount, after=after, limit=limit)


def _project_keys(session: Session, project_id: str) -> Select[APIKey]:
    found = project(session, project_id)
    return select(APIKey).where(APIKey.project_id == found.id, APIKey.revoked_at.is_(None))


def project_key(session: Session, project_id: str, key_id: str) -> APIKey:
    """Raises ProjectNotFound or KeyNotFound."""
    found = session.scalar(_project_keys(session, project_id).where(APIKey.id == key_id))
    if found is None:
        raise KeyNotFound(key_id)
    return found


def project_keys(session: Session, project_id: str, *, access: str, after: str | None,
                 limit: int) -> tuple[Sequence[APIKey], bool]:
    """One page of the project's keys; `access` is active, inactive or any, as `owner_project_access` says."""
    query = _project_keys(session, project_id)
    if access != "any":
        has_role = APIKey.service_account.has(ServiceAccount.role != "none")
        query = query.where(has_role if access == "active" else ~has_role)
    return paginate(session, query, APIKey, after=after, limit=limit)


def _admin_keys() -> Select[APIKey]:
    return select(APIKey).where(APIKey.project_id.is_(None), APIKey.revoked_at.is_(None))


def admin_key(session: Session, key_id: str) -> APIKey:
    """Raises AdminKeyNotFound."""
    found = session.scalar(_admin_keys().where(APIKey.id == key_id))
    if found is None:
        raise AdminKeyNotFound(key_id)
    return found


def admin_keys(session: Session, *, after: str | None, limit: int, order: Order) -> tuple[Sequence[APIKey], bool]:
    return paginate(session, _admin_keys(), APIKey, after=after, limit=limit, order=order)


def other_admin_keys(session: Session, key_id: str) -> int:
    """How many admin keys besides this one open the door today."""
    alive = or_(APIKey.expires_at.is_(None), APIKey.expires_at > func.now())
    rest = _admin_keys().where(APIKey.id != key_id, alive).subquery()
    return session.scalar(select(func.count()).select_from(rest)) or 0


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which entries to list; an empty tuple asks nothing. Both times are Unix seconds and belong to the range."""

    types: tuple[str, ...]
    projects: tuple[str, ...]
    actors: tuple[str, ...]
    subjects: tuple[str, ...]
    since: int
    until: int


def audit_entries(session: Session, wanted: AuditFilter, *, after: str | None,
                  limit: int) -> tuple[Sequence[AuditEntry], bool]:
    """One page of the audit log, newest first."""
    second = func.floor(func.extract("epoch", AuditEntry.created_at))
    query = select(AuditEntry).where(second.between(wanted.since, wanted.until))
    for column, values in ((AuditEntry.action, wanted.types), (AuditEntry.project_id, wanted.projects),
                           (AuditEntry.actor, wanted.actors), (AuditEntry.subject, wanted.subjects)):
        if values:
            query = query.where(column.in_(values))
    return paginate(session, query, AuditEntry, after=after, limit=limit)
