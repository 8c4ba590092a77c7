"""Rows of data sets and of their versions, which never change."""

from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Integer, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from service.kit.database import Base, Positioned, Tenanted


class Dataset(Tenanted, Positioned, Base):
    __tablename__ = "datasets"
    __table_args__ = (UniqueConstraint("project_id", "name"),)

    name: Mapped[str]
    created_by: Mapped[str | None]


class DatasetVersion(Tenanted, Positioned, Base):
    __tablename__ = "dataset_versions"
    __table_args__ = (UniqueConstraint("project_id", "dataset_id", "number"),)

    dataset_id: Mapped[str] = mapped_column(ForeignKey("datasets.id"), index=True)
    number: Mapped[int] = mapped_column(Integer)
    file_id: Mapped[str] = mapped_column(ForeignKey("files.id"), index=True)
    created_by: Mapped[str | None]
    examples: Mapped[int | None] = mapped_column(BigInteger)
    source: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
