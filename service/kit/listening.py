"""One connection to Postgres on which a process hears that something was committed, so that nobody needs to ask."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import psycopg
from psycopg import AsyncConnection, sql

from service.settings import settings

_log = logging.getLogger(__name__)
_QUIET_SECONDS = 15.0
"""After so long without a word the connection is tried, and everything is looked at that may have been missed."""
_ANSWER_SECONDS = 5.0
_LONGEST_PAUSE = 5.0


async def listen(channels: Sequence[str], *, name: str, hear: Callable[[str, str], None],
                 missed: Callable[[], None]) -> None:
    """Call `hear(channel, payload)` for each notice, and `missed()` whenever some may have been; never returns.

    `name` is what the connection is called in pg_stat_activity.
    """
    tries = 0
    while True:
        try:
            async with await _connect(name) as connection:
                for channel in channels:
                    await connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
                missed()
                tries = 0
                await _stay(connection, hear, missed)
        except (psycopg.Error, OSError, TimeoutError) as away:
            _log.log(logging.DEBUG if tries else logging.WARNING, "not listening to the database until it is back: %s",
                     type(away).__name__)
        await asyncio.sleep(min(_LONGEST_PAUSE, 0.1 * 2.0 ** min(tries, 10)))
        tries += 1


@asynccontextmanager
async def listening(channels: Sequence[str], *, name: str, hear: Callable[[str, str], None],
                    missed: Callable[[], None]) -> AsyncIterator[None]:
    """Listen for as long as the block runs."""
    task = asyncio.create_task(listen(channels, name=name, hear=hear, missed=missed))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _connect(name: str) -> AsyncConnection:
    return await AsyncConnection.connect(
        settings().database_url.get_secret_value(), autocommit=True, connect_timeout=5, application_name=name)


async def _stay(connection: AsyncConnection, hear: Callable[[str, str], None], missed: Callable[[], None]) -> None:
    while True:
        async for notice in connection.notifies(timeout=_QUIET_SECONDS):
            hear(notice.channel, notice.payload)
        async with asyncio.timeout(_ANSWER_SECONDS):
            await connection.execute("select 1")
        missed()
