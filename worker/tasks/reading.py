"""How tasks read large objects: in ranges of whole lines, telling how far they are."""

import time
from collections.abc import Callable, Iterator

from service.datasets.analysis.segments import Range, plan
from service.kit.storage import READ_BYTES, storage
from service.settings import settings
from worker.app import Running

_TELL_SECONDS = 1.0


def object_ranges(key: str, size: int) -> list[Range]:
    """Ranges of whole lines, each about as long as a segment."""
    return plan(size, lambda start, end: storage().read_range(key, start, end - start),
                target=settings().segment_bytes)


def object_bytes(key: str, start: int, end: int) -> Iterator[bytes]:
    """The bytes of an object from `start` up to `end`, some at a time."""
    for at in range(start, end, READ_BYTES):
        yield storage().read_range(key, at, min(READ_BYTES, end - at))


class Teller:
    """Passes progress on: to the heartbeat at once, to those who wait about once a second."""

    def __init__(self, running: Running, tell: Callable[[int], None]) -> None:
        self._running = running
        self._tell = tell
        self._next = time.monotonic() + _TELL_SECONDS

    def __call__(self, done: int) -> None:
        self._running.advance(done)
        if time.monotonic() >= self._next:
            self._tell(done)
            self._next = time.monotonic() + _TELL_SECONDS
