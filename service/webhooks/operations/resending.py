"""Sends again what an owner asks for: a delivery begins its schedule anew, under the id that it always had."""

from sqlalchemy import func, text, update
from sqlalchemy.orm import Session

from service.events.operations import CHANNEL
from service.kit.database import database_now
from service.webhooks import queries
from service.webhooks.errors import NothingSentThere
from service.webhooks.tables import WebhookDelivery, WebhookEndpoint


def resend(session: Session, delivery_id: str) -> WebhookDelivery:
    """Try a delivery at once, and by the schedule's first step from then on; twice while it waits is once.

    What a sender has at this moment is left to it. Raises DeliveryNotFound, or NothingSentThere where the endpoint is
    disabled or was deleted.
    """
    delivery = queries.delivery(session, delivery_id)
    check_enabled(session.get_one(WebhookEndpoint, delivery.endpoint_id))
    session.execute(
        update(WebhookDelivery).where(WebhookDelivery.id == delivery_id, WebhookDelivery.lease.is_(None))
        .values(state="pending", tries=0, delivered_at=None,
                next_attempt_at=func.least(WebhookDelivery.next_attempt_at, database_now(session)))
        .execution_options(synchronize_session=False))
    wake_senders(session, delivery.project_id)
    session.expire(delivery)
    return queries.delivery(session, delivery_id)


def check_enabled(endpoint: WebhookEndpoint) -> None:
    """Raises NothingSentThere."""
    if endpoint.deleted_at is not None:
        raise NothingSentThere(endpoint.id, "was deleted")
    if endpoint.disabled_at is not None:
        raise NothingSentThere(endpoint.id, "is disabled. Update it, with whatever it has already if need be, and it"
                                            " takes deliveries up again")


def wake_senders(session: Session, project_id: str) -> None:
    """Let senders know, once the transaction has committed, that there is something due."""
    session.execute(text("select pg_notify(:channel, :project)"), {"channel": CHANNEL, "project": project_id})
