"""Admits requests to the database, first come first served, so that those which hold a connection can always go on.

A request that holds a session needs a thread again and again: for its work, and to check its answer. If requests could
hold every connection, all threads could come to wait for one, or for what one that has no thread has locked, and nobody
would ever go on. So all that works on what tenants have is admitted, and some connections are left to what is short and
waits for nobody, such as looking up a key.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import anyio
from anyio.lowlevel import RunVar
from fastapi import Depends

from service.kit.errors import Unavailable
from service.settings import settings

_PATIENCE_SECONDS = 10.0
_LEFT = 4
"""One connection in so many is left to others."""


class Overloaded(Unavailable):
    def __init__(self) -> None:
        super().__init__("This server has more requests than it can answer just now. Try again shortly.",
                         retry_after=2)


class Admission:
    """One for all that an event loop serves."""

    def __init__(self) -> None:
        connections = settings().database_pool_size
        self._limiter = anyio.CapacityLimiter(connections - max(1, connections // _LEFT))

    async def enter(self, borrower: object) -> None:
        """Wait for a place. Raises Overloaded after ten seconds, which are as long as a connection is waited for."""
        try:
            with anyio.fail_after(_PATIENCE_SECONDS):
                await self._limiter.acquire_on_behalf_of(borrower)
        except TimeoutError:
            raise Overloaded from None

    def leave(self, borrower: object) -> None:
        self._limiter.release_on_behalf_of(borrower)


_here: RunVar[Admission] = RunVar("admission")


@asynccontextmanager
async def admitted() -> AsyncIterator[None]:
    """A place for as long as the block runs. Raises Overloaded."""
    admission = _here.get(None) or Admission()
    _here.set(admission)
    borrower = object()
    await admission.enter(borrower)
    try:
        yield
    finally:
        admission.leave(borrower)


async def _admitted() -> AsyncIterator[None]:
    async with admitted():
        yield


ADMITTED = Depends(_admitted, scope="function")
"""For routes, or routers, that begin transactions of their own."""
Admitted = Annotated[None, ADMITTED]
"""For dependencies that hold a session while the request goes on."""
