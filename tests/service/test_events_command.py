"""`tuneworks events` over a live house: the past, what comes, and breaks in between."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from service.cli import app
from service.events import operations
from service.events.types import EventType
from service.kit.database import transaction
from service.settings import child_environment, settings
from tests.fixtures.api import Tenant

Run = Callable[..., Result]


@pytest.fixture
def ready(live_api: str, tenant: Tenant, tmp_path: Path) -> str:
    file = tmp_path / "ready.json"
    file.write_text(json.dumps({"base_url": f"{live_api}/v1", "api_key": tenant.key}))
    return str(file)


@pytest.fixture
def run(ready: str) -> Run:
    return lambda *given: CliRunner().invoke(app, ["events", "--ready-file", ready, *given])


def tell(tenant: Tenant, type_: EventType = EventType.JOB_SUCCEEDED, subject: str = "ftjob-1") -> str:
    with transaction(tenant.scope) as session:
        return operations.append(session, type_, subject, project_id=tenant.project_id).id


def test_the_past_is_shown_oldest_first(run: Run, tenant: Tenant) -> None:
    told = [tell(tenant) for _ in range(130)]
    shown = run("--json", "--limit", "120")
    assert [json.loads(line)["id"] for line in shown.output.splitlines()] == told[-120:]
    tell(tenant, EventType.FILE_VALIDATED, "file-1")
    narrowed = run("--type", "file.*", "--subject", "file-1")
    assert narrowed.output.split()[-3:] == ["file.validated", "file-1", "#1"]


def test_what_is_refused_is_said_in_the_houses_words(run: Run) -> None:
    for given in ((), ("--follow",)):
        refused = run("--type", "nonsense", *given)
        assert (refused.exit_code, "no type of event" in " ".join(refused.output.split())) == (1, True)


@pytest.fixture
def follower(ready: str, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own, after what was told before; streams end after a moment each."""
    monkeypatch.setenv("TUNEWORKS_STREAM_SECONDS", "0.5")
    settings.cache_clear()
    tell(tenant, subject="ftjob-before")
    following = subprocess.Popen(
        [sys.executable, "-m", "service.cli", "events", "--ready-file", ready, "--follow", "--json"],
        stdout=subprocess.PIPE, text=True, env=child_environment())
    watchdog = threading.Timer(120, following.kill)
    watchdog.start()
    yield following
    watchdog.cancel()
    following.kill()
    following.communicate()


def test_what_comes_is_shown_once_over_connections_that_end(follower: subprocess.Popen[str], tenant: Tenant) -> None:
    assert follower.stdout is not None
    assert json.loads(follower.stdout.readline())["data"] == {"id": "ftjob-before"}
    told = []
    shown = []
    for _ in range(4):
        told += [tell(tenant) for _ in range(3)]
        shown += [json.loads(follower.stdout.readline())["id"] for _ in range(3)]
        threading.Event().wait(0.6)  # the stream has ended by then
    assert shown == told
