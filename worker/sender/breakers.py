"""How many deliveries an endpoint may have under way: pure arithmetic, over a time that is handed in."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from threading import Lock

from service.webhooks.operations import Due, Room
from service.webhooks.outcomes import ErrorClass
from service.webhooks.replies import Reply

OPENS_AT = 5
"""So many failures in a row open a breaker."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(minutes=5)
LONGEST_REST = timedelta(hours=1)
"""An endpoint that asks to be left alone is, for so long at most; its deliveries have times of their own."""
_ANSWERED = frozenset({ErrorClass.REDIRECT, ErrorClass.CLIENT_ERROR, ErrorClass.GONE})
"""Failures of an endpoint that is well: it costs little to ask it again."""


class Breaker:
    """What is known of one endpoint.

    closed ──OPENS_AT failures in a row──▶ open ──its pause is over──▶ half-open: one delivery, which decides:
    an answer closes the breaker, a failure opens it again for longer.
    """

    def __init__(self, seen: datetime) -> None:
        self.seen = seen
        "When the endpoint that it is about had been updated last."
        self.failures = 0
        self._not_before: datetime | None = None

    @property
    def knows_nothing(self) -> bool:
        return not self.failures and self._not_before is None

    def room(self, now: datetime, *, most: int) -> int:
        """How many may be under way now."""
        if self._not_before is not None and now < self._not_before:
            return 0
        return 1 if self.failures >= OPENS_AT else most

    def note(self, reply: Reply, now: datetime) -> None:
        """An attempt ended."""
        if reply.accepted or reply.error_class in _ANSWERED:
            self.failures, self._not_before = 0, None
            return
        self.failures += 1
        pauses = []
        if self.failures >= OPENS_AT:
            pauses.append(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self.failures - OPENS_AT, 10)))
        if reply.error_class is ErrorClass.THROTTLED and reply.retry_after:
            pauses.append(min(LONGEST_REST, timedelta(seconds=reply.retry_after)))
        if pauses:
            self._not_before = max(now + max(pauses), self._not_before or now)


class Breakers:
    """Those of all endpoints that something is to be said of; what is well takes no room here.

    Attempts end in the event loop while a thread asks for rooms.
    """

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._known: dict[str, Breaker] = {}
        self._lock = Lock()

    def note(self, due: Due, reply: Reply, now: datetime) -> None:
        """An attempt ended. What was known of the endpoint before its owner updated it says nothing of it now."""
        with self._lock:
            self._note(due, reply, now)

    def _note(self, due: Due, reply: Reply, now: datetime) -> None:
        breaker = self._known.get(due.endpoint_id)
        if breaker is not None and breaker.seen > due.endpoint_updated_at:
            return
        if breaker is None or breaker.seen < due.endpoint_updated_at:
            breaker = self._known[due.endpoint_id] = Breaker(due.endpoint_updated_at)
        breaker.note(reply, now)
        if breaker.knows_nothing:
            del self._known[due.endpoint_id]

    def rooms(self, now: datetime, under_way: Mapping[str, int]) -> dict[str, Room]:
        """How many more each endpoint may get, of those that may get less than any other.

        Only one that nothing is under way to is tried because it was updated: what is under way may be that try.
        """
        with self._lock:
            rooms = {endpoint_id: Room(breaker.room(now, most=self._most), breaker.seen)
                     for endpoint_id, breaker in self._known.items()}
        for endpoint_id, number in under_way.items():
            most = rooms[endpoint_id].most if endpoint_id in rooms else self._most
            rooms[endpoint_id] = Room(max(0, most - number))
        return {endpoint_id: room for endpoint_id, room in rooms.items() if room.most < self._most}

    def states(self) -> Counter[str]:
        """How many are open and how many have merely failed lately."""
        return Counter("open" if each.failures >= OPENS_AT else "closed" for each in self._known.values())
