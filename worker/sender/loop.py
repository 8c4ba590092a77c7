"""The loop of one sender: records what ended, plans what happened, claims what is due, and sends side by side.

Each turn goes to the database and waits for no receiver; messages are under way meanwhile. A turn begins when events
are committed, when an attempt ends, and each second in any case.
"""

import asyncio
import logging
from collections import Counter
from contextlib import suppress
from datetime import datetime, timedelta

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.events.operations import CHANNEL
from service.kit.database import database_now
from service.kit.listening import listening
from service.settings import settings
from service.webhooks.operations import Composed, Due, Ended, Places
from service.webhooks.replies import Reply
from service.webhooks.sending import Transport
from worker.presence import Outage, Presence
from worker.sender import places
from worker.sender.breakers import Breakers
from worker.sender.turns import EVENTS_AT_ONCE, Clock, Turns

_log = logging.getLogger(__name__)
APPLICATION_NAME = "tuneworks sender"
"""By which `tuneworks doctor` finds live senders in pg_stat_activity."""
_SWEEP_SECONDS = 1.0
_GATHER_SECONDS = 0.005
"""What ends within so short a time is written down together."""
_SLOW_SECONDS = 1.0
"""What has been under way for so long counts as slow."""
_STOP_SECONDS = 10.0
_EXPEL_SECONDS = 5.0
_FORGET_SECONDS = 3600.0


class Sender:
    """One process's sender. `clock` is the time that decides; by default it asks Postgres."""

    def __init__(self, clock: Clock = database_now) -> None:
        self._turns = Turns(clock)
        self._breakers = Breakers(most=settings().webhook_concurrency)
        self._stopping, self._something = asyncio.Event(), asyncio.Event()
        self._outage = Outage("sender")
        self._under_way: dict[asyncio.Task[None], tuple[Due, float]] = {}
        self._ended: list[Ended] = []
        self._is_mended = False
        self._expel_at = self._forget_at = 0.0

    def stop(self) -> None:
        self._stopping.set()
        self._something.set()

    def wake(self) -> None:
        """There may be something to do."""
        self._something.set()

    async def run(self) -> None:
        """Until told to stop; trouble with the database is waited out. What is not sent then is given back."""
        news = listening([CHANNEL], name=f"{APPLICATION_NAME} listens", hear=lambda *_: self.wake(), missed=self.wake)
        async with Transport() as transport, Presence(APPLICATION_NAME) as presence, news:
            _log.info("sender is watching")
            while not self._stopping.is_set():
                try:
                    await presence.tell()
                    told, _ = await self._turn(transport)
                    self._outage.over()
                except (DBAPIError, PoolTimeout, OSError) as trouble:
                    await self._pause(self._outage.wait(trouble))
                else:
                    await self._wait(0.0 if told == EVENTS_AT_ONCE else _SWEEP_SECONDS)
            await self._end()

    async def settle(self, transport: Transport) -> None:
        """Turn until nothing is under way and nothing is due, for whoever holds the clock."""
        while any(await self._turn(transport)) or self._under_way or self._ended:
            if self._under_way and not self._ended:
                await asyncio.wait(list(self._under_way), return_when=asyncio.FIRST_COMPLETED)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _wait(self, seconds: float) -> None:
        """For something to do, and then for a moment more, in which more of it comes together."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._something.wait(), seconds)
        if not self._stopping.is_set():
            await asyncio.sleep(_GATHER_SECONDS)
        self._something.clear()

    async def _turn(self, transport: Transport) -> tuple[int, int]:
        """How many events were told, and how many attempts written down; that is done beside the rest."""
        recording = asyncio.create_task(self._record())
        try:
            told = await self._plan()
            await self._claim(transport)
            await self._tidy()
        finally:
            recorded = await recording
        return told, recorded

    async def _record(self) -> int:
        ended, self._ended = self._ended, []
        if not ended:
            return 0
        try:
            await asyncio.to_thread(self._turns.record, ended)
        except BaseException:
            self._ended = [*ended, *self._ended]
            raise
        return len(ended)

    async def _plan(self) -> int:
        try:
            return await asyncio.to_thread(self._turns.plan)
        except (DBAPIError, PoolTimeout):
            raise
        except Exception:  # noqa: BLE001 - what was planned before must still be sent
            _log.exception("events cannot be planned; they are kept for the next turn")
            return 0

    async def _claim(self, transport: Transport) -> None:
        left = self._left()
        if not left.room:
            return
        held = Counter(due.endpoint_id for due, _ in self._under_way.values())
        try:
            claimed = await asyncio.to_thread(self._turns.claim, lambda now: self._breakers.rooms(now, held), left)
        except (DBAPIError, PoolTimeout):
            raise
        except Exception:  # noqa: BLE001 - what is under way must come to its end, and the next turn may be better
            _log.exception("deliveries cannot be claimed; they are kept for the next turn")
            return
        for each in claimed.composed:
            self._begin(each, claimed.now, transport)

    def _left(self) -> Places:
        slow_since = asyncio.get_running_loop().time() - _SLOW_SECONDS
        return places.left(Counter(due.project_id for due, _ in self._under_way.values()),
                           slow=sum(began <= slow_since for _, began in self._under_way.values()))

    def _begin(self, composed: Composed, now: datetime, transport: Transport) -> None:
        if composed.message is None:
            self._note(Ended(composed.due, Reply(None, error=composed.fault), ours=True))
            return
        task = asyncio.create_task(self._send(composed, now, transport))
        self._under_way[task] = composed.due, asyncio.get_running_loop().time()
        task.add_done_callback(self._under_way.pop)

    async def _send(self, composed: Composed, now: datetime, transport: Transport) -> None:
        assert composed.message is not None
        try:
            reply = await transport.send(composed.message)
        except Exception as trouble:  # noqa: BLE001 - whatever it is, it must not end the loop for all others
            _log.exception("delivery %s failed on our side", composed.due.id)
            self._note(Ended(composed.due, Reply(None, error=f"It could not be sent: {type(trouble).__name__}."),
                             ours=True))
        else:
            self._breakers.note(composed.due, reply, now + timedelta(milliseconds=reply.latency_ms))
            self._note(Ended(composed.due, reply))

    def _note(self, ended: Ended) -> None:
        self._ended.append(ended)
        self._something.set()

    async def _tidy(self) -> None:
        """Now and then: what waits for endpoints that are gone, and what is older than the house keeps."""
        now = asyncio.get_running_loop().time()
        if not self._is_mended:
            await asyncio.to_thread(self._turns.mend)
            self._is_mended = True
        if now >= self._expel_at:
            expelled = await asyncio.to_thread(self._turns.expel)
            self._expel_at = now + (0 if expelled else _EXPEL_SECONDS)
        if now >= self._forget_at:
            forgotten = await asyncio.to_thread(self._turns.forget)
            self._forget_at = now + (0 if forgotten else _FORGET_SECONDS)

    async def _end(self) -> None:
        """Let what is under way come to its end for a while, write that down, and give back the rest."""
        if self._under_way:
            await asyncio.wait(list(self._under_way), timeout=_STOP_SECONDS)
        cut_off = [due for due, _ in self._under_way.values()]
        for task in list(self._under_way):
            task.cancel()
        try:
            await self._record()
            await asyncio.to_thread(self._turns.give_back, cut_off)
        except (DBAPIError, PoolTimeout) as trouble:
            _log.warning("what was under way is left to another sender, after its lease: %s", trouble)
