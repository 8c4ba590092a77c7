"""Rows of webhook endpoints and of the deliveries made to them."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from service.kit.database import Base, Positioned, Tenanted
from service.webhooks import signatures


class WebhookEndpoint(Tenanted, Positioned, Base):
    __tablename__ = "webhook_endpoints"

    name: Mapped[str]
    url: Mapped[str]
    event_types: Mapped[list[str]]
    secret: Mapped[bytes] = mapped_column(LargeBinary)
    "The signing key. It must be readable to sign with, so it is kept as it is, behind the project's wall."
    old_secret: Mapped[bytes | None] = mapped_column(LargeBinary)
    "The key before the last rotation; signs beside the new one until `old_secret_until`."
    old_secret_until: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=text("now()"))
    disabled_at: Mapped[datetime | None]
    "Set when the receiver answered 410; an update of the endpoint takes deliveries up again."
    deleted_at: Mapped[datetime | None]

    @property
    def signing_secret(self) -> str:
        return signatures.shown(self.secret)

    @property
    def signing_secret_hint(self) -> str:
        return signatures.hint(self.secret)

    def signing_keys(self, now: datetime) -> list[bytes]:
        """The keys that sign at `now`: the newest first, then the rotated one while it is kept."""
        kept = self.old_secret if self.old_secret_until and self.old_secret_until > now else None
        return [self.secret, kept] if kept else [self.secret]


class WebhookDelivery(Tenanted, Positioned, Base):
    """One event for one endpoint; its id is the webhook-id of every attempt."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("project_id", "event_id", "endpoint_id"),
        CheckConstraint("state in ('pending', 'delivered', 'failed')", name="state"),
    )

    event_id: Mapped[str] = mapped_column(ForeignKey("events.id"))
    endpoint_id: Mapped[str] = mapped_column(ForeignKey("webhook_endpoints.id"), index=True)
    state: Mapped[str] = mapped_column(server_default="pending")
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    status_code: Mapped[int | None]
    latency_ms: Mapped[int | None]
    error: Mapped[str | None] = mapped_column(Text)
    response_body: Mapped[str | None] = mapped_column(Text)
    "First 4 kB of the last answer."
