"""Admits requests to the database, first come first served, so that those which hold a connection can always go on.

A request that holds a session needs a thread again and again: for its work, and to check its answer. If requests could
hold every connection, all threads could come to wait for one, and nobody would ever go on. So some connections
are left to what takes one within a single thread and gives it back there.
"""

from collections.abc import AsyncIterator
from typing import Annotated

import anyio
from fastapi import Depends, Request

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
    """Made once per process, within its event loop."""

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


async def _admitted(request: Request) -> AsyncIterator[None]:
    admission: Admission = request.app.state.admission
    borrower = object()
    await admission.enter(borrower)
    try:
        yield
    finally:
        admission.leave(borrower)


Admitted = Annotated[None, Depends(_admitted, scope="function")]
"""For dependencies that hold a session while the request goes on."""
