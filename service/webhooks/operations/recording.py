"""Writes down how attempts ended, many at once: the attempt, what becomes of its delivery, how its endpoint does."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import text
from sqlalchemy.orm import Session

from service.kit.database import Scope, within
from service.webhooks import schedule
from service.webhooks.operations.claiming import Due
from service.webhooks.operations.disabling import disable
from service.webhooks.outcomes import ErrorClass
from service.webhooks.replies import Reply

FAILS_FOR = timedelta(days=5)
"""An endpoint that has failed for so long is disabled."""
_FORGIVEN_AFTER = timedelta(hours=48)
"""A failure so long after the last one begins anew: nothing is known of the time between."""
_GONE = "It answered 410 Gone: it wants nothing more."
_written = msgspec.json.Encoder().encode
_FAILED_FOR_DAYS = f"All deliveries to it have failed for {FAILS_FOR.days} days."


@dataclass(frozen=True, slots=True)
class Ended:
    """One attempt, and how it was answered."""

    due: Due
    reply: Reply
    ours: bool = False
    "The fault is on our side: the endpoint is not to blame, and trying again does not help."


def record(session: Session, ended: Sequence[Ended], now: datetime) -> None:
    """In the senders' role. What another sender has by now, because a lease ran out, is left to it.

    Rows are locked in one order, whoever records: endpoints, then deliveries, each by their ids.
    """
    spent = _note_health(session, ended, now)
    session.execute(_RECORD, {"now": now, "ended": _written([_row(each, now) for each in ended]).decode()})
    gone = {each.due.endpoint_id: each.due for each in ended if each.reply.error_class is ErrorClass.GONE}
    told = {endpoint_id: due.project_id for endpoint_id, due in gone.items()}
    for endpoint_id, project_id in sorted((spent | told).items()):
        with within(session, Scope.project(project_id)):
            is_gone = endpoint_id in gone and disable(session, endpoint_id, _GONE, now=now,
                                                      seen=gone[endpoint_id].endpoint_updated_at)
            if endpoint_id in spent and not is_gone:
                disable(session, endpoint_id, _FAILED_FOR_DAYS, now=now)


_LOCKED = """select id from webhook_endpoints where id = any(:ids) {which} order by id for no key update"""

_WELL = text(f"""
    update webhook_endpoints set failing_since = null, last_failure_at = null
    where id in ({_LOCKED.format(which="and failing_since is not null")})
""")  # noqa: S608 - no value of anybody's in it

_UNWELL = text(f"""
    update webhook_endpoints set last_failure_at = :now, failing_since =
        case when failing_since is null or last_failure_at < :forgiven then :now else failing_since end
    where id in ({_LOCKED.format(which="and deleted_at is null")})
    returning id, project_id, failing_since, disabled_at
""")  # noqa: S608 - as above


def _note_health(session: Session, ended: Sequence[Ended], now: datetime) -> dict[str, str]:
    """Note since when endpoints fail; returns those that have failed for too long, with their projects."""
    last = {each.due.endpoint_id: each.reply.accepted for each in ended if not each.ours}
    well = {each.due.endpoint_id for each in ended if each.reply.accepted}
    unwell = [endpoint_id for endpoint_id, accepted in last.items() if not accepted]
    if well:
        session.execute(_WELL, {"ids": list(well)})
    if not unwell:
        return {}
    rows = session.execute(_UNWELL, {"ids": unwell, "now": now, "forgiven": now - _FORGIVEN_AFTER})
    return {row.id: row.project_id for row in rows
            if row.disabled_at is None and row.failing_since <= now - FAILS_FOR}


_RECORD = text("""
    with ended as (
        select * from jsonb_to_recordset(cast(:ended as jsonb)) as ended (
            id text, lease text, state text, next timestamptz, status int, latency int, error text, class text,
            body text, start timestamptz, request jsonb, response jsonb)
    ), held as (
        select delivery.id from webhook_deliveries delivery
        join ended on ended.id = delivery.id and ended.lease = delivery.lease
        order by delivery.id for update of delivery
    ), written as (
        update webhook_deliveries delivery set
            attempts = attempts + 1, tries = tries + 1, lease = null, leased_until = null, state = ended.state,
            next_attempt_at = ended.next, delivered_at = case when ended.state = 'delivered' then :now end,
            status_code = ended.status, latency_ms = ended.latency, error = ended.error, error_class = ended.class,
            response_body = ended.body
        from ended where delivery.id = ended.id and delivery.id in (select id from held)
        returning delivery.id, delivery.project_id, delivery.attempts
    )
    insert into webhook_attempts (id, project_id, delivery_id, number, started_at, status_code, latency_ms, error,
                                  error_class, request_headers, response_headers, response_body)
    select 'wha_' || replace(gen_random_uuid()::text, '-', ''), written.project_id, written.id, written.attempts,
           ended.start, ended.status, ended.latency, ended.error, ended.class, ended.request,
           ended.response, ended.body
    from written join ended on ended.id = written.id
""")


class _Row(msgspec.Struct):
    """One attempt as the statement takes it."""

    id: str
    lease: str
    state: str
    next: datetime | None
    status: int | None
    latency: int
    error: str | None
    class_: str | None = msgspec.field(name="class")
    body: str
    start: datetime
    request: dict[str, str]
    response: dict[str, str] | None


def _row(ended: Ended, now: datetime) -> _Row:
    reply = ended.reply
    state, next_ = _outcome(ended, now)
    return _Row(ended.due.id, ended.due.lease, state, next_, reply.status, reply.latency_ms, reply.error,
                reply.error_class, reply.body, reply.started_at, reply.request_headers, reply.response_headers)


def _outcome(ended: Ended, now: datetime) -> tuple[str, datetime | None]:
    """What the delivery becomes, and when it is tried again."""
    if ended.reply.accepted:
        return "delivered", None
    final = ended.ours or ended.reply.error_class is ErrorClass.GONE
    delay = None if final else schedule.next_delay(ended.due.tries + 1, ended.reply.retry_after)
    return ("failed", None) if delay is None else ("pending", now + delay)
