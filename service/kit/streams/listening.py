"""One connection to Postgres on which a process hears that something was committed, for all of its streams."""

import asyncio
import logging
from collections.abc import Callable, Sequence

import psycopg
from psycopg import AsyncConnection, sql

from service.settings import settings

_log = logging.getLogger(__name__)
_QUIET_SECONDS = 15.0
"""After so long without a word the connection is tried, and everything is looked at that may have been missed."""
_ANSWER_SECONDS = 5.0
_LONGEST_PAUSE = 5.0


async def listen(channels: Sequence[str], *, hear: Callable[[str, str], None], missed: Callable[[], None]) -> None:
    """Call `hear(channel, payload)` for each notice, and `missed()` whenever some may have been; never returns."""
    pause = 0.1
    while True:
        try:
            async with await _connect(channels) as connection:
                missed()
                pause = 0.1
                await _stay(connection, hear, missed)
        except (psycopg.Error, OSError, TimeoutError) as away:
            _log.warning("not listening to the database, again in %.1f s: %s", pause, type(away).__name__)
        await asyncio.sleep(pause)
        pause = min(_LONGEST_PAUSE, pause * 2)


async def _connect(channels: Sequence[str]) -> AsyncConnection:
    connection = await AsyncConnection.connect(
        settings().database_url.get_secret_value(), autocommit=True, connect_timeout=5,
        application_name="tuneworks streams")
    for channel in channels:
        await connection.execute(sql.SQL("listen {}").format(sql.Identifier(channel)))
    return connection


async def _stay(connection: AsyncConnection, hear: Callable[[str, str], None], missed: Callable[[], None]) -> None:
    while True:
        async for notice in connection.notifies(timeout=_QUIET_SECONDS):
            hear(notice.channel, notice.payload)
        async with asyncio.timeout(_ANSWER_SECONDS):
            await connection.execute("select 1")
        missed()
