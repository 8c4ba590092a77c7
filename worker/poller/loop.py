"""The loop of one poller: takes turns at credentials, carries them out side by side, and gives back what it leaves."""

import asyncio
import logging
import random
import time
from contextlib import suppress

import aiohttp
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.kit.database import DISPATCH, transaction
from service.settings import settings
from worker.poller import asking, claiming
from worker.poller.claiming import Turn
from worker.poller.opening import Open, opened
from worker.poller.pacing import Circuit, TokenBucket
from worker.poller.turns import Visit
from worker.presence import Outage, Presence

_log = logging.getLogger(__name__)
APPLICATION_NAME = "tuneworks poller"
"""By which `tuneworks doctor` finds live pollers in pg_stat_activity."""
_SWEEP_SECONDS = 1.0
_TURNS_AT_ONCE = 32
_STOP_SECONDS = 10.0
_FORGOTTEN_SECONDS = 3600.0


class Servers:
    """What this poller knows of each credential's server from one turn to the next."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Circuit, TokenBucket]] = {}
        self._used: dict[str, float] = {}

    def of(self, turn: Turn) -> tuple[Circuit, TokenBucket]:
        rate = settings().poll_requests_per_second
        if turn.credential_id not in self._known:
            self._known[turn.credential_id] = (Circuit(time.monotonic, failures=turn.failures),
                                               TokenBucket(rate, 2 * rate, time.monotonic))
        self._used[turn.credential_id] = time.monotonic()
        return self._known[turn.credential_id]

    def blocked(self) -> set[str]:
        """Credentials whose servers are left alone now, whatever a hint says."""
        self._forget()
        return {credential_id for credential_id, (circuit, _) in self._known.items() if circuit.blocks}

    def _forget(self) -> None:
        """Credentials that nothing is asked with any more must not gather here."""
        old = time.monotonic() - _FORGOTTEN_SECONDS
        for credential_id in [each for each, used in self._used.items() if used < old]:
            if not self._known[credential_id][0].blocks:
                del self._known[credential_id], self._used[credential_id]


class Poller:
    """One process's poller. `open_` opens the way to a credential's server."""

    def __init__(self, open_: Open = opened) -> None:
        self._open = open_
        self._stopping = asyncio.Event()
        self._servers = Servers()
        self._outage = Outage("poller")
        self._visits: dict[str, asyncio.Task[None]] = {}

    def stop(self) -> None:
        self._stopping.set()

    async def run(self) -> None:
        """Until told to stop; trouble with the database is waited out. What was not come to is given back."""
        timeout = min(settings().poll_timeout_seconds, settings().poll_lease_seconds / 2)
        async with asking.client(timeout) as client, Presence(APPLICATION_NAME) as presence:
            _log.info("poller is watching")
            while not self._stopping.is_set():
                try:
                    await presence.tell()
                    await self._begin_turns(client)
                    self._outage.over()
                except (DBAPIError, PoolTimeout, OSError) as trouble:
                    await self._pause(self._outage.wait(trouble))
                await self._pause(_SWEEP_SECONDS)
            await self._end_turns()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _begin_turns(self, client: aiohttp.ClientSession) -> None:
        room = _TURNS_AT_ONCE - len(self._visits)
        if room <= 0:
            return
        blocked = self._servers.blocked() | set(self._visits)
        for turn in await asyncio.to_thread(_claim, room, blocked):
            circuit, bucket = self._servers.of(turn)
            visit = Visit(turn, circuit, bucket, luck=random.random())  # noqa: S311 - spreads load, no secret
            self._visits[turn.credential_id] = asyncio.create_task(self._carry_out(visit, client))

    async def _carry_out(self, visit: Visit, client: aiohttp.ClientSession) -> None:
        try:
            await visit.carry_out(client, self._open)
        finally:
            del self._visits[visit.turn.credential_id]

    async def _end_turns(self) -> None:
        for task in list(self._visits.values()):
            task.cancel()
        if self._visits:
            await asyncio.wait(list(self._visits.values()), timeout=_STOP_SECONDS)


def _claim(room: int, blocked: set[str]) -> list[Turn]:
    with transaction(DISPATCH) as session:
        return claiming.claim(session, lease=settings().poll_lease_seconds, room=room, blocked=blocked)
