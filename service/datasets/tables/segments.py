"""Rows of the segments that a large file is read in."""

from sqlalchemy import BigInteger, ForeignKey, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from service.kit.database import Base, Positioned, Tenanted


class Segment(Tenanted, Positioned, Base):
    """A range of whole lines that one worker reads; gone once the report is written."""

    __tablename__ = "dataset_segments"
    __table_args__ = (UniqueConstraint("project_id", "file_id", "number"),)

    file_id: Mapped[str] = mapped_column(ForeignKey("files.id"))
    number: Mapped[int]
    "From 0, in the order of the file."
    start_byte: Mapped[int] = mapped_column(BigInteger)
    end_byte: Mapped[int] = mapped_column(BigInteger)
    bytes_done: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    object_key: Mapped[str | None]
    "Where its packed summary lies; null until it was read."
