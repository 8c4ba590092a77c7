"""Rows of files, uploads and their parts; the bytes themselves lie in the object store."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.kit.database import Base, Positioned, Tenanted


class File(Tenanted, Positioned, Base):
    __tablename__ = "files"
    __table_args__ = (
        CheckConstraint("status in ('uploaded', 'processed', 'error')", name="status"),
        Index("uq_files_alias", "project_id", "alias", unique=True, postgresql_where=text("deleted_at is null")),
    )

    filename: Mapped[str]
    purpose: Mapped[str]
    bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str]
    "Hex digest of the original bytes, computed while they streamed in."
    object_key: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="uploaded")
    status_details: Mapped[str | None]
    expires_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]
    "Deleted rows stay so that a list that is being walked can go on; their bytes are gone."
    created_by: Mapped[str | None]
    "The actor who uploaded it; null for files from before actors were known and for what workers make."
    kept_for: Mapped[str | None]
    "What these bytes belong to, in words for whoever would delete them; null when they are only a file."
    alias: Mapped[str | None]
    "What the server that it was imported from calls it; callers know it by that."

    @property
    def shown_id(self) -> str:
        return self.alias or self.id


class Upload(Tenanted, Positioned, Base):
    __tablename__ = "uploads"
    __table_args__ = (
        CheckConstraint("status in ('pending', 'completed', 'cancelled', 'expired')", name="status"),)

    filename: Mapped[str]
    purpose: Mapped[str]
    bytes: Mapped[int] = mapped_column(BigInteger)
    mime_type: Mapped[str]
    status: Mapped[str] = mapped_column(server_default="pending")
    expires_at: Mapped[datetime]
    file_expires_after_seconds: Mapped[int | None] = mapped_column(Integer)
    file_id: Mapped[str | None] = mapped_column(ForeignKey("files.id"))
    file: Mapped[File | None] = relationship(lazy="joined")
    created_by: Mapped[str | None]
    "The actor who opened it, who is then the uploader of its file."


class UploadPart(Tenanted, Positioned, Base):
    __tablename__ = "upload_parts"
    __table_args__ = (UniqueConstraint("project_id", "upload_id", "id"),)

    upload_id: Mapped[str] = mapped_column(ForeignKey("uploads.id"), index=True)
    bytes: Mapped[int] = mapped_column(BigInteger)
    object_key: Mapped[str]
