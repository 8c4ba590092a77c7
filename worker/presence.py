"""What processes that live by the database alone share: they show that they work, and wait while it is away.

`tuneworks doctor` and the supervisor look for the connection of a process by its name in pg_stat_activity; it asks
something at each sweep of the loop, and of a frozen process the last question grows old there.
"""

import asyncio
import logging
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import psycopg

from service.settings import settings

_log = logging.getLogger(__name__)
_SECONDS = 5.0
_EVERY_SECONDS = 5.0
_PATIENCE_SECONDS = 2.0
_LONGEST_PATIENCE = 30.0


class Presence:
    """A context. Raises OSError when the database cannot be told."""

    def __init__(self, application_name: str) -> None:
        self._application_name = application_name
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
                settings().database_url.get_secret_value(), autocommit=True, application_name=self._application_name,
                connect_timeout=int(_SECONDS), options=f"-c statement_timeout={int(_SECONDS * 1000)}")
        self._connection.execute("select 1")

    def _close(self) -> None:
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None


class Outage:
    """The database's absence: told once, with what to look at, and waited out with longer and longer pauses."""

    def __init__(self, process: str) -> None:
        self._process = process
        self._tries = 0

    def wait(self, trouble: Exception) -> float:
        """For how many seconds to leave the database alone."""
        cause = str(getattr(trouble, "orig", None) or trouble).strip().partition("\n")[0]
        if self._tries == 0:
            _log.warning("the database of TUNEWORKS_DATABASE_URL cannot be asked: %s. `tuneworks doctor` tells what is"
                         " missing; if `tuneworks up` runs it from another directory, set TUNEWORKS_DATA_DIR to that"
                         " one. The %s goes on when the database answers.", cause, self._process)
        else:
            _log.debug("database still unavailable: %s", cause)
        self._tries += 1
        return min(_LONGEST_PATIENCE, _PATIENCE_SECONDS * 2.0 ** min(self._tries - 1, 10))

    def over(self) -> None:
        """It answers."""
        if self._tries:
            _log.info("the database answers again")
        self._tries = 0
