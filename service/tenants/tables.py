"""Rows of organizations, projects, service accounts and API keys."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.kit.database import Base, Positioned


class Organization(Positioned, Base):
    __tablename__ = "organizations"

    name: Mapped[str]


class Project(Positioned, Base):
    __tablename__ = "projects"
    __table_args__ = (UniqueConstraint("organization_id", "slug"),)

    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id"), index=True)
    name: Mapped[str]
    slug: Mapped[str]
    "The project's part in the names of its tuned models: lower-case letters, digits and hyphens."
    archived_at: Mapped[datetime | None]
    training_policy: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    "What data must have passed before a job may train on it; null when everything may."
    spend_thresholds: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    "Micro-dollars a month, ascending: others are told when one is reached; see service/usage/operations.py."

    @property
    def status(self) -> str:
        return "archived" if self.archived_at else "active"


class ServiceAccount(Positioned, Base):
    __tablename__ = "service_accounts"
    __table_args__ = (CheckConstraint("role in ('owner', 'member', 'none')", name="role"),)

    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id"), index=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"), index=True)
    name: Mapped[str]
    role: Mapped[str] = mapped_column(server_default="member")
    deleted_at: Mapped[datetime | None]


class APIKey(Positioned, Base):
    """A project key (has a service account) or an admin key of the organization (has none)."""

    __tablename__ = "api_keys"
    __table_args__ = (CheckConstraint("(project_id is null) = (service_account_id is null)", name="owner"),)

    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id"), index=True)
    project_id: Mapped[str | None] = mapped_column(ForeignKey("projects.id"), index=True)
    service_account_id: Mapped[str | None] = mapped_column(ForeignKey("service_accounts.id"), index=True)
    name: Mapped[str]
    hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    "SHA-256 of the whole key; 190 random bits need no slow hash. Looked up only by authenticate_key()."
    redacted_value: Mapped[str]
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    service_account: Mapped[ServiceAccount | None] = relationship(lazy="joined")
    organization: Mapped[Organization] = relationship(lazy="joined")

    @property
    def owner(self) -> object:
        """Whose the key is, as the wire shows it: a service account's, or the organization's own."""
        return {"service_account": self.service_account} if self.service_account else self.organization

    @property
    def owner_project_access(self) -> str:
        """active: the key's service account has a role in the project."""
        account = self.service_account
        return "inactive" if account is None or account.deleted_at or account.role == "none" else "active"


class AuditEntry(Positioned, Base):
    """Who did what: append-only, one row per administrative act."""

    __tablename__ = "audit_entries"

    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id"), index=True)
    project_id: Mapped[str | None] = mapped_column(ForeignKey("projects.id"))
    actor: Mapped[str]
    "Id of the key that acted, or 'cli'."
    action: Mapped[str]
    subject: Mapped[str]
    details: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
