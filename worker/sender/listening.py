"""Hears from Postgres that events were committed, so that nothing waits for the next sweep."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

import psycopg

from service.events.operations import CHANNEL
from service.settings import settings

_log = logging.getLogger(__name__)
_PATIENCE_SECONDS = 2.0
_PROBE_SECONDS = 30.0


class Listener:
    """A context that calls `heard` for each notification. While it cannot listen, sweeps find what is there."""

    def __init__(self, heard: Callable[[], None]) -> None:
        self._heard = heard

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._listen_always())
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _listen_always(self) -> None:
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError) as trouble:
                _log.debug("cannot listen: %s", trouble)
            await asyncio.sleep(_PATIENCE_SECONDS)

    async def _listen(self) -> None:
        """Until the connection breaks; a question now and then finds out that it has."""
        async with await psycopg.AsyncConnection.connect(
                settings().database_url.get_secret_value(), autocommit=True, connect_timeout=5,
                application_name="tuneworks sender listens") as connection:
            await connection.execute(f"listen {CHANNEL}")
            self._heard()  # what was told before this is heard of by nobody else
            while True:
                async for _ in connection.notifies(timeout=_PROBE_SECONDS, stop_after=1):
                    self._heard()
                await connection.execute("select 1")
