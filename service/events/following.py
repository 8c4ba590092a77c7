"""A project's events as a source of streams."""

from typing import Literal

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.events.operations import CHANNEL
from service.events.schemas import Event as Shown
from service.events.tables import Event
from service.kit.database import Scope, transaction
from service.kit.streams import cursors
from service.kit.streams.answering import frame
from service.kit.streams.cursors import Cursor, Line, Page
from service.kit.streams.hub import Source

_PAGE = 200


def source(project_id: str) -> Source:
    """All events of the project, whoever follows which of them."""
    query = select(Event).where(Event.project_id == project_id)

    def read(after: Cursor) -> Page:
        with transaction(Scope.project(project_id)) as session:
            return cursors.read(session, query, Event, after, _PAGE, _line)
    return Source(CHANNEL, project_id, read)


def start(session: Session, project_id: str, *, last_id: str | None, begin: Literal["now", "beginning"]) -> Cursor:
    """Where a stream of this project begins, whose transaction it is. Raises UnknownPlace."""
    return cursors.start(session, lambda event_id: select(Event).where(Event.id == event_id),
                         marked=cursors.mark(CHANNEL, project_id), last_id=last_id, begin=begin)


def _line(event: Event) -> Line:
    data = Shown.model_validate(event).model_dump_json()
    return Line(cursors.cursor_of(event), frame(event.id, event.type, data), event)
