"""Rows of reviews: their items, and the decisions and comments on them, which are only ever added to."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from service.kit.database import Base, Positioned, Tenanted


class Review(Tenanted, Positioned, Base):
    """One queue of examples of one version, for people to decide on."""

    __tablename__ = "reviews"
    __table_args__ = (CheckConstraint("status in ('preparing', 'open', 'closed', 'failed')", name="status"),)

    version_id: Mapped[str] = mapped_column(ForeignKey("dataset_versions.id", ondelete="cascade"), index=True)
    name: Mapped[str | None]
    instructions: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(server_default="preparing")
    error: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    "What came out otherwise than it was asked for."
    wanted: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    "flagged, sampled and skip_reviewed as they were asked for."
    seed: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    reviewers_per_item: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    lines: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    "Examples of the version, known once the review is prepared."
    created_by: Mapped[str | None]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]
    approved: Mapped[bool | None]
    closing_comment: Mapped[str | None] = mapped_column(Text)


class ReviewItem(Tenanted, Positioned, Base):
    """One example under review. Items are inserted the most suspicious first, so positions are their order."""

    __tablename__ = "review_items"
    __table_args__ = (
        UniqueConstraint("project_id", "review_id", "line"),
        CheckConstraint("status in ('open', 'approved', 'rejected', 'edited', 'conflict')", name="status"),
        CheckConstraint("chosen_as in ('flagged', 'sampled')", name="chosen_as"),
        Index("ix_review_items_queue", "review_id", "status", "position"),
    )

    review_id: Mapped[str] = mapped_column(ForeignKey("reviews.id", ondelete="cascade"))
    line: Mapped[int] = mapped_column(BigInteger)
    start: Mapped[int] = mapped_column(BigInteger)
    "Offset of the line in the version's bytes."
    length: Mapped[int] = mapped_column(BigInteger)
    flags: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    suspicion: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    chosen_as: Mapped[str] = mapped_column(server_default="sampled")
    status: Mapped[str] = mapped_column(server_default="open")
    assignee: Mapped[str | None]
    leased_to: Mapped[str | None]
    leased_until: Mapped[datetime | None]


class ReviewDecision(Tenanted, Positioned, Base):
    """What one actor decided about one item; the newest of an actor counts, the others stay as history."""

    __tablename__ = "review_decisions"
    __table_args__ = (CheckConstraint("decision in ('approve', 'reject', 'edit')", name="decision"),
                      CheckConstraint("(decision = 'edit') = (example is not null)", name="example"))

    item_id: Mapped[str] = mapped_column(ForeignKey("review_items.id", ondelete="cascade"), index=True)
    actor: Mapped[str]
    decision: Mapped[str]
    example: Mapped[str | None] = mapped_column(Text)
    "The line that takes the place of the old one, as JSON on one line."
    comment: Mapped[str | None] = mapped_column(Text)


class ReviewComment(Tenanted, Positioned, Base):
    __tablename__ = "review_comments"

    item_id: Mapped[str] = mapped_column(ForeignKey("review_items.id", ondelete="cascade"), index=True)
    actor: Mapped[str]
    text: Mapped[str] = mapped_column(Text)
