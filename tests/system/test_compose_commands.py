"""docker-compose.yml's very commands, run without containers against a real PostgreSQL and a real Valkey."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from openai import APIConnectionError, OpenAI

from service.embedded.postgres import EmbeddedPostgres
from service.embedded.valkey import EmbeddedValkey
from service.settings import child_environment
from tests.fixtures.whole_house import chat_lines, until

SERVICES: dict[str, Any] = yaml.safe_load(Path("docker-compose.yml").read_text())["services"]
STEADY = [name for name, service in SERVICES.items() if "build" in service and name != "migrate"]


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


class Composed:
    """The services of the compose file as processes: the same commands, addresses of this machine."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self.directory = directory
        self.environment = environment
        self.port = free_port()

    def command(self, name: str) -> list[str]:
        """As written, but on loopback and on a free port."""
        words: list[str] = SERVICES[name]["command"]
        here = {"0.0.0.0": "127.0.0.1", "8080": self.port, "8090": free_port()}
        return [sys.executable, "-m", "service.cli", *(here.get(word, word) for word in words)]

    def variables(self, name: str) -> dict[str, str]:
        """The service's own variables, and ours for what lives elsewhere without containers."""
        return child_environment(**{**SERVICES[name]["environment"], **self.environment})

    def run(self, *words: str) -> str:
        return subprocess.run([sys.executable, "-m", "service.cli", *words], env=self.variables("api"), check=True,
                              capture_output=True, text=True).stdout

    @contextlib.contextmanager
    def running(self, name: str) -> Iterator[None]:
        with (self.directory / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(self.command(name), env=self.variables(name), stdout=log, stderr=log)
        try:
            yield
            assert process.poll() is None, (self.directory / f"{name}.log").read_text()
        finally:
            process.terminate()
            try:
                process.wait(45)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def composed(postgres: EmbeddedPostgres, valkey: EmbeddedValkey, tmp_path: Path) -> Composed:
    return Composed(tmp_path, {
        "TUNEWORKS_DATABASE_URL": postgres.create_database("composed"), "TUNEWORKS_BROKER_URL": valkey.url(5),
        "TUNEWORKS_STORAGE_URL": f"file://{tmp_path}/objects", "TUNEWORKS_STORAGE_OPTIONS": "{}",
        "TUNEWORKS_MODELS_DIR": str(tmp_path / "models"), "TUNEWORKS_WORK_DIR": str(tmp_path / "runs")})


def test_the_services_work_together(composed: Composed) -> None:
    subprocess.run(composed.command("migrate"), env=composed.variables("migrate"), check=True, capture_output=True)
    key = composed.run("keys", "create", "--project", "Composed").strip().splitlines()[-1]
    with contextlib.ExitStack() as running:
        for name in STEADY:
            running.enter_context(composed.running(name))
        client = running.enter_context(OpenAI(base_url=f"http://127.0.0.1:{composed.port}/v1", api_key=key))

        def answers() -> bool:
            with contextlib.suppress(APIConnectionError):
                return bool(client.models.list().data)
            return False
        until(answers, 60, "the API answers")
        file = client.files.create(file=("data.jsonl", chat_lines(10)), purpose="fine-tune")
        assert client.files.wait_for_processing(file.id, poll_interval=0.2, max_wait_seconds=60).status == "processed"
