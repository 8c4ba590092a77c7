"""Appending events, in the transaction that makes them true."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.events.tables import Event
from service.events.types import EventType
from service.kit.identifiers import new_id

CHANNEL = "tuneworks_events"
"""The NOTIFY channel that wakes senders and streams when a transaction with new events commits; says the project."""


def append(session: Session, type_: EventType, subject: str, *, project_id: str,
           data: dict[str, Any] | None = None) -> Event:
    """Record that something happened; whoever listens is told once the transaction has committed.

    `data` is what the fact adds to the subject's id, which a receiver gets in any case.
    """
    event = Event(id=new_id("evt_"), project_id=project_id, type=type_.value, subject=subject,
                  sequence=_next(session, project_id, subject), data={"id": subject, **(data or {})})
    session.add(event)
    session.flush()
    _announce(session, project_id)
    return event


def append_once(session: Session, type_: EventType, subject: str, *, project_id: str, dedupe_key: str,
                data: dict[str, Any] | None = None) -> bool:
    """The same for a fact that is found out again and again, by several at once too; whether it was told by this."""
    event_id = new_id("evt_")
    sequence = _next(session, project_id, subject)
    made = session.execute(insert(Event).values(
        id=event_id, project_id=project_id, type=type_.value, subject=subject, sequence=sequence,
        dedupe_key=dedupe_key, data={"id": subject, **(data or {})})
        .on_conflict_do_nothing(index_elements=["project_id", "dedupe_key"]).returning(Event.id)).scalar()
    if made is None:
        session.execute(_TAKE_BACK, {"project_id": project_id, "subject": subject})
    else:
        _announce(session, project_id)
    return made is not None


_NEXT = text("""
    insert into event_sequences as told (id, project_id, subject, last) values (:id, :project_id, :subject, 1)
    on conflict (project_id, subject) do update set last = told.last + 1 returning last
""")
_TAKE_BACK = text("""
    update event_sequences set last = last - 1 where project_id = :project_id and subject = :subject
""")


def _next(session: Session, project_id: str, subject: str) -> int:
    sequence: int = session.execute(_NEXT, {"id": new_id("seq_"), "project_id": project_id,
                                            "subject": subject}).scalar_one()
    return sequence


def _announce(session: Session, project_id: str) -> None:
    session.execute(text("select pg_notify(:channel, :project)"), {"channel": CHANNEL, "project": project_id})


def latest(session: Session, subject: str, types: Collection[EventType], *, project_id: str) -> EventType | None:
    """Which of these happened last to a subject; None when none did."""
    found = session.scalar(select(Event.type).where(
        Event.project_id == project_id, Event.subject == subject, Event.type.in_([each.value for each in types]))
        .order_by(Event.position.desc()).limit(1))
    return EventType(found) if found is not None else None
