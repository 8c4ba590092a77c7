"""Streams outlive the API process that serves them: asked to stop it ends them, killed it breaks them off."""

import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import IncompleteRead

import pytest

from service import commands
from service.embedded.ownership import free_port
from service.events import operations
from service.events.types import EventType
from service.kit.database import transaction
from service.settings import child_environment
from tests.fixtures.api import Tenant
from tests.fixtures.sse import Stream, opened

PATH = "/v1/events/stream"
_START_SECONDS = 60


@contextmanager
def api(port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The API as `tuneworks up` starts it."""
    process = subprocess.Popen(commands.api("127.0.0.1", port),
                               env=child_environment(TUNEWORKS_STREAM_SECONDS="600"))
    try:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
                break
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield process
    finally:
        process.kill()
        process.wait()


def tell(tenant: Tenant, number: int) -> list[str]:
    told = []
    for _ in range(number):
        with transaction(tenant.scope) as session:
            told.append(operations.append(session, EventType.JOB_SUCCEEDED, "ftjob-1",
                                          project_id=tenant.project_id).id)
    return told


def until_it_breaks(stream: Stream) -> list[str]:
    found = []
    with suppress(OSError, IncompleteRead):
        found += [received.id for received in stream]
    return found


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_client_that_comes_back_to_another_process_misses_nothing(tenant: Tenant, how: signal.Signals) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with api(port) as process, opened(url, PATH, tenant.key) as stream:
        told = tell(tenant, 5)
        assert [each.id for each in stream.take(5)] == told
        process.send_signal(how)
        until_it_breaks(stream)
        process.wait(30)
        assert (stream.comments[-1:] == ["the server stops"]) is (how is not signal.SIGKILL)
    missed = tell(tenant, 5)
    with api(port), opened(url, PATH, tenant.key, last_id=stream.last_id) as stream:
        later = tell(tenant, 5)
        assert [each.id for each in stream.take(10)] == missed + later


def test_a_process_that_is_asked_to_stop_waits_for_no_stream(tenant: Tenant, capfd: pytest.CaptureFixture[str]) -> None:
    """Cut off by the server's own patience, they would leave a line about it in its log."""
    port = free_port()
    with api(port) as process, opened(f"http://127.0.0.1:{port}", PATH, tenant.key) as stream:
        process.terminate()
        assert until_it_breaks(stream) == []
        process.wait(30)
    said = capfd.readouterr()
    assert "timeout graceful shutdown exceeded" not in said.out + said.err
    assert "Exception in ASGI" not in said.out + said.err
