"""Rows of validation reports and their findings."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.kit.database import Base, Positioned, Tenanted


class Report(Tenanted, Positioned, Base):
    """What reading every line of one file found; one per file, since files never change."""

    __tablename__ = "dataset_reports"
    __table_args__ = (UniqueConstraint("project_id", "file_id"),
                      CheckConstraint("status in ('running', 'completed', 'failed')", name="status"),
                      CheckConstraint("verdict in ('go', 'warn', 'block')", name="verdict"))

    file_id: Mapped[str] = mapped_column(ForeignKey("files.id"))
    status: Mapped[str] = mapped_column(server_default="completed")
    format: Mapped[str | None]
    "chat, preference, reinforcement or completion; null when no line says what it is."
    verdict: Mapped[str | None]
    score: Mapped[int | None]
    body: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    "The whole report, see service/datasets/analysis/report.py; null while it runs."
    examples: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    "Lines that can be trained on."
    lines: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    errors: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    "Exact number of errors, also those beyond the stored findings."
    warnings: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    infos: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    counts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    "Exact number of findings of each kind."
    bytes_done: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    "Read so far by whoever reads the file in one piece; segments count their own."
    bytes_total: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    segments_done: Mapped[int] = mapped_column(server_default=text("0"))
    segments_total: Mapped[int] = mapped_column(server_default=text("0"))
    "0 when the file is read in one piece."
    started_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    completed_at: Mapped[datetime | None]


class Finding(Tenanted, Positioned, Base):
    """One thing that is wrong, where it is, and how to mend it."""

    __tablename__ = "dataset_findings"
    __table_args__ = (CheckConstraint("severity in ('error', 'warning', 'info')", name="severity"),)

    report_id: Mapped[str] = mapped_column(ForeignKey("dataset_reports.id", ondelete="cascade"), index=True)
    severity: Mapped[str]
    kind: Mapped[str]
    line: Mapped[int | None] = mapped_column(BigInteger)
    "1-based; null when it concerns the whole file."
    path: Mapped[str | None]
    message: Mapped[str]
    hint: Mapped[str | None]
