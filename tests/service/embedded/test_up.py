"""`tuneworks up` as a whole: from an empty directory to a served request, through a kill, to a clean end."""

import http.client
import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from service.embedded.postgres import EmbeddedPostgres
from service.embedded.valkey import EmbeddedValkey
from service.settings import child_environment
from tests.service.embedded.conftest import Start, is_gone, read_ready, until

PARTS = {"api", "worker", "training", "relay", "poller", "sender", "chat", "postgres", "valkey"}


@pytest.fixture
def environment() -> dict[str, str]:
    """An environment in which nothing of the house is configured, whatever the tests beside us use."""
    return {name: value for name, value in child_environment().items() if not name.startswith("TUNEWORKS_")}


def ask(ready: dict[str, Any], path: str, key: str, body: object = None) -> tuple[int, Any]:
    place = urlsplit(ready["base_url"])
    with closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=20)) as connection:
        connection.request("GET" if body is None else "POST", f"{place.path}{path}",
                           body=None if body is None else json.dumps(body),
                           headers={"authorization": f"Bearer {key}", "content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def serves(ready: dict[str, Any]) -> bool:
    """The project key opens the API, and the admin key opens what only it may open."""
    return (ask(ready, "/models", ready["api_key"])[0], ask(ready, "/organization/projects", ready["admin_key"])[0],
            ask(ready, "/models", "wrong")[0]) == (200, 200, 401)


def test_the_whole_house(start: Start, tmp_path: Path, environment: dict[str, str]) -> None:
    directory, ready = tmp_path / "the house", tmp_path / "ready.json"
    arguments = ("up", "--data-dir", directory, "--ready-file", ready)

    house = start("service.cli", *arguments, env=environment, cwd=tmp_path)
    first = read_ready(ready)
    assert set(first["pids"]) == PARTS
    assert serves(first)

    # It keeps secrets under a key of its own, which nobody else can read.
    assert (directory / "credentials.keys").stat().st_mode & 0o777 == 0o600
    stored = {"provider": "openai", "name": "main", "secret": "sk-1", "base_url": "http://127.0.0.1:9/v1"}
    assert ask(first, "/credentials", first["api_key"], stored)[0] == 200

    # A process that dies comes back, and the ready file tells.
    os.kill(first["pids"]["api"], signal.SIGKILL)
    until(lambda: read_ready(ready)["pids"]["api"] not in {0, first["pids"]["api"]}, what="a new API is told")
    pids = read_ready(ready)["pids"]

    # Killed without a word and started again: nothing old runs, and everything is as it was.
    below = [each.pid for each in psutil.Process(house.pid).children(recursive=True)]
    house.kill()
    house.wait()
    ready.unlink()
    again = start("service.cli", *arguments, env=environment, cwd=tmp_path)
    second = read_ready(ready)
    assert {pid for pid in [*pids.values(), *below] if not is_gone(pid)} == set()
    assert (second["api_key"], second["admin_key"]) == (first["api_key"], first["admin_key"])
    assert second["base_url"] == first["base_url"]
    assert serves(second)

    # Other commands find the house by its directory; its doctor has nothing to complain about.
    elsewhere = {**environment, "TUNEWORKS_DATA_DIR": str(directory)}
    found = subprocess.run([sys.executable, "-m", "service.cli", "doctor", "--json"], env=elsewhere,
                           capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    verdicts = {each["name"]: (each["verdict"], each["found"]) for each in json.loads(found.stdout)}
    assert {name: each for name, each in verdicts.items() if each[0] == "fail"} == {}

    assert verdicts["credentials"][0] == "ok"
    rotated = subprocess.run([sys.executable, "-m", "service.cli", "credentials", "rotate-data-keys"], env=elsewhere,
                             capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    assert "1 credentials are encrypted anew" in rotated.stderr

    # Asked to stop, it stops everything.
    below = [each.pid for each in psutil.Process(again.pid).children(recursive=True)]
    again.send_signal(signal.SIGTERM)
    assert again.wait(120) == 0
    assert {pid for pid in [*second["pids"].values(), *below] if not is_gone(pid)} == set()
    assert not ready.exists()
    assert not (directory / "settings.json").exists()


def test_parts_of_somebody_elses_are_used(start: Start, tmp_path: Path, environment: dict[str, str]) -> None:
    """A database and a broker that are configured are neither started nor stopped; a lost key is made anew."""
    with EmbeddedPostgres(tmp_path / "pg", fast=True) as database, EmbeddedValkey(tmp_path / "vk") as broker:
        theirs = {**environment, "TUNEWORKS_DATABASE_URL": database.url(), "TUNEWORKS_BROKER_URL": broker.url()}
        keys = []
        for _ in range(2):
            ready = tmp_path / "ready.json"
            process = start("service.cli", "up", "--data-dir", tmp_path / "house", "--ready-file", ready,
                            "--no-training", "--no-chat", env=theirs, cwd=tmp_path)
            told = read_ready(ready)
            assert set(told["pids"]) == {"api", "worker", "relay", "poller", "sender"}
            assert serves(told)
            keys.append(told["api_key"])
            process.send_signal(signal.SIGINT)
            assert process.wait(120) == 0
            (tmp_path / "house" / "credentials.json").write_text("{}")
        assert keys[0] != keys[1]
        assert database.pid
        assert broker.pid
