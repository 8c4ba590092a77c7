"""Questions about events, and which of them a caller wants to hear of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from service.events.errors import EventNotFound, UnknownEventType
from service.events.naming import types_among
from service.events.tables import Event
from service.kit.database import among
from service.kit.pagination import paginate


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which events a caller asks for; what is None narrows nothing."""

    types: frozenset[str] | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def covers(self, event: Event) -> bool:
        return ((self.types is None or event.type in self.types)
                and (self.subject is None or event.subject == self.subject)
                and (self.since is None or event.created_at >= self.since)
                and (self.until is None or event.created_at < self.until))

    def narrow(self, query: Select[Event]) -> Select[Event]:
        """The same in SQL."""
        if self.types is not None:
            query = query.where(among(Event.type, sorted(self.types)))
        if self.subject is not None:
            query = query.where(Event.subject == self.subject)
        if self.since is not None:
            query = query.where(Event.created_at >= self.since)
        if self.until is not None:
            query = query.where(Event.created_at < self.until)
        return query


def types_named(names: Sequence[str]) -> frozenset[str] | None:
    """The types that these names and groups (`fine_tuning.job.*`, `*`) stand for; None for no names.

    Raises UnknownEventType.
    """
    return frozenset(found for name in names for found in _types_of(name)) if names else None


def _types_of(name: str) -> list[str]:
    found = types_among([name])
    if not found:
        raise UnknownEventType(name)
    return found


def event(session: Session, event_id: str) -> Event:
    """The event with this id. Raises EventNotFound."""
    found = session.scalar(select(Event).where(Event.id == event_id))
    if found is None:
        raise EventNotFound(event_id)
    return found


def events(session: Session, wanted: Wanted, *, after: str | None, limit: int) -> tuple[Sequence[Event], bool]:
    """One page of events, newest first, and whether more follow."""
    return paginate(session, wanted.narrow(select(Event)), Event, after=after, limit=limit)
