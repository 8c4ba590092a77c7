"""Questions about organizations, projects, service accounts and keys."""

from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from service.tenants.tables import Organization, Project


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
