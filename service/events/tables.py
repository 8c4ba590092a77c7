"""Rows of events: what happened, to what, and when."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from service.kit.database import Base, Positioned, Streamed, Tenanted


class Event(Tenanted, Positioned, Streamed, Base):
    __tablename__ = "events"
    __table_args__ = (
        UniqueConstraint("project_id", "dedupe_key"),
        Index("ix_events_subject", "project_id", "subject"),
        Index("ix_events_streamed", "project_id", "transaction_id", "position"),
        Index("ix_events_untold", "position", postgresql_where=text("told_at is null")),
    )

    type: Mapped[str]
    "Such as fine_tuning.job.succeeded; see service/events/types.py."
    subject: Mapped[str]
    "Id of the object it happened to."
    sequence: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    "1, 2, 3, … of its subject's events, so that a receiver can tell which of two is the later one."
    data: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    dedupe_key: Mapped[str | None]
    "Names the fact where it may be found out more than once, so that it is told once; null where it cannot."
    told_at: Mapped[datetime | None]
    "When deliveries were planned for everyone who listened; null until then."


class EventSequence(Tenanted, Positioned, Base):
    """The last sequence given to a subject; its lock keeps the numbers in the order of commits."""

    __tablename__ = "event_sequences"
    __table_args__ = (UniqueConstraint("project_id", "subject"),)

    subject: Mapped[str]
    last: Mapped[int] = mapped_column(BigInteger)
