"""A house that pays a scripted server."""

from pathlib import Path

import pytest

from service.catalog import base_models
from tests.fixtures.api import Tenant
from tests.worker.tasks.paying_house import PayingHouse, found_house, write_catalog
from tests.worker.tasks.scripted_remote import ScriptedServer
from worker.tasks import remote_opening


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> ScriptedServer:
    scripted = ScriptedServer()
    monkeypatch.setattr(remote_opening, "open_remote", scripted.open)
    return scripted


@pytest.fixture
def paying(own_catalog: Path, tenant: Tenant, server: ScriptedServer) -> PayingHouse:
    write_catalog(own_catalog)
    base_models.forget_catalog()
    return found_house(tenant, server)
