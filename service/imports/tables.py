"""Rows of imports: how far each is, what it found at the server, and what it could not bring home."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.kit.database import Base, Positioned, Tenanted


class Import(Tenanted, Positioned, Base):
    """One reading of everything that a server keeps for one credential. Only its worker moves it on."""

    __tablename__ = "imports"
    __table_args__ = (
        CheckConstraint("status in ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="status"),
        CheckConstraint("stage in ('files', 'jobs', 'models', 'contents', 'histories', 'done')", name="stage"),
        Index("uq_imports_open", "project_id", "credential_id", unique=True,
              postgresql_where=text("status in ('queued', 'running') and not dry_run")),
    )

    credential_id: Mapped[str]
    provider: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="queued")
    stage: Mapped[str] = mapped_column(server_default="files")
    dry_run: Mapped[bool] = mapped_column(server_default=text("false"))
    "Only list what there is."
    cursor: Mapped[str | None]
    "Where the list that is being read goes on; null at its beginning."
    counts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    "Of each kind: found, imported, present, problems; see service/imports/operations/counting.py."
    waits: Mapped[int] = mapped_column(server_default=text("0"))
    "How often the server had no answer since it last gave one."
    status_details: Mapped[str | None] = mapped_column(Text)
    "Why it waits, while it does."
    error: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    created_by: Mapped[str | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class ImportItem(Tenanted, Positioned, Base):
    """One object of the server: listed once, then read once. What is done is never asked for again."""

    __tablename__ = "import_items"
    __table_args__ = (
        UniqueConstraint("project_id", "import_id", "kind", "remote_id"),
        CheckConstraint("kind in ('file', 'job', 'model')", name="kind"),
        CheckConstraint("state in ('pending', 'imported', 'present', 'problem')", name="state"),
        Index("ix_import_items_next", "import_id", "kind", "state", "position"),
    )

    import_id: Mapped[str] = mapped_column(ForeignKey("imports.id"))
    kind: Mapped[str]
    remote_id: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="pending")
    body: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    "What the list told of it."
    row_id: Mapped[str | None]
    "Id of what it became here."
    steps: Mapped[int] = mapped_column(server_default=text("0"))
    "Of a job: 1 once its events are here, 2 once its checkpoints are."
    tries: Mapped[int] = mapped_column(server_default=text("0"))


class ImportProblem(Tenanted, Positioned, Base):
    """Something that could not be brought home, or not as it was, and why."""

    __tablename__ = "import_problems"
    __table_args__ = (
        UniqueConstraint("project_id", "import_id", "kind", "remote_id", "code"),
        CheckConstraint("kind in ('file', 'job', 'model')", name="kind"),
    )

    import_id: Mapped[str] = mapped_column(ForeignKey("imports.id"))
    kind: Mapped[str]
    remote_id: Mapped[str]
    code: Mapped[str]
    reason: Mapped[str] = mapped_column(Text)
    filename: Mapped[str | None]
    bytes: Mapped[int | None] = mapped_column(BigInteger)
