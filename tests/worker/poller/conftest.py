"""One poller in this process, and credentials that open the simulated server."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from service.credentials import operations as credentials
from service.credentials.operations.sealing import Owner
from service.credentials.schemas import CredentialCreate
from service.kit.database import Scope, transaction
from service.settings import settings
from tests.fixtures.api import Tenant
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


def store(tenant: Tenant, **body: Any) -> str:
    """A credential that every project of the organization may use; its id."""
    wanted = CredentialCreate.model_validate({"provider": "openai", "name": "shared", **body})
    with transaction(Scope.organization(tenant.organization_id)) as session:
        return credentials.create(session, Owner(tenant.organization_id, None), wanted, by="key_test").id


@pytest.fixture
def credential(tenant: Tenant, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Opens the simulator's first project, where no time passes; nothing here waits for a token bucket."""
    monkeypatch.setenv("TUNEWORKS_POLL_REQUESTS_PER_SECOND", "10000")
    settings.cache_clear()
    simulator.run(0)
    yield store(tenant, base_url=simulator.base_url, secret=simulator.key)
    monkeypatch.undo()
    settings.cache_clear()
