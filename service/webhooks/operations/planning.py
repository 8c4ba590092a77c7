"""From events to deliveries: one for each endpoint that listens when the event is told, and told it is once."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from service.events.naming import NAMES_IN_SQL

_PLAN = text(f"""
    with untold as (
        select id, project_id, {NAMES_IN_SQL} as names from events where told_at is null
        order by position limit :most for update skip locked
    ), planned as (
        insert into webhook_deliveries (id, project_id, event_id, endpoint_id, next_attempt_at)
        select 'wh_' || replace(gen_random_uuid()::text, '-', ''), untold.project_id, untold.id, endpoint.id, :now
        from untold join webhook_endpoints endpoint on endpoint.project_id = untold.project_id
            and endpoint.event_types ?| untold.names and endpoint.deleted_at is null and endpoint.disabled_at is null
        on conflict (project_id, event_id, endpoint_id) do nothing
    )
    update events set told_at = :now from untold where events.id = untold.id returning events.id
""")  # noqa: S608 - no value of anybody's in it


def plan(session: Session, now: datetime, *, most: int) -> Sequence[str]:
    """Plan what up to `most` events ask for, the oldest first; returns the ids of the events that are told by this.

    Any number of senders may do so at once: none waits for another, and no event is planned twice.
    """
    return session.scalars(_PLAN, {"now": now, "most": most}).all()
