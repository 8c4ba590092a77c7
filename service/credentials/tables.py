"""Rows of credentials and of the data keys that their secrets are encrypted with."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from service.kit.database import Base, Positioned

_LIVE = "deleted_at is null and project_id is {}"
_CURRENT = "retired_at is null and project_id is {}"


class DataKey(Positioned, Base):
    """A key for the secrets of one project, or of the organization itself; it leaves the process wrapped only."""

    __tablename__ = "data_keys"
    __table_args__ = (
        Index("uq_data_keys_project", "project_id", unique=True, postgresql_where=text(_CURRENT.format("not null"))),
        Index("uq_data_keys_organization", "organization_id", unique=True,
              postgresql_where=text(_CURRENT.format("null"))),
    )

    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id"), index=True)
    project_id: Mapped[str | None] = mapped_column(ForeignKey("projects.id"), index=True)
    "None for the key of what belongs to the organization as a whole."
    wrapped: Mapped[bytes] = mapped_column(LargeBinary)
    kek: Mapped[str]
    "Name of the key-encryption key that it is wrapped with."
    retired_at: Mapped[datetime | None]
    "Nothing new is encrypted with it from then on; it goes when nothing old is left."


class Credential(Positioned, Base):
    """A key to a server that trains or answers for us; a project's, or the whole organization's (no project)."""

    __tablename__ = "credentials"
    __table_args__ = (
        Index("uq_credentials_project_name", "project_id", "name", unique=True,
              postgresql_where=text(_LIVE.format("not null"))),
        Index("uq_credentials_organization_name", "organization_id", "name", unique=True,
              postgresql_where=text(_LIVE.format("null"))),
        CheckConstraint("provider in ('openai', 'azure', 'compatible', 'bedrock')", name="provider"),
        CheckConstraint("status in ('unchecked', 'valid', 'refused', 'unreachable')", name="status"),
    )

    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id"), index=True)
    project_id: Mapped[str | None] = mapped_column(ForeignKey("projects.id"), index=True)
    "None where every project of the organization may use it."
    provider: Mapped[str]
    name: Mapped[str]
    base_url: Mapped[str | None]
    options: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    "What the provider needs besides the secret; nothing in it is secret. See service/credentials/schemas.py."
    data_key_id: Mapped[str | None] = mapped_column(ForeignKey("data_keys.id"), index=True)
    "None once it is deleted."
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    "Encrypted; empty once it is deleted."
    hint: Mapped[str] = mapped_column(server_default="")
    "The last four characters of the secret, all that is ever shown of it."
    webhook_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    "Encrypted: what the provider signs its webhooks with."
    status: Mapped[str] = mapped_column(server_default="unchecked")
    status_details: Mapped[str | None]
    checked_at: Mapped[datetime | None]
    models: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    "What its server listed when it was last checked: {id, owned_by, shutdown_date}."
    created_by: Mapped[str]
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    deleted_at: Mapped[datetime | None]

    @property
    def is_shared(self) -> bool:
        """Whether it belongs to the whole organization."""
        return self.project_id is None

    @property
    def scope(self) -> str:
        return "organization" if self.is_shared else "project"

    @property
    def works(self) -> bool:
        """Whether nothing is known against it."""
        return self.deleted_at is None and self.status in {"valid", "unchecked"}

    @property
    def has_webhook_secret(self) -> bool:
        return self.webhook_secret is not None
