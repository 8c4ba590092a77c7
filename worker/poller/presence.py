"""Shows that a poller works: a connection by its name, which asks something at each sweep of the loop.

`tuneworks doctor` and the supervisor look for it in pg_stat_activity; a frozen poller's last question grows old there.
"""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import psycopg

from service.settings import settings

APPLICATION_NAME = "tuneworks poller"
_SECONDS = 5.0
_EVERY_SECONDS = 5.0


class Presence:
    """A context. Raises OSError when the database cannot be told."""

    def __init__(self) -> None:
        self._connection: psycopg.Connection[Any] | None = None
        self._told_at = float("-inf")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        self._close()

    async def tell(self) -> None:
        """Once every few seconds, however often it is called."""
        now = asyncio.get_running_loop().time()
        if now - self._told_at < _EVERY_SECONDS:
            return
        try:
            await asyncio.to_thread(self._ask)
        except psycopg.Error as trouble:
            self._close()
            raise ConnectionError(str(trouble)) from trouble
        self._told_at = now

    def _ask(self) -> None:
        if self._connection is None:
            self._connection = psycopg.connect(
                settings().database_url.get_secret_value(), autocommit=True, application_name=APPLICATION_NAME,
                connect_timeout=int(_SECONDS), options=f"-c statement_timeout={int(_SECONDS * 1000)}")
        self._connection.execute("select 1")

    def _close(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None
