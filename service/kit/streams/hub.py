"""All open streams of a process: who follows what, one reader for each thing followed, and when streams must end."""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from anyio import CapacityLimiter, to_thread
from sqlalchemy.exc import SQLAlchemyError

from service.kit.errors import Busy
from service.kit.listening import listen
from service.kit.streams.cursors import Cursor, Line, Page, mark
from service.settings import settings

_log = logging.getLogger(__name__)
_READERS = 4
"""Reads at once, each with a thread and a pooled connection for as long as it takes."""
_QUEUE = 500
"""Lines that wait for one slow client; beyond that it reads for itself again, at its own pace."""
_SHORTEST, _LONGEST = 0.01, 0.5
"""Pauses between looks at rows that wait for an older transaction: its end makes no notice of its own."""
_FAILED_SECONDS = 1.0
_CHECK_SECONDS = 60.0
_CONNECTION_NAME = "tuneworks streams"


@dataclass(frozen=True, slots=True)
class Source:
    """Something to follow: the channel and payload that tell of news, and how these are read (in a thread)."""

    channel: str
    name: str
    read: Callable[[Cursor], Page]

    @property
    def key(self) -> tuple[str, str]:
        return self.channel, self.name

    @property
    def mark(self) -> str:
        return mark(*self.key)


@dataclass(frozen=True, slots=True)
class Reader:
    """On whose behalf a stream is open, and whether they still may read (asked in a thread)."""

    project_id: str
    key_id: str
    may_read: Callable[[], bool]


class Follower:
    """One open stream: what waits to be sent to its client, and how far that client is."""

    __slots__ = ("cursor", "end", "feed", "heard", "lines", "reader", "stopped", "wants", "woken")

    def __init__(self, reader: Reader, cursor: Cursor, wants: Callable[[Line], bool]) -> None:
        self.reader = reader
        self.wants = wants
        self.cursor = cursor
        "Everything up to here was sent, or is not wanted."
        self.heard = cursor
        self.lines: deque[Line] = deque()
        self.end: bytes | None = None
        self.stopped = ""
        "Why it must end, once it must."
        self.woken = asyncio.Event()
        self.feed: Feed | None = None

    def hear(self, page: Page) -> None:
        self.lines.extend(line for line in page.lines if line.cursor > self.cursor and self.wants(line))
        self.heard, self.end = page.cursor, page.end
        if len(self.lines) > _QUEUE and self.feed is not None:
            self.feed.leave(self)
        if self.lines or self.end is not None or self.feed is None:
            self.woken.set()

    def stop(self, why: str) -> None:
        self.stopped = why
        self.woken.set()

    def take(self) -> list[Line]:
        """What waits, and is the client's business from now on."""
        taken = list(self.lines)
        self.lines.clear()
        return taken

    def caught_up(self) -> None:
        """Where nothing waits, all that was read is behind this client, though it may not have wanted any of it."""
        if self.feed is not None and not self.lines:
            self.cursor = max(self.cursor, self.heard)


class Feed:
    """The one reader of a source, for all that follow it."""

    def __init__(self, hub: "Hub", source: Source, cursor: Cursor) -> None:
        self._hub = hub
        self._source = source
        self.cursor = cursor
        self.woken = asyncio.Event()
        self._followers: set[Follower] = set()
        self._task = asyncio.create_task(self._run(), name=f"feed of {source.name}")

    def join(self, follower: Follower) -> None:
        self._followers.add(follower)
        follower.feed, follower.heard, follower.end = self, follower.cursor, None

    def leave(self, follower: Follower) -> None:
        """What waits is forgotten; the follower's cursor says where it goes on. Without followers nothing is read."""
        self._followers.discard(follower)
        follower.feed, follower.end = None, None
        follower.lines.clear()
        if not self._followers:
            self._hub.drop(self._source)
            self._task.cancel()

    async def _run(self) -> None:
        pause = _SHORTEST
        while True:
            self.woken.clear()
            try:
                page = await self._hub.read(self._source, self.cursor)
            except Exception as failed:  # noqa: BLE001 - one bad read must not silence those who follow for good
                _log.warning("cannot read what streams follow: %s", type(failed).__name__)
                await asyncio.sleep(_FAILED_SECONDS)
                continue
            self.cursor = page.cursor
            for follower in tuple(self._followers):
                follower.hear(page)
            if page.more:
                continue
            if page.behind:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.woken.wait(), pause)
                pause = min(_LONGEST, pause * 2)
            else:
                pause = _SHORTEST
                await self.woken.wait()


class Hub:
    """Made once per process, within its event loop. It connects to Postgres when the first stream is opened."""

    def __init__(self, channels: Sequence[str]) -> None:
        self._channels = channels
        self._limiter = CapacityLimiter(_READERS)
        self._feeds: dict[tuple[str, str], Feed] = {}
        self._followers: set[Follower] = set()
        self._open: Counter[str] = Counter()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopped = ""

    async def read(self, source: Source, after: Cursor) -> Page:
        """A page, read in a thread. Raises what the database does."""
        return await to_thread.run_sync(source.read, after, limiter=self._limiter)

    def enter(self, follower: Follower) -> None:
        """Count a stream that opens. Raises Busy when its project has as many as it may."""
        project_id, most = follower.reader.project_id, settings().streams_per_project
        if self._open[project_id] >= most:
            raise Busy(f"This project has {most} streams open, which is as many as it may. Close one first, or follow"
                       " several things with one: a stream takes several types.", retry_after=10,
                       code="too_many_streams")
        if not self._tasks:
            self._tasks = [asyncio.create_task(listen(self._channels, name=_CONNECTION_NAME, hear=self._hear,
                                                      missed=self._missed)),
                           asyncio.create_task(self._check_keys())]
        self._open[project_id] += 1
        self._followers.add(follower)
        if self._stopped:
            follower.stop(self._stopped)

    def exit(self, follower: Follower) -> None:
        self._followers.discard(follower)
        project_id = follower.reader.project_id
        self._open[project_id] -= 1
        if not self._open[project_id]:
            del self._open[project_id]
        if follower.feed is not None:
            follower.feed.leave(follower)

    def join(self, source: Source, follower: Follower) -> bool:
        """Have a follower hear what is read from now on; whether it must read up to there itself, having joined."""
        feed = self._feeds.get(source.key)
        if feed is None:
            feed = self._feeds[source.key] = Feed(self, source, follower.cursor)
        feed.join(follower)
        return feed.cursor > follower.cursor

    def drop(self, source: Source) -> None:
        del self._feeds[source.key]

    def stop(self, why: str = "the server stops") -> None:
        """End every stream in an orderly way, also those that open from now on; what follows them reconnects."""
        self._stopped = why
        for follower in self._followers:
            follower.stop(why)

    async def close(self) -> None:
        """Stop for good."""
        self.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _hear(self, channel: str, payload: str) -> None:
        feed = self._feeds.get((channel, payload))
        if feed is not None:
            feed.woken.set()

    def _missed(self) -> None:
        for feed in self._feeds.values():
            feed.woken.set()

    async def _check_keys(self) -> None:
        """Once a minute, whether the key that opened a stream may still read; one question per key."""
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            await self.check_keys()

    async def check_keys(self) -> None:
        readers = {follower.reader.key_id: follower.reader for follower in self._followers}
        for key_id, reader in readers.items():
            try:
                valid = await to_thread.run_sync(reader.may_read, limiter=self._limiter)
            except SQLAlchemyError:
                return  # the database is away; it is asked again in a minute
            for follower in [each for each in self._followers if each.reader.key_id == key_id and not valid]:
                follower.stop("the key is no longer valid")
