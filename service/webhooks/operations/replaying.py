"""Delivers to an endpoint once more what happened in a span of time; so many of it in one transaction, and no more."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from service.events.naming import types_among
from service.kit.database import database_now
from service.kit.identifiers import new_id
from service.settings import settings
from service.webhooks import queries, schemas
from service.webhooks.errors import BackwardsRange
from service.webhooks.operations.resending import check_enabled, wake_senders
from service.webhooks.tables import WebhookEndpoint

MOST = 10_000
"""So many deliveries are queued by one request."""
_MARGIN = timedelta(hours=1)
"""Events that are so near to their end may be forgotten at this moment."""

_HAPPENED = """
    event.project_id = :project and event.position > :after
    and event.created_at >= :since and event.created_at <= :until
    and (cast(:types as text[]) is null or event.type = any(:types))
"""
_PENDING = text(f"""
    select count(*) from webhook_deliveries delivery cross join lateral (
        select * from events where events.id = delivery.event_id offset 0) as event
    where delivery.endpoint_id = :endpoint and delivery.state = 'pending' and {_HAPPENED}
""")  # noqa: S608 - no value of anybody's in it
_FAILED = text(f"""
    select event.id as event_id, delivery.id as delivery_id, count(*) over () as matched
    from webhook_deliveries delivery cross join lateral (
        select * from events where events.id = delivery.event_id offset 0) as event
    where delivery.endpoint_id = :endpoint and delivery.state = 'failed' and {_HAPPENED}
    order by event.position limit :most
""")  # noqa: S608 - as above
_ALL = text(f"""
    select event.id as event_id, delivery.id as delivery_id, count(*) over () as matched
    from events event left join lateral (
        select id, state from webhook_deliveries found where found.project_id = event.project_id
            and found.event_id = event.id and found.endpoint_id = :endpoint offset 0) as delivery on true
    where {_HAPPENED} and (delivery.state = 'failed' or :again and delivery.state = 'delivered'
        or delivery.id is null and event.told_at is not null and event.type = any(:subscribed)
            and event.created_at >= :kept)
    order by event.position limit :most
""")  # noqa: S608 - as above
"""Rows are looked up one by one, by their keys (`offset 0` keeps it so): no statistics of a table lead astray.

Some events outlive their deliveries: of those from before the time that is kept, nobody knows what was delivered.
"""
_AGAIN = text("""
    with mine as (
        select id from webhook_deliveries where id = any(:ids) and state <> 'pending' order by id
        for update skip locked
    )
    update webhook_deliveries delivery set state = 'pending', tries = 0, next_attempt_at = :now,
        delivered_at = null
    from mine where delivery.id = mine.id returning delivery.id
""")
_ANEW = text("""
    insert into webhook_deliveries (id, project_id, event_id, endpoint_id, next_attempt_at)
    select made.id, :project, made.event_id, :endpoint, :now
    from unnest(cast(:ids as text[]), cast(:events as text[])) with ordinality as made (id, event_id, nth)
    order by made.nth on conflict (project_id, event_id, endpoint_id) do nothing returning id
""")


def replay(session: Session, endpoint_id: str, body: schemas.ReplayCreate) -> schemas.Replay:
    """Queue what is asked for, the oldest events first, or only count it. What waits to be sent already is left alone.

    Raises EndpointNotFound, NothingSentThere, BackwardsRange, or InvalidRequest for an unknown `after`.
    """
    endpoint = queries.endpoint(session, endpoint_id)
    if not body.dry_run:
        check_enabled(endpoint)
    now = database_now(session)
    chosen = _chosen(session, endpoint, body, now)
    pending = session.execute(_PENDING, chosen).scalar_one()
    page = session.execute(_FAILED if body.state == "failed" else _ALL, chosen).all()
    matched = page[0].matched if page else 0
    has_more = matched > len(page)
    queued = 0 if body.dry_run else _queue(session, endpoint, page, now)
    return schemas.Replay(webhook_endpoint_id=endpoint.id, matched=matched, pending=pending, queued=queued,
                          has_more=has_more, last_event_id=page[-1].event_id if has_more else None,
                          dry_run=body.dry_run)


def _chosen(session: Session, endpoint: WebhookEndpoint, body: schemas.ReplayCreate, now: datetime) -> dict[str, Any]:
    if body.until is not None and body.until < body.since:
        raise BackwardsRange
    until = now if body.until is None else schemas.end(body.until)
    return {"project": endpoint.project_id, "endpoint": endpoint.id,
            "since": schemas.beginning(body.since), "until": until,
            "types": types_among(body.event_types) if body.event_types else None, "most": MOST,
            **({} if body.state == "failed" else {
                "subscribed": types_among(endpoint.event_types), "again": body.state == "all",
                "kept": now - timedelta(days=settings().events_days) + _MARGIN}),
            "after": queries.event_position(session, body.after) if body.after is not None else 0}


def _queue(session: Session, endpoint: WebhookEndpoint, page: Sequence[Any], now: datetime) -> int:
    made = [each.delivery_id for each in page if each.delivery_id is not None]
    missing = [each.event_id for each in page if each.delivery_id is None]
    again = session.execute(_AGAIN, {"ids": made, "now": now}).all()
    anew = session.execute(_ANEW, {"ids": [new_id("wh_") for _ in missing], "events": missing, "now": now,
                                   "project": endpoint.project_id, "endpoint": endpoint.id}).all()
    wake_senders(session, endpoint.project_id)
    return len(again) + len(anew)
