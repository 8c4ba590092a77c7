"""Makes the signed message of a delivery; what it needs of the endpoint and the event is read behind their wall."""

from collections.abc import Collection, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.events.tables import Event
from service.kit.database import Scope, among, within
from service.webhooks import bodies, signatures
from service.webhooks.operations.claiming import Due
from service.webhooks.sending import Message
from service.webhooks.tables import WebhookEndpoint


@dataclass(frozen=True, slots=True)
class Composed:
    due: Due
    message: Message | None
    "None when it cannot be made."
    fault: str = ""
    "Why not; the cause is on our side."


def load(session: Session, due: Iterable[Due], known: MutableMapping[str, WebhookEndpoint]) -> Mapping[str, Event]:
    """Read what `known` lacks of the endpoints, or has in an older form, and the events that are sent in full.

    The session may be one of any role: each project is entered by its own name.
    """
    events: dict[str, Event] = {}
    for project_id, theirs in groupby(sorted(due, key=lambda each: each.project_id), lambda each: each.project_id):
        listed = list(theirs)
        endpoints = {each.endpoint_id for each in listed if not _is_known(each, known)}
        full = {each.event_id for each in listed if not _is_thin(each)}
        for endpoint_id in endpoints:
            known.pop(endpoint_id, None)  # or its old form would be taken for it if it cannot be read
        if endpoints or full:
            with within(session, Scope.project(project_id)):
                known.update((found.id, found) for found in _endpoints(session, endpoints))
                events.update((found.id, found) for found in _events(session, full))
    return events


def _is_known(due: Due, known: Mapping[str, WebhookEndpoint]) -> bool:
    found = known.get(due.endpoint_id)
    return found is not None and found.updated_at == due.endpoint_updated_at


def _is_thin(due: Due) -> bool:
    return due.kind == "webhook" and due.payload == "thin"


def _endpoints(session: Session, ids: Collection[str]) -> Iterable[WebhookEndpoint]:
    if not ids:
        return ()
    return session.scalars(select(WebhookEndpoint).where(among(WebhookEndpoint.id, ids)))


def _events(session: Session, ids: Collection[str]) -> Iterable[Event]:
    if not ids:
        return ()
    return session.scalars(select(Event).where(among(Event.id, ids)))


def compose(due: Iterable[Due], known: Mapping[str, WebhookEndpoint], events: Mapping[str, Event],
            now: datetime) -> Iterator[Composed]:
    """A message for each; a fault of ours in one of them is no other's."""
    made: dict[tuple[str, str, str], bytes] = {}
    for each in due:
        endpoint = known.get(each.endpoint_id)
        if endpoint is None:
            yield Composed(each, None, "The endpoint is not there.")
            continue
        try:
            key = (each.event_id, each.kind, each.payload)
            if key not in made:
                made[key] = bodies.body(events[each.event_id] if not _is_thin(each) else _told(each), endpoint)
            yield Composed(each, signed(endpoint, each.id, now, made[key]))
        except Exception as trouble:  # noqa: BLE001 - whatever is wrong with one must not keep the others
            yield Composed(each, None, f"The message could not be made: {type(trouble).__name__}.")


class _Told(NamedTuple):
    """What a thin message says; the rest of the event is not read for it."""

    id: str
    type: str
    subject: str
    sequence: int
    created_at: datetime
    data: dict[str, Any]


def _told(due: Due) -> _Told:
    return _Told(due.event_id, due.event_type, due.subject, due.sequence, due.happened_at, {"id": due.subject})


def signed(endpoint: WebhookEndpoint, message_id: str, now: datetime, body: bytes) -> Message:
    """The message with one signature for each of the endpoint's keys."""
    keys = endpoint.signing_keys(now)
    return Message(endpoint.url, signatures.headers(keys, message_id, int(now.timestamp()), body), body)
