"""Rows of events: what happened, to what, and when."""

from typing import Any

from sqlalchemy import Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from service.kit.database import Base, Positioned, Tenanted


class Event(Tenanted, Positioned, Base):
    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("project_id", "dedupe_key"),
        Index("ix_events_subject", "project_id", "subject"),
    )

    type: Mapped[str]
    "Such as fine_tuning.job.succeeded; see service/events/types.py."
    subject: Mapped[str]
    "Id of the object it happened to."
    data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    dedupe_key: Mapped[str | None]
    "Names the fact where it may be found out more than once, so that it is told once; null where it cannot."
