"""What every route of a stream takes: where to begin, and the process's hub."""

from typing import Annotated, Any, Literal

from fastapi import Depends, Header, Query, Request

from service.kit.schemas import PlainStr
from service.kit.streams.hub import Hub


def last_event_id(
        header: Annotated[PlainStr | None, Header(alias="Last-Event-ID", max_length=256, description=(
            "The id that came last: go on after it. Browsers send it when they reconnect."))] = None,
        last_event_id: Annotated[PlainStr | None, Query(max_length=256, description=(
            "The same for clients that set no headers; the header wins, for it is the later one."))] = None,
) -> str | None:
    return header or last_event_id


def hub(request: Request) -> Hub:
    found: Hub = request.app.state.streams
    return found


LastEventID = Annotated[str | None, Depends(last_event_id)]
Begin = Annotated[Literal["now", "beginning"], Query(
    alias="from", description="Where to begin without an id: with what happens from now on, or with all that is kept.")]
Streams = Annotated[Hub, Depends(hub)]
DESCRIBED: dict[int | str, dict[str, Any]] = {200: {"description": "Server-sent events, until the client leaves.",
                   "content": {"text/event-stream": {"schema": {"type": "string"}}}}}
"""For `responses=` of a route."""
