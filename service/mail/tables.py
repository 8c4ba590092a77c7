"""Rows of subscriptions, of what is to be told to them, and of the mails that tell it."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from service.kit.database import Base, Positioned, Tenanted


class MailSubscription(Tenanted, Positioned, Base):
    __tablename__ = "mail_subscriptions"
    __table_args__ = (
        CheckConstraint("status in ('unconfirmed', 'active', 'unsubscribed', 'disabled')", name="status"),
        CheckConstraint("digest in ('immediate', 'hourly', 'daily')", name="digest"),
        Index("ix_mail_subscriptions_address", "project_id", text("lower(address)")),
    )

    name: Mapped[str]
    address: Mapped[str]
    event_types: Mapped[list[str]]
    digest: Mapped[str] = mapped_column(server_default="immediate")
    status: Mapped[str] = mapped_column(server_default="unconfirmed")
    "Events are sent to one that its address has confirmed, and only as long as it is not unsubscribed or disabled."
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    "What the links in its mails are signed with."
    bounces: Mapped[int] = mapped_column(server_default=text("0"))
    "Mails refused for good since the last that was taken."
    confirmed_at: Mapped[datetime | None]
    unsubscribed_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    disabled_reason: Mapped[str | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    deleted_at: Mapped[datetime | None]


class Mail(Tenanted, Positioned, Base):
    """One mail to one address; its Message-ID is made of its id, and is the same at every try."""

    __tablename__ = "mails"
    __table_args__ = (
        CheckConstraint("kind in ('confirmation', 'test', 'event', 'digest')", name="kind"),
        CheckConstraint("state in ('pending', 'sent', 'failed', 'dropped')", name="state"),
        Index("ix_mails_confirmations", text("lower(address)"), "created_at",
              postgresql_where=text("kind = 'confirmation'")),
    )

    subscription_id: Mapped[str] = mapped_column(ForeignKey("mail_subscriptions.id"), index=True)
    kind: Mapped[str]
    address: Mapped[str]
    state: Mapped[str] = mapped_column(server_default="pending")
    "`dropped`: nobody wanted it any more when its turn came."
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    error: Mapped[str | None] = mapped_column(Text)
    sent_at: Mapped[datetime | None]


class MailNotice(Tenanted, Positioned, Base):
    """One event for one subscription: planned once, and told by one mail."""

    __tablename__ = "mail_notices"
    __table_args__ = (
        UniqueConstraint("project_id", "subscription_id", "event_id"),
        Index("ix_mail_notices_waiting", "subscription_id", "position", postgresql_where=text("mail_id is null")),
    )

    subscription_id: Mapped[str] = mapped_column(ForeignKey("mail_subscriptions.id"))
    event_id: Mapped[str] = mapped_column(ForeignKey("events.id", ondelete="CASCADE"), index=True)
    mail_id: Mapped[str | None] = mapped_column(ForeignKey("mails.id", ondelete="CASCADE"), index=True)
    "Null while it waits for its mail."
