"""Pollers as processes: two of them ask no more than one, a killed one costs a lease, a stopped one costs nothing."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from service.embedded.health import live_pollers
from service.settings import child_environment, settings
from tests.fixtures.api import Tenant
from tests.remote.control import Simulator
from tests.worker.poller.attempts import change, live, rows
from tests.worker.poller.test_turns import LIST, asked, remote_jobs, status

Start = Callable[[], "subprocess.Popen[bytes]"]
_PATIENCE_SECONDS = 120.0


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts pollers with short leases, and ends them after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def begin() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen([sys.executable, "-m", "worker.poller"], stdin=subprocess.DEVNULL,
                                        env=child_environment(TUNEWORKS_POLL_LEASE_SECONDS="6")))
        return started[-1]
    yield begin
    for each in started:
        each.kill()
        each.wait()


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def watching() -> int:
    return live_pollers(settings().database_url.get_secret_value())


def all_polled() -> bool:
    return all(row.polled_at is not None for row in rows().values())


def hanging(simulator: Simulator) -> bool:
    """A poller waits for the answer to its first page."""
    return len(asked(simulator)) == 1


def test_two_of_them_ask_no_more_than_one(tenant: Tenant, simulator: Simulator, credential: str, start: Start) -> None:
    start()
    start()
    until(lambda: watching() == 2, "both are there")
    remote_ids = remote_jobs(simulator, 250)
    old = live(tenant, remote_ids, credential_id=credential, status=status(simulator, remote_ids[0]), due="null")
    change(tenant, old, status_since="now() - interval '1 day'", next_poll_at="now()")  # next in a minute
    until(all_polled, "all jobs are polled")
    assert len(asked(simulator)) == 3


def test_a_killed_one_costs_a_lease_and_no_job(tenant: Tenant, simulator: Simulator, credential: str,
                                               start: Start) -> None:
    live(tenant, remote_jobs(simulator, 150), credential_id=credential)
    fault = simulator.fault("timeout", path=LIST)
    first = start()
    until(lambda: hanging(simulator), "the first one waits")
    first.kill()
    simulator.clear_faults(fault)
    start()
    until(all_polled, "another takes over")
    assert len(asked(simulator)) == 1 + 2
    assert {row.poll_lease for row in rows().values()} == {None}


def test_a_stopped_one_gives_back_what_it_holds(tenant: Tenant, simulator: Simulator, credential: str,
                                                start: Start) -> None:
    live(tenant, remote_jobs(simulator, 150), credential_id=credential)
    simulator.fault("timeout", path=LIST)
    poller = start()
    until(lambda: hanging(simulator), "it waits")
    poller.send_signal(signal.SIGTERM)
    assert poller.wait(60) == 0
    assert all(row.poll_lease is None and row.waits <= 0 and row.poll_failures == 0 for row in rows().values())
