"""Rows of data sets, of their versions, which never change, and of previews of these."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.kit.database import Base, Positioned, Tenanted


class Dataset(Tenanted, Positioned, Base):
    __tablename__ = "datasets"
    __table_args__ = (
        Index("uq_datasets_project_id_name", "project_id", "name", unique=True,
              postgresql_where=text("deleted_at is null")),)

    name: Mapped[str]
    description: Mapped[str | None]
    metadata_: Mapped[dict[str, Any] | None] = mapped_column("metadata", JSONB(none_as_null=True))
    created_by: Mapped[str | None]
    last_number: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    "Number of its newest version, deleted ones counted: numbers are never used twice."
    deleted_at: Mapped[datetime | None]


class DatasetVersion(Tenanted, Positioned, Base):
    """Bytes that never change, and where they come from."""

    __tablename__ = "dataset_versions"
    __table_args__ = (
        UniqueConstraint("project_id", "dataset_id", "number"),
        CheckConstraint("status in ('building', 'ready', 'failed')", name="status"),
        Index("ix_dataset_versions_recipe", "project_id", "dataset_id", "recipe"),
        Index("ix_dataset_versions_sha256", "project_id", "sha256"),
        Index("ix_dataset_versions_parents", "parents", postgresql_using="gin"))

    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"), index=True)
    number: Mapped[int] = mapped_column(Integer)
    "From 1, in each data set."
    status: Mapped[str] = mapped_column(server_default="building")
    error: Mapped[str | None]
    "Why it could not be built, in words."
    note: Mapped[str | None]
    created_by: Mapped[str | None]
    source: Mapped[dict[str, Any]]
    "What it is made from, as it was asked for: a file with shape and mapping, or a transformation of versions."
    parents: Mapped[list[str]] = mapped_column(server_default=text("'[]'"))
    "Ids of the versions that it is made from."
    counts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    "What building it told: rows read, written and left out, by reason."
    recipe: Mapped[str]
    "Digest of the source and of what it is made from: the same recipe makes the same bytes."
    file_id: Mapped[str] = mapped_column(index=True)
    "Id of its file, chosen before the bytes exist; the row of files comes with them."
    sha256: Mapped[str | None]
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    examples: Mapped[int | None] = mapped_column(BigInteger)
    "Lines that are not blank."
    same_as: Mapped[str | None]
    "Id of an older version of the data set that has the same bytes."
    completed_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    "Deleted rows stay as the memory of lineage; their bytes are gone."

    @property
    def ready_file(self) -> str | None:
        """Its file, once there is one."""
        return self.file_id if self.status == "ready" else None


class DatasetPreview(Tenanted, Positioned, Base):
    """Some lines of a version as training would read them."""

    __tablename__ = "dataset_previews"
    __table_args__ = (CheckConstraint("status in ('pending', 'completed', 'failed')", name="status"),)

    version_id: Mapped[str] = mapped_column(ForeignKey("dataset_versions.id"), index=True)
    model: Mapped[str]
    lines: Mapped[list[Any]]
    "Numbers of the lines that are shown, ascending."
    status: Mapped[str] = mapped_column(server_default="pending")
    error: Mapped[str | None]
    examples: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    completed_at: Mapped[datetime | None]
