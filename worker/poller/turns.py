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
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from itertools import groupby
from typing import Concatenate, ParamSpec, TypeVar

import aiohttp
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from service.credentials import operations as credentials
from service.credentials import queries
from service.credentials.errors import CredentialNotFound
from service.credentials.operations import OpenCredential
from service.kit.database import DISPATCH, Scope, transaction
from service.kit.errors import ServiceError
from service.kit.work import Work, enqueue_all
from service.settings import settings
from worker.poller import claiming
from worker.poller.claiming import Due, Turn
from worker.poller.listing import Sighting, walk
from worker.poller.opening import Open
from worker.poller.pacing import Circuit, TokenBucket, pause_of_job, wait_for
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
            with suppress(DBAPIError, PoolTimeout):  # what cannot be given back is due when the lease is over
                await self._give_back()
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
            credential, is_failing = await asyncio.to_thread(self._open_credential)
            await self._ask(credential, client, open_)
            if is_failing and not self._circuit.failures:
                await asyncio.to_thread(self._ask_for_check)
        except AccessRefused as refused:
            await asyncio.to_thread(self._mark_failing, str(refused))
            await self._leave_alone(self._circuit.refused(luck=self._luck))
        except Unavailable as trouble:
            pause = self._circuit.failed(retry_after=trouble.retry_after, luck=self._luck)
            _log.warning("%s: %s Left alone for %.0f s.", self.turn.credential_id, trouble, pause)
            await self._leave_alone(pause)
        except CredentialNotFound:  # nobody can ask after its jobs any more: whoever follows them ends them here
            await asyncio.to_thread(_follow, self.turn.jobs)
            await self._leave_alone(self._circuit.refused(luck=self._luck))
        except ServiceError as missing:  # the house lacks the key to it
            _log.warning("credential %s cannot be opened: %s", self.turn.credential_id, missing)
            await self._leave_alone(self._circuit.refused(luck=self._luck))

    async def _ask(self, credential: OpenCredential, client: aiohttp.ClientSession, open_: Open) -> None:
        door = await open_(credential, client)
        try:
            await walk(door, self._by_remote_id, self._go, self._note)
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
        seen = [(job, status) for remote_id, status in sighting.statuses.items()
                for job in self._by_remote_id[remote_id]]
        moved = [job for job, status in seen if status not in {None, job.status}]
        gone = self._jobs(sighting.gone)
        await asyncio.to_thread(_follow, {*moved, *gone, *(job for job, _ in seen if job.follow)})
        waits = {job.id: wait_for(job.age, luck=self._luck) for job in (*(job for job, _ in seen), *gone)}
        waits |= {job.id: wait_for(0.0, luck=self._luck) for job in moved}
        unread = {job.id: pause_of_job(job.failures + 1, luck=self._luck) for job in self._jobs(sighting.unread)}
        await self._write(claiming.record, waits)
        await self._write(claiming.put_off, unread)

    def _jobs(self, remote_ids: Iterable[str]) -> list[Due]:
        return [job for remote_id in remote_ids for job in self._by_remote_id[remote_id]]

    async def _write(self, verb: Callable[[Session, Turn, Mapping[str, float]], None], waits: dict[str, float]) -> None:
        if waits:
            await self._in_house(verb, self.turn, waits)
        for job_id in waits:
            self._left.pop(job_id, None)

    async def _leave_alone(self, seconds: float) -> None:
        """Nothing of what is left is asked for within `seconds`, by any poller."""
        await self._write(claiming.put_off, dict.fromkeys(self._left, seconds))

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

    def _open_credential(self) -> tuple[OpenCredential, bool]:
        """And whether it is known to be failing, which an answer would end."""
        with transaction(self._scope) as session:
            opened = credentials.open_credential(session, self.turn.credential_id)
            return opened, not queries.credential(session, self.turn.credential_id).works

    def _ask_for_check(self) -> None:
        with transaction(self._scope) as session:
            credential = queries.credential(session, self.turn.credential_id)
            credentials.ask_for_check(session, credential, seldom=True)

    def _mark_failing(self, details: str) -> None:
        with transaction(self._scope) as session:
            credentials.failing(session, self.turn.credential_id, details)

    @property
    def _scope(self) -> Scope:
        """That of any project whose job it is: it trains with the credential, so it may see it."""
        return Scope.project(self.turn.jobs[0].project_id)


def _follow(news: Iterable[Due]) -> None:
    """Have jobs followed, each within the project that it belongs to."""
    ordered = sorted(news, key=lambda job: job.project_id)
    for project_id, jobs in groupby(ordered, key=lambda job: job.project_id):
        with transaction(Scope.project(project_id)) as session:
            enqueue_all(session, Work.FOLLOW_JOB, {job.job_id for job in jobs}, project_id=project_id)
