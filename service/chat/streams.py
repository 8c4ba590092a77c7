"""Streams of a chat server that are passed on line by line, and are left with the caller who leaves."""

from collections.abc import AsyncGenerator, AsyncIterator

import aiohttp
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


class Lines:
    """The lines of an answer that has begun well. Whoever gets them closes them, whether or not they were read."""

    def __init__(self, answer: aiohttp.ClientResponse, lines: AsyncGenerator[bytes]) -> None:
        self._answer = answer
        self._lines = lines

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._lines

    async def close(self) -> None:
        """Leave the server: a generator that nobody has begun to read does nothing of its own when it ends."""
        self._answer.close()
        await self._lines.aclose()


class Streamed(StreamingResponse):
    """Passes lines on until they end or the caller is gone; the server is left in either case."""

    def __init__(self, lines: Lines, headers: dict[str, str]) -> None:
        super().__init__(lines, media_type="text/event-stream", headers={"cache-control": "no-cache"} | headers)
        self._passed = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._passed.close()
