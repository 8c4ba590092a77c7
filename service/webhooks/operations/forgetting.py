"""Forgets what is older than a house keeps: attempts and deliveries, then events that nothing speaks of any more."""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

_DEDUPED_DAYS = 400
"""More than the facts that are found out again and again go on for: a model's end is announced 90 days before."""

_DELIVERIES = text("""
    with old as (
        select id from webhook_deliveries where state <> 'pending' and position < (
            select coalesce(min(position), 9223372036854775807) from (
                select position from webhook_deliveries where created_at >= :before order by position limit 1) as newer)
        order by position limit :most for update skip locked
    ), attempts as (
        delete from webhook_attempts where delivery_id in (select id from old)
    )
    delete from webhook_deliveries where id in (select id from old)
""")

_EVENTS = text("""
    with old as (
        select id from events event where told_at is not null and created_at < :before
          and (dedupe_key is null or created_at < cast(:before as timestamptz) - :kept * interval '1 day')
          and position < (
            select coalesce(min(position), 9223372036854775807) from (
                select position from events where created_at >= :before order by position limit 1) as newer)
          and not exists (select from webhook_deliveries delivery where delivery.event_id = event.id)
        order by position limit :most for update skip locked
    )
    delete from events where id in (select id from old)
""")


def forget(session: Session, *, before: datetime, most: int) -> int:
    """Delete up to `most` deliveries and `most` events of a time before; how many rows went, 0 when none is left.

    An event with a dedupe_key stays for longer: it is what keeps its fact from being told twice.
    """
    asked = {"before": before, "most": most, "kept": _DEDUPED_DAYS}
    gone = 0
    for statement in (_DELIVERIES, _EVENTS):
        done = session.execute(statement, asked)
        gone += int(done.rowcount)  # type: ignore[attr-defined]  # a DELETE's result has it
    return gone
