"""HTTP face of events: what happened in the project, as a list and as a stream."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query

from service.events import following, queries, schemas, tables
from service.events.errors import EndlessStream
from service.events.queries import Wanted
from service.kit.pagination import After, page_of
from service.kit.schemas import PlainStr
from service.kit.streams import asking
from service.kit.streams.answering import EventStream
from service.kit.streams.hub import Follower
from service.tenants.access import CurrentProject, ProjectSession, StreamReader, in_transaction

router = APIRouter(prefix="/v1/events", tags=["Events"])
EventID = Annotated[PlainStr, Path(max_length=256, description="Id of the event: evt_…")]
Limit = Annotated[int, Query(ge=1, le=100, description="How many to return, at most.")]
Moment = Annotated[int | None, Query(ge=0, le=253_402_300_799)]
"""Unix seconds, up to the last that Python and Postgres agree on."""


def wanted(types: Annotated[list[Annotated[PlainStr, Query(max_length=256)]] | None, Query(
               alias="type", max_length=100,
               description="Only events of this type, or of a group such as `fine_tuning.job.*`; may be repeated.")
           ] = None,
           subject: Annotated[PlainStr | None, Query(
               max_length=256, description="Only what happened to the object with this id.")] = None,
           since: Annotated[Moment, Query(description="Only events of this moment or later, in Unix seconds.")] = None,
           until: Annotated[Moment, Query(description="Only events before this moment, in Unix seconds.")] = None,
           ) -> Wanted:
    """The events that a caller asks for. Raises UnknownEventType."""
    return Wanted(types=queries.types_named(types or []), subject=subject, since=_moment(since), until=_moment(until))


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


WantedEvents = Annotated[Wanted, Depends(wanted)]


@router.get("", response_model=schemas.EventList, operation_id="listEvents")
def list_events(session: ProjectSession, chosen: WantedEvents, after: After = None,
                limit: Limit = 20) -> dict[str, Any]:
    """List the project's events, newest first."""
    rows, more = queries.events(session, chosen, after=after, limit=limit)
    return page_of(rows, has_more=more)


@router.get("/stream", operation_id="streamEvents", response_class=EventStream, responses=asking.DESCRIBED)
async def stream(caller: CurrentProject, reader: StreamReader, hub: asking.Streams, chosen: WantedEvents,
                 last_id: asking.LastEventID = None, begin: asking.Begin = "now") -> EventStream:
    """Follow the project's events as server-sent events: `event` is the type, `data` the event, `id` its id.

    A client that comes back with the last id it got misses nothing and gets nothing twice. Frames without data keep
    that id fresh, so that this holds before the first event too. Comments come every 15 seconds.
    """
    if chosen.until is not None:
        raise EndlessStream
    cursor = await in_transaction(caller, following.start, caller.project_id, last_id=last_id, begin=begin)
    follower = Follower(reader, cursor, lambda line: chosen.covers(line.about))
    return EventStream(hub, following.source(caller.project_id), follower)


@router.get("/{event_id}", response_model=schemas.Event, operation_id="retrieveEvent")
def retrieve(event_id: EventID, session: ProjectSession) -> tables.Event:
    """Retrieve one event."""
    return queries.event(session, event_id)
