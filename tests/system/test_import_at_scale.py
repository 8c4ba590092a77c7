"""An estate comes home although its workers are killed, and is read once; `--estate 1000` for a thousand files."""

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.settings import child_environment, settings
from tests.fixtures.api import Tenant
from tests.remote.control import Simulator
from tests.worker.tasks.homecoming import Home, found_home

ROOT = Path(__file__).parents[2]
KILLS = 5


@pytest.fixture
def home(house: None, tenant: Tenant, simulator: Simulator) -> Iterator[Home]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEWORKS_REMOTE_ALLOW_PRIVATE", "true")
        patch.setenv("TUNEWORKS_IMPORT_REQUESTS_PER_SECOND", "100000")
        settings.cache_clear()
        simulator.run(0)
        yield found_home(tenant, simulator)
    settings.cache_clear()


def asked(simulator: Simulator) -> Counter[str]:
    """What the server was asked for, by whole path."""
    return Counter(f"{each['method']} {each['path']}" for each in simulator.requests())


def carry(home: Home, import_id: str, draw: random.Random, *, files: int) -> int:
    """Run worker after worker, and end so many of them with SIGKILL in the middle of their work."""
    kills = 0
    while (item := home.item(import_id)) is not None:
        before = sum(asked(home.simulator).values())
        with subprocess.Popen([sys.executable, "-m", "tests.system.import_worker", item], cwd=ROOT,
                              env=child_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
            reach = before + draw.randrange(files * 15 // 100, files * 45 // 100)
            while worker.poll() is None and kills < KILLS:
                if sum(asked(home.simulator).values()) >= reach:
                    worker.kill()
                    kills += 1
                    break
                time.sleep(0.05)
            worker.wait(3600)
        home.hurry()
    return kills


def test_an_estate_survives_kills_and_is_read_once(home: Home, seed: int, request: pytest.FixtureRequest) -> None:
    files: int = request.config.getoption("--estate")
    estate = home.simulator.estate(files=files, jobs=files // 2, examples=3)
    import_id = home.start()
    kills = carry(home, import_id, random.Random(seed), files=files)
    done = home.told(import_id)
    assert done["status"] == "succeeded", done
    assert kills == KILLS
    requests = asked(home.simulator)
    twice = {path: times for path, times in requests.items() if times > 1}
    print(f"seed {seed}: {sum(requests.values()):,} requests for {estate}, {kills} kills, {len(twice)} cut off and"  # noqa: T201 - the figures are wanted
          f" asked again; {done['counts']}")
    assert [done["counts"][kind]["imported"] for kind in ("files", "jobs", "models")] == [
        estate["files"], estate["jobs"], estate["models"]]
    assert {path.split()[0] for path in requests} == {"GET"}
    assert sum(times - 1 for times in twice.values()) <= kills * 3  # a log that was cut off is a few pages
    assert max(requests.values()) <= 2
