"""One poller in this process, and credentials that open the simulated server."""

import asyncio
from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session

from service.credentials import operations as credentials
from service.credentials.operations import OpenCredential
from service.settings import settings
from tests.remote.control import Simulator
from worker.poller import asking
from worker.poller.loop import Poller


class Sweeps:
    """A poller whose sweeps are made by hand, each carried out to its end."""

    def __init__(self, timeout: float = 5.0) -> None:
        self.poller = Poller()
        self._timeout = timeout

    def __call__(self, times: int = 1) -> None:
        asyncio.run(self._sweep(times))

    async def _sweep(self, times: int) -> None:
        async with asking.client(self._timeout) as client:
            for _ in range(times):
                await self.poller._begin_turns(client)
                while self.poller._visits:
                    await asyncio.wait(list(self.poller._visits.values()))


@pytest.fixture
def sweep() -> Sweeps:
    return Sweeps()


@pytest.fixture
def opens(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, OpenCredential]]:
    """What each credential opens to; those that are not named here open the simulator's default project."""
    known: dict[str, OpenCredential] = {}

    def open_credential(_: Session, credential_id: str) -> OpenCredential:
        return known.get(credential_id) or OpenCredential(
            id=credential_id, provider="openai", base_url=simulator.base_url, options={}, secret=simulator.key,
            organization_id="org_test")
    monkeypatch.setattr(credentials, "open_credential", open_credential)
    monkeypatch.setenv("TUNEWORKS_REMOTE_ALLOW_PRIVATE", "true")
    monkeypatch.setenv("TUNEWORKS_POLL_REQUESTS_PER_SECOND", "10000")
    settings.cache_clear()
    simulator.run(0)
    yield known
    monkeypatch.undo()
    settings.cache_clear()
