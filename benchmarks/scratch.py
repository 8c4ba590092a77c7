"""What benchmarks run on: a real PostgreSQL with one project in it, a broker, servers as processes, load for them."""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from service import schema
from service.embedded.ownership import free_port
from service.embedded.postgres import EmbeddedPostgres
from service.embedded.valkey import EmbeddedValkey
from service.kit.database import NOBODY, Scope, engine, transaction
from service.settings import adopt, child_environment, settings
from service.tenants import operations

_START_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Scratch:
    """A house without processes of ours: settings of this process point to it, and its children inherit them."""

    directory: Path
    project_id: str
    key: str

    @property
    def scope(self) -> Scope:
        return Scope.project(self.project_id)


@contextmanager
def scratch() -> Iterator[Scratch]:
    """Durable, as in production: nothing is switched off that costs time there."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        directory = Path(name)
        with EmbeddedPostgres(directory / "postgres") as database, EmbeddedValkey(directory / "valkey") as broker:
            adopt(database_url=database.url(), broker_url=broker.url(), storage_url=f"file://{directory / 'objects'}",
                  work_dir=str(directory / "runs"), log_level="WARNING")
            schema.upgrade()
            with transaction(NOBODY) as session:
                organization = operations.bootstrap(session, "Benchmarks")
                project = operations.create_project(session, organization.id, "bench")
                _, _, key = operations.create_service_account(session, project, "bench")
                project_id = project.id
            yield Scratch(directory, project_id, key)
            engine().dispose()


@contextmanager
def process(command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process with our settings, ended with the block; what it says on standard error is shown."""
    started = subprocess.Popen(list(command), env=child_environment(PYTHONWARNINGS="ignore"), stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL)
    try:
        yield started
    finally:
        started.terminate()
        started.wait(30)


@contextmanager
def server(command: Callable[[int], Sequence[str]], path: str = "/healthz") -> Iterator[tuple[str, int]]:
    """An HTTP server on a free port; its URL and pid, once it answers `path`."""
    port = free_port()
    with process(command(port)) as running:
        url = f"http://127.0.0.1:{port}"
        asyncio.run(_answers(url + path, running))
        yield url, running.pid


async def _answers(url: str, running: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    async with aiohttp.ClientSession() as client:
        while time.monotonic() < deadline and running.poll() is None:
            try:
                async with client.get(url) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
    raise RuntimeError(f"{url} did not come up")


def plain_app(port: int) -> list[str]:
    """What a user would write in an afternoon: benchmarks/plain.py under uvicorn."""
    return [sys.executable, "-m", "uvicorn", "benchmarks.plain:app", "--port", str(port), "--no-access-log",
            "--log-level", "warning"]


@asynccontextmanager
async def client(key: str = "") -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {key}"} if key else {}) as session:
        yield session


async def storm(request: Callable[[], Any], *, at_once: int, seconds: float) -> list[float]:
    """Seconds that each request took, with so many of them open all the time."""
    took: list[float] = []
    end = time.perf_counter() + seconds

    async def one() -> None:
        while time.perf_counter() < end:
            began = time.perf_counter()
            async with request() as answer:
                await answer.read()
                answer.raise_for_status()
            took.append(time.perf_counter() - began)
    await asyncio.gather(*(one() for _ in range(at_once)))
    return took


def base_model(directory: Path) -> tuple[str, Path]:
    """SmolLM2 where it was pulled, else a tiny random model made in `directory`."""
    name = "smollm2-135m-instruct"
    pulled = settings().models_dir.absolute() / name
    if (pulled / "model.safetensors").exists():
        return name, pulled
    program = "import sys; from worker.training.base_models import tiny; tiny(sys.argv[1])"
    subprocess.run([sys.executable, "-c", program, str(directory / "tiny")], check=True, stderr=subprocess.DEVNULL)
    return "tiny", directory / "tiny"
