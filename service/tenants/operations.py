"""What can be done to organizations, projects, service accounts and keys."""

import re
from datetime import timedelta
from typing import Any

from sqlalchemy import or_, text, update
from sqlalchemy.orm import Session

from service.kit.database import database_now
from service.kit.identifiers import new_id, random_text
from service.tenants import queries
from service.tenants.errors import AccountWithoutRole, LastAdminKey
from service.tenants.keys import ADMIN_PREFIX, PROJECT_PREFIX, key_hash, new_key, redacted
from service.tenants.schemas import ProjectUpdate
from service.tenants.tables import APIKey, AuditEntry, Organization, Project, ServiceAccount

CLI = "cli"
"""The actor of what is done on the command line, where there is no key yet."""


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


def create_project(session: Session, organization_id: str, name: str, *, by: str = CLI) -> Project:
    """A new project; its slug is its name in lower-case letters, digits and hyphens, made unique."""
    session.execute(text("select pg_advisory_xact_lock(hashtext('tuneworks.slugs'))"))  # of two, one must see the other
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:32].strip("-") or "project"
    if queries.project_by_slug(session, slug) is not None:
        slug = f"{slug[:23]}-{random_text(8).lower()}"
    project = Project(id=new_id("proj_"), organization_id=organization_id, name=name, slug=slug)
    session.add(project)
    session.flush()
    audit(session, organization_id=organization_id, actor=by, action="project.created", subject=project.id,
          project_id=project.id, details={"data": {"name": name}})
    return project


def update_project(session: Session, project_id: str, body: ProjectUpdate, *, by: str) -> Project:
    """Raises ProjectNotFound or ProjectArchived. The slug stays, for tuned models carry it in their names."""
    project = queries.active_project(session, project_id)
    changes: dict[str, Any] = {}
    if body.name is not None:
        project.name = changes["title"] = body.name
    if "training_policy" in body.model_fields_set:
        policy = body.training_policy.model_dump() if body.training_policy else None
        project.training_policy = changes["training_policy"] = policy
    if body.spend_thresholds is not None:
        project.spend_thresholds = changes["spend_thresholds"] = sorted(set(body.spend_thresholds))
    if changes:
        audit(session, organization_id=project.organization_id, actor=by, action="project.updated",
              subject=project.id, project_id=project.id, details={"changes_requested": changes})
    return project


def archive_project(session: Session, project_id: str, *, by: str) -> Project:
    """Close a project for good: its keys stop working, and workers cancel its jobs. Twice changes nothing."""
    project = queries.project(session, project_id)
    if project.archived_at is None:
        project.archived_at = database_now(session)
        audit(session, organization_id=project.organization_id, actor=by, action="project.archived",
              subject=project.id, project_id=project.id)
    return project


def create_service_account(session: Session, project: Project, name: str, *, with_key: bool = True,
                           expires_in: timedelta | None = None,
                           by: str = CLI) -> tuple[ServiceAccount, APIKey | None, str]:
    """A service account and its first key; the plain key is returned here and never again."""
    account = ServiceAccount(id=new_id("svc_acct_"), organization_id=project.organization_id,
                             project_id=project.id, name=name, role="member" if with_key else "none")
    session.add(account)
    session.flush()
    audit(session, organization_id=account.organization_id, actor=by, action="service_account.created",
          subject=account.id, project_id=project.id, details={"data": {"role": account.role}})
    if not with_key:
        return account, None, ""
    key, plain = create_account_key(session, account, name, expires_in=expires_in, by=by)
    return account, key, plain


def update_service_account(session: Session, project_id: str, account_id: str, *, name: str | None,
                           role: str | None, by: str) -> ServiceAccount:
    """Change what is given. Raises ProjectNotFound, ProjectArchived or ServiceAccountNotFound."""
    queries.active_project(session, project_id)
    account = queries.service_account(session, project_id, account_id)
    account.name, account.role = name or account.name, role or account.role
    audit(session, organization_id=account.organization_id, actor=by, action="service_account.updated",
          subject=account.id, project_id=project_id, details={"changes_requested": {"role": account.role}})
    return account


def delete_service_account(session: Session, project_id: str, account_id: str, *, by: str) -> ServiceAccount:
    """Remove a service account and revoke its keys. Raises ProjectNotFound or ServiceAccountNotFound."""
    account = queries.service_account(session, project_id, account_id)
    account.deleted_at = database_now(session)
    session.execute(update(APIKey).where(APIKey.service_account_id == account.id, APIKey.revoked_at.is_(None))
                    .values(revoked_at=text("now()")))
    audit(session, organization_id=account.organization_id, actor=by, action="service_account.deleted",
          subject=account.id, project_id=project_id)
    return account


def create_account_key(session: Session, account: ServiceAccount, name: str, *,
                       expires_in: timedelta | None = None, by: str = CLI) -> tuple[APIKey, str]:
    """One more key for a service account, as for a rotation. Raises AccountWithoutRole."""
    if account.role == "none":
        raise AccountWithoutRole(account.id)
    owner = APIKey(organization_id=account.organization_id, project_id=account.project_id, service_account=account)
    return _create_key(session, owner, PROJECT_PREFIX, name, expires_in=expires_in, by=by)


def create_admin_key(session: Session, organization_id: str, name: str, *,
                     expires_in: timedelta | None = None, by: str = CLI) -> tuple[APIKey, str]:
    """A key that may administer the organization; the plain key is returned here and never again."""
    owner = APIKey(organization_id=organization_id)
    return _create_key(session, owner, ADMIN_PREFIX, name, expires_in=expires_in, by=by)


def _create_key(session: Session, key: APIKey, prefix: str, name: str, *, expires_in: timedelta | None,
                by: str) -> tuple[APIKey, str]:
    plain = new_key(prefix)
    key.id, key.name, key.hash, key.redacted_value = new_id("key_"), name, key_hash(plain), redacted(plain)
    key.expires_at = database_now(session) + expires_in if expires_in else None
    session.add(key)
    session.flush()
    audit(session, organization_id=key.organization_id, actor=by, action="api_key.created", subject=key.id,
          project_id=key.project_id)
    return key, plain


def delete_project_key(session: Session, project_id: str, key_id: str, *, by: str) -> APIKey:
    """Raises ProjectNotFound or KeyNotFound."""
    return _revoke(session, queries.project_key(session, project_id, key_id), by=by)


def delete_admin_key(session: Session, key_id: str, *, by: str) -> APIKey:
    """Raises AdminKeyNotFound, or LastAdminKey when nobody could administer the organization any more."""
    session.execute(text("select pg_advisory_xact_lock(hashtext('tuneworks.admin_keys'))"))
    key = queries.admin_key(session, key_id)
    if queries.other_admin_keys(session, key_id) == 0:
        raise LastAdminKey
    return _revoke(session, key, by=by)


def _revoke(session: Session, key: APIKey, *, by: str) -> APIKey:
    key.revoked_at = database_now(session)
    audit(session, organization_id=key.organization_id, actor=by, action="api_key.deleted", subject=key.id,
          project_id=key.project_id)
    return key


def note_use(session: Session, key_id: str) -> None:
    """Record that a key was used, at most once a minute."""
    stale = or_(APIKey.last_used_at.is_(None), APIKey.last_used_at < text("now() - interval '1 minute'"))
    session.execute(update(APIKey).where(APIKey.id == key_id, stale).values(last_used_at=text("now()")))


def audit(session: Session, *, organization_id: str, actor: str, action: str, subject: str,
          project_id: str | None = None, details: dict[str, Any] | None = None) -> None:
    """Append to the audit log in the transaction that does the thing."""
    session.add(AuditEntry(id=new_id("audit_"), organization_id=organization_id, project_id=project_id,
                           actor=actor, action=action, subject=subject, details=details or {}))
