"""The answer that is a stream of server-sent events: catches up, follows, keeps the line warm, and ends well."""

import asyncio
import time
from collections.abc import Iterable

from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.kit.streams.cursors import Line, Page, token
from service.kit.streams.hub import Follower, Hub, Source
from service.settings import settings

HEARTBEAT_SECONDS = 15.0
_STALLED_SECONDS = 30.0
"""A client that takes nothing for so long is gone, or as good as gone."""
_FAILED_SECONDS = 1.0
_RETRY_MILLISECONDS = 2000
_BATCH = 64


class _Stalled(Exception):
    pass


def frame(id_: str, event: str, data: str) -> bytes:
    """One event; `data` is JSON, which has no line breaks of its own."""
    return f"id: {id_}\nevent: {event}\ndata: {data}\n\n".encode()


class EventStream(Response):
    """What routes return; FastAPI calls it, and it lives as long as its client, its key and this process let it."""

    media_type = "text/event-stream"

    def __init__(self, hub: Hub, source: Source, follower: Follower, status_code: int = 200) -> None:
        self.status_code = status_code
        self.background = None
        self.init_headers({"cache-control": "no-store", "x-accel-buffering": "no"})
        self._hub = hub
        self._source = source
        self._follower = follower
        self._ends_at = time.monotonic() + settings().stream_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        self._hub.enter(self._follower)
        listener = asyncio.create_task(self._await_disconnect(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await self._follow(send)
        except _Stalled:
            return
        finally:
            listener.cancel()
            self._hub.exit(self._follower)

    async def _await_disconnect(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._follower.stop("the client left")

    async def _follow(self, send: Send) -> None:
        follower = self._follower
        await self._send(send, f"retry: {_RETRY_MILLISECONDS}\n{self._place()}".encode())
        last = None
        while last is None and not follower.stopped:
            if follower.feed is None:  # at first, and whenever it was too slow
                last = await self._catch_up(send)
                if last is None and not follower.stopped and self._hub.join(self._source, follower):
                    last = await self._catch_up(send)
                continue
            last = await self._listen(send)
            if last is None and time.monotonic() >= self._ends_at:
                follower.stop("as long as streams last; come back")
        await self._send(send, last or f": {follower.stopped}\n{self._place()}".encode(), more=False)

    async def _catch_up(self, send: Send) -> bytes | None:
        """Send what is there already, at the client's pace; the last frame of all, if there is one."""
        follower = self._follower
        while not follower.stopped:
            page = await self._read()
            if page is None:
                continue
            await self._send_lines(send, (line for line in page.lines
                                          if line.cursor > follower.cursor and follower.wants(line)))
            if follower.stopped:
                return None
            follower.cursor = max(follower.cursor, page.cursor)
            if page.end is not None or not page.more:
                return page.end
        return None

    async def _read(self) -> Page | None:
        try:
            return await self._hub.read(self._source, self._follower.cursor)
        except SQLAlchemyError:  # the database is away, and the client has its answer's head
            await asyncio.sleep(_FAILED_SECONDS)
            return None

    async def _listen(self, send: Send) -> bytes | None:
        """Wait for news and send them, or a sign of life; the last frame of all, if there is one."""
        follower = self._follower
        try:
            async with asyncio.timeout(min(HEARTBEAT_SECONDS, max(0.0, self._ends_at - time.monotonic()))):
                await follower.woken.wait()
        except TimeoutError:
            if not follower.lines:
                follower.caught_up()
                await self._send(send, f": still here\n{self._place()}".encode())
            return None
        follower.woken.clear()
        end = follower.end
        await self._send_lines(send, (line for line in follower.take() if line.cursor > follower.cursor))
        if not follower.stopped:
            follower.caught_up()
        return end

    def _place(self) -> str:
        """A frame without data: clients keep its id and tell their program nothing."""
        return f"id: {token(self._follower.cursor, self._source.mark)}\n\n"

    async def _send_lines(self, send: Send, lines: Iterable[Line]) -> None:
        waiting = list(lines)
        for first in range(0, len(waiting), _BATCH):
            batch = waiting[first:first + _BATCH]
            await self._send(send, b"".join(line.frame for line in batch))
            self._follower.cursor = batch[-1].cursor
            if self._follower.stopped:
                return

    @staticmethod
    async def _send(send: Send, body: bytes, *, more: bool = True) -> None:
        try:
            async with asyncio.timeout(_STALLED_SECONDS):
                await send({"type": "http.response.body", "body": body, "more_body": more})
        except TimeoutError:
            raise _Stalled from None
