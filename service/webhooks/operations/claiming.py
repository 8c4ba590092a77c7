"""Takes deliveries whose time has come, for the time of a lease; several senders share what is there."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from service.webhooks.outcomes import ErrorClass


class Due(NamedTuple):
    """One delivery that is this sender's until its lease ends, with what may be known of it outside its project."""

    id: str
    lease: str
    project_id: str
    endpoint_id: str
    event_id: str
    tries: int
    "Those before this one."
    event_type: str
    subject: str
    sequence: int
    happened_at: datetime
    kind: str
    payload: str
    endpoint_updated_at: datetime


class Places(NamedTuple):
    """How many deliveries one claim may take."""

    room: int
    "Of all projects together."
    each: int
    "Of one project, unless `of_project` says less."
    of_project: Mapping[str, int]


class Room(NamedTuple):
    """How many deliveries one endpoint may get."""

    most: int
    seen: datetime | None = None
    "Its `endpoint_updated_at` when that was found. If it has been updated since, it gets one at least."


_WAITING = """
    recursive waiting as (
        (select endpoint_id, next_attempt_at from webhook_deliveries
         where state = 'pending' and (lease is null or leased_until <= :now)
         order by endpoint_id, next_attempt_at limit 1)
        union all
        select following.endpoint_id, following.next_attempt_at from waiting cross join lateral (
            select endpoint_id, next_attempt_at from webhook_deliveries
            where state = 'pending' and (lease is null or leased_until <= :now)
              and endpoint_id > waiting.endpoint_id
            order by endpoint_id, next_attempt_at limit 1) as following
    )"""
"""Each endpoint that something waits for which nobody has, and the earliest time of it: one look at the index each."""

_CLAIM = text(f"""
    with {_WAITING}, ready as (
        select endpoint.id, endpoint.project_id, waiting.next_attempt_at,
               case when endpoint.updated_at > here.seen then greatest(1, here.room)
                    else coalesce(here.room, :room_each) end as room, coalesce(theirs.room, :places_each) as places
        from waiting join webhook_endpoints endpoint on endpoint.id = waiting.endpoint_id
        left join unnest(cast(:known as text[]), cast(:rooms as int[]), cast(:seen as timestamptz[]))
            as here (id, room, seen) on here.id = endpoint.id
        left join unnest(cast(:projects as text[]), cast(:places as int[])) as theirs (id, room)
            on theirs.id = endpoint.project_id
        where waiting.next_attempt_at <= :now and endpoint.deleted_at is null and endpoint.disabled_at is null
    ), ranked as (
        select *, count(*) over () as number, count(*) over (partition by project_id) as number_here,
               row_number() over (partition by project_id order by next_attempt_at) as place
        from ready where room > 0 and places > 0
    ), chosen as (
        select id as endpoint_id, least(room, greatest(1, ceil(cast(:room as float8) / number)),
                                        greatest(1, places / number_here))::int as room
        from ranked where place <= places
        order by place, next_attempt_at
    ), picked as materialized (
        select due.id from chosen cross join lateral (
            select id from webhook_deliveries delivery
            where delivery.endpoint_id = chosen.endpoint_id and state = 'pending' and next_attempt_at <= :now
              and (lease is null or leased_until <= :now)
            order by next_attempt_at limit chosen.room for update skip locked) as due
        limit :room
    ), taken as (
        update webhook_deliveries set lease = :lease, leased_until = :until
        where id in (select id from picked) returning id, project_id, endpoint_id, event_id, tries
    )
    select taken.id, :lease, taken.project_id, taken.endpoint_id, taken.event_id, taken.tries, event.type,
           event.subject, event.sequence, event.created_at, endpoint.kind, endpoint.payload, endpoint.updated_at
    from taken join events event on event.id = taken.event_id
    join webhook_endpoints endpoint on endpoint.id = taken.endpoint_id
""")  # noqa: S608 - no value of anybody's in it


def claim(session: Session, now: datetime, *, lease: str, lease_time: timedelta, places: Places, room_each: int,
          rooms: Mapping[str, Room]) -> Sequence[Due]:
    """Take deliveries that are due, as many as there are `places`, of the endpoints that have waited longest first.

    Projects take turns, so that many endpoints of one are not in the way of another's. Of one endpoint at most
    `room_each` are taken, or what `rooms` says for it: 0 for one that is left alone; and no more than its share of
    all places and of its project's, so that everybody gets one before anybody gets a second.
    """
    rows = session.execute(_CLAIM, {"now": now, "lease": lease, "until": now + lease_time, "room": places.room,
                                    "room_each": room_each, "known": list(rooms),
                                    "rooms": [each.most for each in rooms.values()],
                                    "seen": [each.seen for each in rooms.values()],
                                    "places_each": places.each, "projects": list(places.of_project),
                                    "places": list(places.of_project.values())})
    return [Due._make(row) for row in rows]


_GIVE_BACK = text("""
    update webhook_deliveries set lease = null, leased_until = null where id in (
        select delivery.id from webhook_deliveries delivery
        join unnest(cast(:ids as text[]), cast(:leases as text[])) as mine (id, lease)
            on mine.id = delivery.id and mine.lease = delivery.lease
        order by delivery.id for update of delivery)
""")


def give_back(session: Session, held: Collection[Due]) -> None:
    """These were not come to, or not to their end: they are due at once, for whoever is there."""
    if held:
        session.execute(_GIVE_BACK, {"ids": [each.id for each in held],
                                     "leases": [each.lease for each in held]})


_EXPEL = text(f"""
    with {_WAITING}, closed as (
        select endpoint.id, endpoint.deleted_at is not null as deleted
        from waiting join webhook_endpoints endpoint on endpoint.id = waiting.endpoint_id
        where endpoint.deleted_at is not null or endpoint.disabled_at is not null
    ), left_over as (
        select delivery.id, closed.deleted from webhook_deliveries delivery join closed on closed.id = endpoint_id
        where state = 'pending' and (lease is null or leased_until <= :now)
        limit :most for update of delivery skip locked
    )
    update webhook_deliveries delivery set state = 'failed', next_attempt_at = null, lease = null, leased_until = null,
        error = case when deleted then 'The endpoint was deleted.' else 'The endpoint is disabled.' end,
        error_class = case when deleted then :on_deleted else :on_disabled end
    from left_over where left_over.id = delivery.id
""")  # noqa: S608 - as above


def expel(session: Session, now: datetime, *, most: int) -> int:
    """Fail what waits for endpoints that take nothing any more; how many that were, which is `most` at most."""
    done = session.execute(_EXPEL, {"now": now, "most": most, "on_deleted": ErrorClass.ENDPOINT_DELETED.value,
                                    "on_disabled": ErrorClass.ENDPOINT_DISABLED.value})
    return int(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE's result has it
