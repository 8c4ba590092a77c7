"""What can be done to webhook endpoints, and how a delivery goes from event to outcome."""

import json
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.events.tables import Event
from service.kit.database import database_now
from service.kit.identifiers import new_id
from service.kit.work import Work, enqueue
from service.webhooks import queries, schedule, schemas, signatures
from service.webhooks.replies import Reply
from service.webhooks.sending import Message
from service.webhooks.tables import WebhookDelivery, WebhookEndpoint

_OLD_SECRET_LIFE = timedelta(hours=24)


def create(session: Session, project_id: str, body: schemas.EndpointCreate) -> WebhookEndpoint:
    """A new endpoint with a fresh signing key; its URL has been checked by the caller."""
    endpoint = WebhookEndpoint(id=new_id("we_"), project_id=project_id, name=body.name, url=body.url,
                               event_types=body.event_types, secret=signatures.new_secret())
    session.add(endpoint)
    session.flush()
    return endpoint


def update(session: Session, endpoint_id: str, body: schemas.EndpointUpdate) -> WebhookEndpoint:
    """Change what is given. An endpoint that was disabled takes deliveries again, changed or not."""
    endpoint = queries.endpoint(session, endpoint_id)
    wanted: dict[str, Any] = {**body.model_dump(exclude_none=True), "disabled_at": None}
    changed = {name: value for name, value in wanted.items() if getattr(endpoint, name) != value}
    for name, value in changed.items():
        setattr(endpoint, name, value)
    if changed:
        endpoint.updated_at = database_now(session)
    return endpoint


def delete(session: Session, endpoint_id: str) -> WebhookEndpoint:
    """Remove the endpoint; deliveries that are still to be made end at their next try."""
    endpoint = queries.endpoint(session, endpoint_id)
    endpoint.deleted_at = database_now(session)
    return endpoint


def rotate_secret(session: Session, endpoint_id: str, *, keep_old: bool) -> WebhookEndpoint:
    """A fresh signing key; the old one signs beside it for a day if `keep_old`, and not at all otherwise."""
    endpoint = queries.endpoint(session, endpoint_id)
    now = database_now(session)
    endpoint.old_secret = endpoint.secret if keep_old else None
    endpoint.old_secret_until = now + _OLD_SECRET_LIFE if keep_old else None
    endpoint.secret = signatures.new_secret()
    endpoint.updated_at = now
    return endpoint


def sample(session: Session, endpoint_id: str, event_type: str) -> Message:
    """A signed event that never happened, for trying the endpoint out."""
    endpoint = queries.endpoint(session, endpoint_id)
    now = database_now(session)
    body = _body(new_id("evt_"), event_type, now, {"id": new_id("ftjob-")})
    return _signed(endpoint, new_id("wh_"), now, body)


def fan_out(session: Session, event_id: str) -> None:
    """Plan one delivery of the event for each endpoint that listens; planning twice is planning once."""
    event = session.get_one(Event, event_id)
    for endpoint in queries.listeners(session, event.type):
        planned = session.scalar(
            insert(WebhookDelivery)
            .values(id=new_id("wh_"), project_id=event.project_id, event_id=event.id, endpoint_id=endpoint.id)
            .on_conflict_do_nothing().returning(WebhookDelivery.id))
        if planned is not None:
            enqueue(session, Work.DELIVER_WEBHOOK, planned, project_id=event.project_id)


def begin_attempt(session: Session, delivery_id: str) -> Message | timedelta | None:
    """What to send now: a signed message, or how long to wait for its time, or None when nothing is left to do."""
    delivery = queries.delivery(session, delivery_id)
    if delivery.state != "pending":
        return None
    now = database_now(session)
    if delivery.next_attempt_at is not None and delivery.next_attempt_at > now:
        return delivery.next_attempt_at - now
    endpoint = session.get_one(WebhookEndpoint, delivery.endpoint_id)
    if endpoint.deleted_at or endpoint.disabled_at:
        _fail(delivery, "The endpoint was deleted." if endpoint.deleted_at else "The endpoint is disabled.")
        return None
    event = session.get_one(Event, delivery.event_id)
    return _signed(endpoint, delivery.id, now, _body(event.id, event.type, event.created_at, event.data))


def record_attempt(session: Session, delivery_id: str, reply: Reply) -> timedelta | None:
    """Write down how a try ended. Returns the wait before the next one, or None when there is none."""
    delivery = queries.delivery(session, delivery_id)
    delivery.attempts += 1
    delivery.status_code, delivery.latency_ms = reply.status, reply.latency_ms
    delivery.error, delivery.response_body = reply.error, reply.body
    delivery.next_attempt_at = None
    now = database_now(session)
    if reply.accepted:
        delivery.state, delivery.delivered_at = "delivered", now
        return None
    if reply.status == 410:
        session.get_one(WebhookEndpoint, delivery.endpoint_id).disabled_at = now
    delay = None if reply.status == 410 else schedule.next_delay(delivery.attempts, reply.retry_after)
    if delay is None:
        _fail(delivery, reply.error or "")
    else:
        delivery.next_attempt_at = now + delay
    return delay


def abandon(session: Session, delivery_id: str, cause: str) -> None:
    """Give a delivery up for a reason on our side."""
    delivery = queries.delivery(session, delivery_id)
    if delivery.state == "pending":
        _fail(delivery, cause)


def _fail(delivery: WebhookDelivery, error: str) -> None:
    delivery.state, delivery.error, delivery.next_attempt_at = "failed", error, None


def _body(event_id: str, event_type: str, created_at: datetime, data: dict[str, Any]) -> bytes:
    """The event as receivers get it; the same bytes at every try."""
    return json.dumps({"id": event_id, "object": "event", "type": event_type,
                       "created_at": int(created_at.timestamp()), "data": data}, separators=(",", ":")).encode()


def _signed(endpoint: WebhookEndpoint, message_id: str, now: datetime, body: bytes) -> Message:
    keys = endpoint.signing_keys(now)
    return Message(endpoint.url, signatures.headers(keys, message_id, int(now.timestamp()), body), body)
