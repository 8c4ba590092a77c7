"""Rows of data sets and of their versions, which never change."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Integer, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from service.kit.database import Base, Positioned, Tenanted


class Dataset(Tenanted, Positioned, Base):
    __tablename__ = "datasets"

    name: Mapped[str]
    created_by: Mapped[str | None]
    last_number: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    deleted_at: Mapped[datetime | None]


class DatasetVersion(Tenanted, Positioned, Base):
    __tablename__ = "dataset_versions"
    __table_args__ = (UniqueConstraint("project_id", "dataset_id", "number"),)

    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"), index=True)
    number: Mapped[int] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(server_default="building")
    error: Mapped[str | None]
    created_by: Mapped[str | None]
    source: Mapped[dict[str, Any]]
    parents: Mapped[list[str]] = mapped_column(server_default=text("'[]'"))
    recipe: Mapped[str]
    file_id: Mapped[str] = mapped_column(index=True)
    sha256: Mapped[str | None]
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    examples: Mapped[int | None] = mapped_column(BigInteger)
    deleted_at: Mapped[datetime | None]
