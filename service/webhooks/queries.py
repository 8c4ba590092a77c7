"""Questions about webhook endpoints, and about what was delivered to them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Select, func, select, text
from sqlalchemy.orm import Session, contains_eager

from service.events.tables import Event
from service.kit.database import among, database_now
from service.kit.errors import InvalidRequest
from service.kit.pagination import paginate
from service.webhooks import schemas
from service.webhooks.errors import DeliveryNotFound, EndpointNotFound
from service.webhooks.tables import WebhookAttempt, WebhookDelivery, WebhookEndpoint


def _present() -> Select[WebhookEndpoint]:
    return select(WebhookEndpoint).where(WebhookEndpoint.deleted_at.is_(None))


def endpoint(session: Session, endpoint_id: str, *, lock: bool = False) -> WebhookEndpoint:
    """The endpoint with this id. Raises EndpointNotFound."""
    query = _present().where(WebhookEndpoint.id == endpoint_id)
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    found = session.scalar(query)
    if found is None:
        raise EndpointNotFound(endpoint_id)
    return found


def endpoints(session: Session, *, after: str | None, limit: int) -> tuple[Sequence[WebhookEndpoint], bool]:
    """One page of endpoints, newest first, and whether more follow."""
    return paginate(session, _present(), WebhookEndpoint, after=after, limit=limit)


def count(session: Session) -> int:
    """How many endpoints there are."""
    return session.scalar(select(func.count()).select_from(_present().subquery())) or 0


def delivery(session: Session, delivery_id: str) -> WebhookDelivery:
    """The delivery that a caller names, with its event's type. Raises DeliveryNotFound."""
    found = session.scalar(_with_types(select(WebhookDelivery).where(WebhookDelivery.id == delivery_id)))
    if found is None:
        raise DeliveryNotFound(delivery_id)
    return found


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deliveries a list shows; whatever is None is not asked for."""

    endpoint_id: str | None = None
    event_id: str | None = None
    state: str | None = None
    event_types: Sequence[str] = ()
    error_class: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> Iterator[ColumnElement[bool]]:
        for column, value in ((WebhookDelivery.endpoint_id, self.endpoint_id), (WebhookDelivery.state, self.state),
                              (WebhookDelivery.event_id, self.event_id),
                              (WebhookDelivery.error_class, self.error_class)):
            if value is not None:
                yield column == value
        if self.event_types:
            yield among(Event.type, self.event_types)
        if self.since is not None:
            yield WebhookDelivery.created_at >= self.since
        if self.until is not None:
            yield WebhookDelivery.created_at <= self.until


def deliveries(session: Session, wanted: Wanted, *, after: str | None,
               limit: int) -> tuple[Sequence[WebhookDelivery], bool]:
    """One page of deliveries, newest first, and whether more follow."""
    query = _with_types(select(WebhookDelivery).where(*wanted.conditions()))
    return paginate(session, query, WebhookDelivery, after=after, limit=limit)


def attempts(session: Session, delivery_id: str, *, after: str | None,
             limit: int) -> tuple[Sequence[WebhookAttempt], bool]:
    """One page of a delivery's attempts, newest first, and whether more follow."""
    made = select(WebhookAttempt).where(WebhookAttempt.delivery_id == delivery_id)
    return paginate(session, made, WebhookAttempt, after=after, limit=limit)


def _with_types(query: Select[WebhookDelivery]) -> Select[WebhookDelivery]:
    return query.join(WebhookDelivery.event).options(contains_eager(WebhookDelivery.event).load_only(Event.type))


def event_position(session: Session, event_id: str) -> int:
    """Where an event stands among the project's. Raises InvalidRequest (param `after`)."""
    found = session.scalar(select(Event.position).where(Event.id == event_id))
    if found is None:
        raise InvalidRequest(f"No event with id '{event_id}' to continue after.", param="after")
    return found


_LOOKED_AT = 10_000
_LATELY = text("""
    with lately as (
        select latency_ms, status_code, error_class from webhook_attempts
        where delivery_id = any(:deliveries) and created_at >= :since
    ), classes as (
        select error_class, count(*) as count from lately where error_class is not null group by error_class
    )
    select (select count(*) from lately) as attempts,
        (select coalesce(jsonb_object_agg(error_class, count), '{}') from classes) as classes,
        percentile_disc(0.5) within group (order by latency_ms) as p50,
        percentile_disc(0.99) within group (order by latency_ms) as p99
    from lately where status_code is not null
""")


def stats(session: Session, endpoint_id: str) -> schemas.Stats:
    """How an endpoint has fared. Raises EndpointNotFound."""
    known = endpoint(session, endpoint_id)
    since = database_now(session) - timedelta(days=1)
    states = session.execute(select(WebhookDelivery.state, func.count()).group_by(WebhookDelivery.state)
                             .where(WebhookDelivery.endpoint_id == known.id))
    latest = session.scalars(select(WebhookDelivery.id).where(WebhookDelivery.endpoint_id == known.id)
                             .order_by(WebhookDelivery.position.desc()).limit(_LOOKED_AT)).all()
    lately = session.execute(_LATELY, {"deliveries": latest, "since": since}).one()
    counts = dict.fromkeys(("pending", "delivered", "failed"), 0) | dict(states.all())
    return schemas.Stats(webhook_endpoint_id=known.id, deliveries=schemas.Counts(**counts), since=since,
                         attempts=lately.attempts, error_classes=lately.classes,
                         latency_ms=schemas.Latency(p50=lately.p50, p99=lately.p99))
