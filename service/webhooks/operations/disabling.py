"""Takes an endpoint out of service in the open: told at the endpoint, at what waited for it, and by an event."""

from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from service.events import operations as events
from service.events.types import EventType
from service.webhooks.outcomes import ErrorClass
from service.webhooks.tables import WebhookEndpoint

_FAIL = text("""
    with waiting as materialized (
        select id from webhook_deliveries where endpoint_id = :endpoint and state = 'pending' and lease is null
        order by next_attempt_at limit :most for update skip locked
    )
    update webhook_deliveries set state = 'failed', next_attempt_at = null, error_class = :class, error = :error
    where id in (select id from waiting)
""")
_AT_ONCE = 1000
"""The rest of what waits is failed by senders, piece by piece: days of it would hold everybody up."""


def disable(session: Session, endpoint_id: str, reason: str, *, now: datetime, seen: datetime | None = None) -> bool:
    """Send nothing more until its owner updates it; `reason` is one sentence for them. False when it was so before.

    `seen`: only if it has not been updated since, for what a former URL answers says nothing of the present one.
    What is being sent at this moment is recorded by whoever sends it, and fails if it is to be tried again.
    The session sees the endpoint's project.
    """
    endpoint = session.scalar(select(WebhookEndpoint).where(
        WebhookEndpoint.id == endpoint_id, WebhookEndpoint.disabled_at.is_(None), WebhookEndpoint.deleted_at.is_(None),
        WebhookEndpoint.updated_at == (WebhookEndpoint.updated_at if seen is None else seen))
        .with_for_update(key_share=True).execution_options(populate_existing=True))
    if endpoint is None:
        return False
    endpoint.disabled_at, endpoint.disabled_reason = now, reason
    session.flush()
    session.execute(_FAIL, {"endpoint": endpoint_id, "most": _AT_ONCE, "error": f"The endpoint was disabled. {reason}",
                            "class": ErrorClass.ENDPOINT_DISABLED.value})
    events.append(session, EventType.ENDPOINT_DISABLED, endpoint.id, project_id=endpoint.project_id, data={
        "name": endpoint.name, "url": _told(endpoint), "reason": reason})
    return True


def _told(endpoint: WebhookEndpoint) -> str:
    """A chat's URL is a secret, which whoever has it can write there with; others are told of its host.

    So may be what stands in another URL's query.
    """
    return endpoint.url.partition("?")[0] if endpoint.kind == "webhook" else f"https://{urlsplit(endpoint.url).hostname}/…"
