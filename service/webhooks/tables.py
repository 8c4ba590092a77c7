"""Rows of webhook endpoints and of the deliveries made to them."""

import base64
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from service.events.tables import Event
from service.kit.database import Base, Positioned, Tenanted
from service.webhooks import signatures

MOST_OLD_KEYS = 10
"""So many rotated keys sign beside the present one, at most."""


class WebhookEndpoint(Tenanted, Positioned, Base):
    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        CheckConstraint("kind in ('webhook', 'slack')", name="kind"),
        CheckConstraint("payload in ('thin', 'full')", name="payload"),
    )

    kind: Mapped[str] = mapped_column(server_default="webhook")
    "What is sent: signed events, or the messages that a Slack-compatible chat takes."
    payload: Mapped[str] = mapped_column(server_default="thin")
    "What `data` of an event is: the subject's id, or all that is known of it."
    name: Mapped[str]
    url: Mapped[str]
    event_types: Mapped[list[str]]
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    "The signing key. It must be readable to sign with, so it is kept as it is, behind the project's wall."
    old_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    "The key before the last rotation; signs beside the new one until `old_secret_until`."
    old_secret_until: Mapped[datetime | None]
    older_secrets: Mapped[list[Any]] = mapped_column(server_default=text("'[]'"))
    "Keys of rotations before that, each as [base64, Unix second until which it signs]."
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    failing_since: Mapped[datetime | None]
    "When the first of the failures came that no success has followed."
    last_failure_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    "Set when the receiver answered 410 or failed for days; an update of the endpoint takes deliveries up again."
    disabled_reason: Mapped[str | None]
    "What an owner is told: one sentence."
    deleted_at: Mapped[datetime | None]

    @property
    def status(self) -> str:
        """What its owner is to know at a glance."""
        if self.disabled_at is not None:
            return "disabled"
        return "enabled" if self.failing_since is None else "failing"

    @property
    def signing_secret(self) -> str:
        return signatures.shown(self.secret)

    @property
    def signing_secret_hint(self) -> str:
        return signatures.hint(self.secret)

    def signing_keys(self, now: datetime) -> list[bytes]:
        """The keys that sign at `now`: the newest first, then rotated ones while they are kept."""
        return [self.secret, *(secret for secret, _ in self.old_keys(now))]

    def old_keys(self, now: datetime) -> list[tuple[bytes, float]]:
        """Rotated keys that still sign at `now`, the last one first, and the Unix second until which each does."""
        found = [(base64.b64decode(secret), until) for secret, until in self.older_secrets]
        if self.old_secret is not None and self.old_secret_until is not None:
            found.insert(0, (self.old_secret, self.old_secret_until.timestamp()))
        return [(secret, until) for secret, until in found if until > now.timestamp()]

    def retire_key(self, now: datetime, until: datetime | None) -> None:
        """Let the present key sign until then, beside those that do already; without a time, no old key signs."""
        kept = self.old_keys(now)[:MOST_OLD_KEYS - 1] if until else []
        self.older_secrets = [[base64.b64encode(secret).decode(), ends] for secret, ends in kept]
        self.old_secret, self.old_secret_until = (self.secret, until) if until else (None, None)


class WebhookDelivery(Tenanted, Positioned, Base):
    """One event for one endpoint; its id is the webhook-id of every attempt."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("project_id", "event_id", "endpoint_id"),
        CheckConstraint("state in ('pending', 'delivered', 'failed')", name="state"),
        Index("ix_webhook_deliveries_due", "endpoint_id", "next_attempt_at",
              postgresql_where=text("state = 'pending'")),
    )

    event_id: Mapped[str] = mapped_column(ForeignKey("events.id"), index=True)
    endpoint_id: Mapped[str] = mapped_column(ForeignKey("webhook_endpoints.id"), index=True)
    state: Mapped[str] = mapped_column(server_default="pending")
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    "All that were made."
    tries: Mapped[int] = mapped_column(server_default=text("0"))
    "Those of the schedule's present run; a resend begins it anew."
    next_attempt_at: Mapped[datetime | None]
    "When it is due, or has been since; null when it has ended."
    lease: Mapped[str | None]
    "The sender's turn that it belongs to now, until `leased_until`: neither is indexed, so that claims are cheap."
    leased_until: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    status_code: Mapped[int | None]
    latency_ms: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(Text)
    error_class: Mapped[str | None]
    response_body: Mapped[str | None] = mapped_column(Text)
    "First 4 kB of the last answer."
    event: Mapped[Event] = relationship(viewonly=True, lazy="raise")

    @property
    def event_type(self) -> str:
        return self.event.type

    @property
    def due_at(self) -> datetime | None:
        """When the next try is made; None where there is none to come, or one is being made now."""
        return self.next_attempt_at if self.state == "pending" and self.lease is None else None


class WebhookAttempt(Tenanted, Positioned, Base):
    """One try of a delivery, as it went over the wire; `created_at` is when it was written down."""

    __tablename__ = "webhook_attempts"

    delivery_id: Mapped[str] = mapped_column(ForeignKey("webhook_deliveries.id"), index=True)
    number: Mapped[int]
    "1, 2, 3, … of the delivery."
    started_at: Mapped[datetime]
    status_code: Mapped[int | None]
    latency_ms: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(Text)
    error_class: Mapped[str | None]
    request_headers: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'"))
    response_headers: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    response_body: Mapped[str | None] = mapped_column(Text)
