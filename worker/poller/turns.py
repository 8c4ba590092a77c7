"""Carries out one turn at a credential: opens it, walks over its server's jobs, records step by step what was seen.

    seen, nothing new      its next time is moved
    seen, with news        FOLLOW_JOB is asked for: whoever follows decides what it comes to
    the server is unwell   its jobs are left alone for as long as the circuit says; their states are not touched
    refused                the credential is marked as failing, too
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Concatenate, ParamSpec, TypeVar

import aiohttp
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from service.credentials import operations as credentials
from service.credentials.operations import OpenCredential
from service.jobs.operations import remote as remote_jobs
from service.kit.database import DISPATCH, Scope, transaction
from service.kit.errors import ServiceError
from service.settings import settings
from worker.poller import claiming
from worker.poller.claiming import Due, Turn
from worker.poller.listing import Sighting, walk
from worker.poller.opening import Open
from worker.poller.pacing import GRID_SECONDS, Circuit, TokenBucket, pause_of_job, wait_for
from worker.providers.remote import AccessRefused, Unavailable

_log = logging.getLogger(__name__)
Params = ParamSpec("Params")
Result = TypeVar("Result")


class TurnLost(Exception):
    """The lease ran out: another poller may have the turn, so nothing more is asked and nothing written."""


class Visit:
    """One turn while it is carried out."""

    def __init__(self, turn: Turn, circuit: Circuit, bucket: TokenBucket, *, luck: float) -> None:
        self.turn = turn
        self.requests = 0
        self._circuit = circuit
        self._bucket = bucket
        self._luck = luck
        self._left = {job.id: job for job in turn.jobs}
        self._by_remote_id: dict[str, list[Due]] = defaultdict(list)
        for job in turn.jobs:
            self._by_remote_id[job.remote_id].append(job)
        self._ends_at = time.monotonic() + settings().poll_lease_seconds

    async def carry_out(self, client: aiohttp.ClientSession, open_: Open) -> None:
        """Never raises for what servers or the database do; a lost turn costs one lease."""
        keeping = asyncio.create_task(self._keep())
        try:
            await self._visit(client, open_)
            await self._give_back()
        except TurnLost:
            _log.warning("lost a turn at %s after %s requests", self.turn.credential_id, self.requests)
        except (DBAPIError, PoolTimeout) as trouble:
            _log.warning("database unavailable while polling: %s", trouble)
        except asyncio.CancelledError:
            await self._give_back()
            raise
        except Exception:  # noqa: BLE001 - one server's trouble, whatever it is, must not end the loop for all others
            _log.exception("polling with %s failed", self.turn.credential_id)
            await self._leave_alone(self._circuit.failed(luck=self._luck))
        finally:
            keeping.cancel()

    async def _visit(self, client: aiohttp.ClientSession, open_: Open) -> None:
        try:
            credential = await asyncio.to_thread(self._open_credential)
            door = await open_(credential, client)
        except ServiceError as missing:
            _log.warning("credential %s cannot be opened: %s", self.turn.credential_id, missing)
            await self._leave_alone(self._circuit.refused(luck=self._luck))
            return
        try:
            await walk(door, self._by_remote_id, self._go, self._note)
        except AccessRefused as refused:
            await asyncio.to_thread(self._mark_failing, str(refused))
            await self._leave_alone(self._circuit.refused(luck=self._luck))
        except Unavailable as trouble:
            pause = self._circuit.failed(retry_after=trouble.retry_after, luck=self._luck)
            _log.warning("%s: %s Left alone for %.0f s.", self.turn.credential_id, trouble, pause)
            await self._leave_alone(pause)
        finally:
            await door.close()

    async def _go(self) -> None:
        """The next request may be made: the bucket has a token for it, and the turn is still ours."""
        wait = self._bucket.reserve()
        if wait > 0:
            await asyncio.sleep(wait)
        if time.monotonic() >= self._ends_at:
            raise TurnLost
        self.requests += 1

    async def _keep(self) -> None:
        """Renew the lease until the visit ends; a lease that was lost stops it before its next request."""
        lease = settings().poll_lease_seconds
        while True:
            await asyncio.sleep(lease / 3)
            asked_at = time.monotonic()
            try:
                kept = await self._in_house(claiming.renew, self.turn, lease=lease)
            except (DBAPIError, PoolTimeout):
                continue
            self._ends_at = asked_at + lease if kept else 0.0

    async def _note(self, sighting: Sighting) -> None:
        """Record what was seen, in transactions of its own: what is recorded stays, whatever comes next."""
        if sighting.statuses or sighting.gone:
            self._circuit.answered()
        waits, news, gone = {}, dict[str, list[tuple[Due, str]]](), dict[str, list[tuple[Due, str]]]()
        for remote_id, status in sighting.statuses.items():
            for job in self._by_remote_id[remote_id]:
                is_news = job.follow or (status is not None and status != job.status)
                waits[job.id] = wait_for(0.0 if is_news else job.age, luck=self._luck)
                if is_news:
                    news.setdefault(job.project_id, []).append((job, status or job.status or ""))
        for job in self._jobs(sighting.gone):
            waits[job.id] = wait_for(job.age, luck=self._luck)
            gone.setdefault(job.project_id, []).append((job, ""))
        for project_id in {*news, *gone}:
            await asyncio.to_thread(self._tell, project_id, news.get(project_id, []), gone.get(project_id, []))
        unread = {job.id: pause_of_job(job.failures + 1, luck=self._luck) for job in self._jobs(sighting.unread)}
        for write, found in ((claiming.record, waits), (claiming.put_off, unread)):
            if found:
                await self._in_house(write, self.turn, found)
        for job_id in (*waits, *unread):
            self._left.pop(job_id, None)

    def _jobs(self, remote_ids: Iterable[str]) -> list[Due]:
        return [job for remote_id in remote_ids for job in self._by_remote_id[remote_id]]

    @staticmethod
    def _tell(project_id: str, news: Iterable[tuple[Due, str]], gone: Iterable[tuple[Due, str]]) -> None:
        """Within the project that they belong to, have jobs followed."""
        soon = timedelta(seconds=GRID_SECONDS)
        with transaction(Scope.project(project_id)) as session:
            for job, status in news:
                remote_jobs.note_seen(session, job.id, status, next_poll=soon)
            for job, _ in gone:
                remote_jobs.wake(session, job.job_id)

    async def _leave_alone(self, seconds: float) -> None:
        """Nothing of what is left is asked for within `seconds`, by any poller."""
        if self._left:
            await self._in_house(claiming.put_off, self.turn, dict.fromkeys(self._left, seconds))
            self._left.clear()

    async def _give_back(self) -> None:
        if self._left:
            await self._in_house(claiming.give_back, self.turn, list(self._left))
            self._left.clear()

    @staticmethod
    async def _in_house(verb: Callable[Concatenate[Session, Params], Result], *args: Params.args,
                        **kwargs: Params.kwargs) -> Result:
        """`verb(session, …)` as one transaction in the role of the relay, in a thread."""
        def run() -> Result:
            with transaction(DISPATCH) as session:
                return verb(session, *args, **kwargs)
        return await asyncio.to_thread(run)

    def _open_credential(self) -> OpenCredential:
        with transaction(self._scope) as session:
            return credentials.open_credential(session, self.turn.credential_id)

    def _mark_failing(self, details: str) -> None:
        with transaction(self._scope) as session:
            credentials.failing(session, self.turn.credential_id, details)

    @property
    def _scope(self) -> Scope:
        """That of any project whose job it is: it trains with the credential, so it may see it."""
        return Scope.project(self.turn.jobs[0].project_id)
