"""What a sender asks of the database at each turn of its loop, each in a transaction of its own and in a thread."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from service.events.tables import Event
from service.jobs.tables import JobEvent
from service.kit.database import DISPATCH, database_now, mend_streams, transaction
from service.kit.identifiers import new_id
from service.mail import operations as mail
from service.settings import settings
from service.webhooks import operations as webhooks
from service.webhooks.operations import Composed, Due, Ended, Places, Room
from service.webhooks.replies import Reply
from service.webhooks.tables import WebhookEndpoint

_log = logging.getLogger(__name__)
Clock = Callable[[Session], datetime]
Planner = Callable[[Session, Sequence[str]], None]
PLANNERS: tuple[Planner, ...] = (mail.plan,)
"""Who else plans from events, in the transaction that tells them; each is given the ids of those just told."""
EVENTS_AT_ONCE = 500
_STREAMED = (Event.__tablename__, JobEvent.__tablename__)
_EXPELLED_AT_ONCE = 1000
_FORGOTTEN_AT_ONCE = 2000
_LEASES_OF_TIMEOUT = 3
_SHORTEST_LEASE = timedelta(seconds=5)
_KNOWN_ENDPOINTS = 10_000


@dataclass(frozen=True, slots=True)
class Claimed:
    """What came of one claim: messages to send, made as of `now`."""

    now: datetime
    composed: Sequence[Composed]


class Turns:
    """One sender's way to the database; `clock` says what time it is, and by default asks Postgres."""

    def __init__(self, clock: Clock = database_now) -> None:
        self._clock = clock
        self._known: dict[str, WebhookEndpoint] = {}
        self._lease_time = max(_SHORTEST_LEASE, timedelta(
            seconds=_LEASES_OF_TIMEOUT * settings().webhook_timeout_seconds))

    def mend(self) -> None:
        """Once, when a sender starts."""
        with transaction(DISPATCH) as session:
            mend_streams(session, _STREAMED)

    def plan(self) -> int:
        """How many events were told; EVENTS_AT_ONCE when there may be more."""
        with transaction(DISPATCH) as session:
            told = webhooks.plan(session, self._clock(session), most=EVENTS_AT_ONCE)
            for planner in PLANNERS if told else ():
                planner(session, told)
        return len(told)

    def claim(self, rooms: Callable[[datetime], Mapping[str, Room]], places: Places) -> Claimed:
        """Deliveries for these places; `rooms` says at a time how much the endpoints may get that are not to get all.
        """
        with transaction(DISPATCH) as session:
            now = self._clock(session)
            due = webhooks.claim(session, now, lease=new_id("lease_"), lease_time=self._lease_time, places=places,
                                 room_each=settings().webhook_concurrency, rooms=rooms(now))
            events = self._load(session, due)
        return Claimed(now, list(webhooks.compose(due, self._known, events, now)))

    def _load(self, session: Session, due: Sequence[Due]) -> Mapping[str, Event]:
        """What is sent, one by one if it must be; what cannot be read is left out, so that no message is made of it."""
        if len(self._known) > _KNOWN_ENDPOINTS:
            self._known.clear()
        try:
            return webhooks.load(session, due, self._known)
        except DBAPIError:
            raise
        except Exception:  # noqa: BLE001 - whatever it is, it would come again with each turn, and block all others
            _log.exception("what %d deliveries are to say cannot be read, %s among them", len(due), due[0].id)
        return {} if len(due) == 1 else {
            event_id: event for each in due for event_id, event in self._load(session, [each]).items()}

    def record(self, ended: Sequence[Ended]) -> datetime:
        """Write all of it down, one by one if it must be; returns when that was. Raises DBAPIError in an outage."""
        try:
            return self._record(ended)
        except (OperationalError, InterfaceError, PoolTimeout):
            raise
        except Exception as trouble:  # noqa: BLE001 - whatever it is, it would come again with each turn
            if len(ended) == 1:
                return self._record_bare(ended[0], type(trouble).__name__)
            _log.warning("attempts cannot be written down together, so each is by itself: %s", type(trouble).__name__)
        return [self.record([each]) for each in ended][-1]

    def _record_bare(self, ended: Ended, why: str) -> datetime:
        """An attempt that Postgres refuses is kept without what was said: it must not be made for ever.

        The log names no more than the kind of trouble: its message may quote what was said.
        """
        _log.error("the attempt of %s cannot be written down as it was: %s", ended.due.id, why)
        bare = Reply(ended.reply.status, error=ended.reply.error and "What came of it could not be kept.",
                     error_class=ended.reply.error_class, latency_ms=ended.reply.latency_ms)
        return self._record([replace(ended, reply=bare)])

    def _record(self, ended: Sequence[Ended]) -> datetime:
        with transaction(DISPATCH) as session:
            now = self._clock(session)
            webhooks.record(session, ended, now)
        return now

    def expel(self) -> int:
        with transaction(DISPATCH) as session:
            return webhooks.expel(session, self._clock(session), most=_EXPELLED_AT_ONCE)

    def forget(self) -> int:
        """How many rows went; 0 when no old ones are left."""
        with transaction(DISPATCH) as session:
            before = self._clock(session) - timedelta(days=settings().events_days)
            return webhooks.forget(session, before=before, most=_FORGOTTEN_AT_ONCE)

    def give_back(self, held: Sequence[Due]) -> None:
        with transaction(DISPATCH) as session:
            webhooks.give_back(session, held)
