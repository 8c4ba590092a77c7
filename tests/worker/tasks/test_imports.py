"""A whole estate comes home from a real (simulated) server: all of it, once, under its old ids, whoever is killed."""

from collections.abc import Iterator
from typing import Any

import pytest

from service.settings import settings
from tests.fixtures.api import Tenant
from tests.remote.control import Simulator
from tests.worker.tasks.homecoming import Home, found_home
from worker.tasks import imports

JOBS = "/v1/fine_tuning/jobs"


@pytest.fixture
def _open_house(house: None) -> Iterator[None]:
    """Servers on loopback are allowed, and nothing is asked slowly."""
    patch = pytest.MonkeyPatch()
    patch.setenv("TUNEWORKS_REMOTE_ALLOW_PRIVATE", "true")
    patch.setenv("TUNEWORKS_IMPORT_REQUESTS_PER_SECOND", "100000")
    settings.cache_clear()
    yield
    patch.undo()
    settings.cache_clear()


@pytest.fixture
def home(_open_house: None, tenant: Tenant, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Home:
    simulator.run(0)
    found = found_home(tenant, simulator)
    monkeypatch.setattr(imports, "open_remote", found.open)
    return found


def seeded(home: Home, **wanted: Any) -> dict[str, Any]:
    return home.simulator.estate(**{"files": 12, "jobs": 8, **wanted})


def test_everything_comes_home(home: Home) -> None:
    there = seeded(home)
    done = home.bring()
    assert done["status"] == "succeeded", done
    print(there, done, home.problems(done["id"]))
    assert done["counts"]["files"]["imported"] == there["files"]
    assert done["counts"]["jobs"]["imported"] == there["jobs"]
    assert home.doubled() == {}
