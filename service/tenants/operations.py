"""What can be done to organizations, projects, service accounts and keys."""

import re
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, text, update
from sqlalchemy.orm import Session

from service.kit.database import database_now
from service.kit.identifiers import new_id, random_text
from service.tenants import queries
from service.tenants.keys import ADMIN_PREFIX, PROJECT_PREFIX, key_hash, new_key, redacted
from service.tenants.tables import APIKey, AuditEntry, Organization, Project, ServiceAccount


def bootstrap(session: Session, name: str) -> Organization:
    """The house's organization, made on the first start; afterwards the one that is there."""
    session.execute(text("select pg_advisory_xact_lock(hashtext('tuneworks.bootstrap'))"))
    organization_id = queries.first_organization_id(session)
    fresh = organization_id is None
    organization_id = organization_id or new_id("org-")
    session.execute(text("select set_config('app.organization_id', :id, true)"), {"id": organization_id})
    if fresh:
        session.add(Organization(id=organization_id, name=name))
        session.flush()
    return queries.organization(session)


def create_project(session: Session, organization_id: str, name: str) -> Project:
    """A new project; its slug is its name in lower-case letters, digits and hyphens, made unique."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:32] or "project"
    if queries.project_by_slug(session, slug) is not None:
        slug = f"{slug[:27]}-{random_text(4).lower()}"
    project = Project(id=new_id("proj_"), organization_id=organization_id, name=name, slug=slug)
    session.add(project)
    session.flush()
    return project


def create_service_account(session: Session, project: Project, name: str, *, with_key: bool = True,
                           expires_in: timedelta | None = None) -> tuple[ServiceAccount, APIKey | None, str]:
    """A service account and its first key; the plain key is returned here and never again."""
    account = ServiceAccount(id=new_id("svc_acct_"), organization_id=project.organization_id,
                             project_id=project.id, name=name, role="member" if with_key else "none")
    session.add(account)
    session.flush()
    if not with_key:
        return account, None, ""
    key, plain = _create_key(session, PROJECT_PREFIX, name, organization_id=project.organization_id,
                             project_id=project.id, service_account_id=account.id, expires_in=expires_in)
    return account, key, plain


def create_admin_key(session: Session, organization_id: str, name: str, *,
                     expires_in: timedelta | None = None) -> tuple[APIKey, str]:
    """A key that may administer the organization; the plain key is returned here and never again."""
    return _create_key(session, ADMIN_PREFIX, name, organization_id=organization_id, expires_in=expires_in)


def _create_key(session: Session, prefix: str, name: str, *, organization_id: str, project_id: str | None = None,
                service_account_id: str | None = None,
                expires_in: timedelta | None = None) -> tuple[APIKey, str]:
    plain = new_key(prefix)
    expires_at: datetime | None = database_now(session) + expires_in if expires_in else None
    key = APIKey(id=new_id("key_"), organization_id=organization_id, project_id=project_id,
                 service_account_id=service_account_id, name=name, hash=key_hash(plain),
                 redacted_value=redacted(plain), expires_at=expires_at)
    session.add(key)
    session.flush()
    return key, plain


def note_use(session: Session, key_id: str) -> None:
    """Record that a key was used, at most once a minute."""
    stale = or_(APIKey.last_used_at.is_(None), APIKey.last_used_at < text("now() - interval '1 minute'"))
    session.execute(update(APIKey).where(APIKey.id == key_id, stale).values(last_used_at=text("now()")))


def audit(session: Session, *, organization_id: str, actor: str, action: str, subject: str,
          project_id: str | None = None, details: dict[str, Any] | None = None) -> None:
    """Append to the audit log in the transaction that does the thing."""
    session.add(AuditEntry(id=new_id("audit_"), organization_id=organization_id, project_id=project_id,
                           actor=actor, action=action, subject=subject, details=details or {}))
