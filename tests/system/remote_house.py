"""A whole house whose jobs are trained by a simulated server, with a second worker and pollers beside its own."""

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from openai import OpenAI

from service import commands
from service.catalog.base_models import BUILT_IN
from tests.fixtures.whole_house import WholeHouse, running_house
from tests.remote.control import Simulator, simulating
from tests.system.nemesis import Nemesis, frozen, kill

SETTINGS = {
    "TUNEWORKS_CATALOG_FILE": str(BUILT_IN), "TUNEWORKS_REMOTE_ALLOW_PRIVATE": "true",
    "TUNEWORKS_REMOTE_LOOK_SECONDS": "1", "TUNEWORKS_REMOTE_LOOKS": "3", "TUNEWORKS_REMOTE_SETTLE_SECONDS": "15",
    "TUNEWORKS_REMOTE_FOLLOW_SECONDS": "10", "TUNEWORKS_REMOTE_SWEEP_SECONDS": "10",
    "TUNEWORKS_REMOTE_ORPHAN_SECONDS": "10", "TUNEWORKS_POLL_LEASE_SECONDS": "45",
}
"""Minutes become seconds, in the same proportions: lists lag by less than is waited before anything is sent again."""
LIST_LAG = 4.0
PACE = {"validating": 5.0, "queued": 120.0, "step": 0.5}
"""Seconds in each state at the server: what is one too many is cancelled while it still waits, as in real life."""


class Keeper:
    """Processes beside those of the house, started again when they die."""

    def __init__(self, environment: dict[str, str], logs: Path) -> None:
        self._environment, self._logs = environment, logs
        self._commands: dict[str, list[str]] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True, name="keeper")
        self._thread.start()

    def keep(self, name: str, command: list[str]) -> None:
        self._commands[name] = command

    def processes(self, name: str) -> list[psutil.Process]:
        try:
            head = psutil.Process(self._running[name].pid)
            return [head, *head.children(recursive=True)]
        except (KeyError, psutil.NoSuchProcess):
            return []

    def _watch(self) -> None:
        while not self._ended.wait(0.5):
            for name, command in list(self._commands.items()):
                running = self._running.get(name)
                if running is None or running.poll() is not None:
                    with (self._logs / f"second-{name}.log").open("ab") as log:
                        self._running[name] = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log,
                                                               stdin=subprocess.DEVNULL, start_new_session=True)

    def close(self) -> None:
        self._ended.set()
        self._thread.join()
        for running in self._running.values():
            running.terminate()
        for running in self._running.values():
            try:
                running.wait(60)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()


@dataclass
class RemoteHouse:
    house: WholeHouse
    simulator: Simulator
    keeper: Keeper

    def client(self) -> OpenAI:
        return self.house.client()

    def heads(self, name: str) -> list[list[psutil.Process]]:
        """Each process of that name with everything below it."""
        with suppress(KeyError):
            return [tree for tree in (self.house.processes(name), self.keeper.processes(name)) if tree]
        return [tree for tree in (self.keeper.processes(name),) if tree]


@contextmanager
def remote_house(directory: Path, pace: dict[str, float] = PACE) -> Iterator[RemoteHouse]:
    models = directory / "models"
    models.mkdir(exist_ok=True)
    with (simulating(directory) as simulator,
          running_house(directory, models, "--no-training", "--no-chat", **SETTINGS) as house):
        environment = psutil.Process(house.ready["pids"]["worker"]).environ()
        environment.pop("TUNEWORKS_PARENT_FD", None)
        keeper = Keeper(environment, house.data_dir / "logs")
        keeper.keep("worker", commands.worker(commands.SHORT_QUEUES, concurrency=2))
        keeper.keep("poller", [sys.executable, "-m", "worker.poller"])
        try:
            simulator.pace(**pace)
            simulator.behave(list_lag=LIST_LAG)
            store_credential(house.client(), simulator)
            yield RemoteHouse(house, simulator, keeper)
        finally:
            keeper.close()


def store_credential(client: OpenAI, simulator: Simulator) -> str:
    """What opens the simulated server for the house's project; its id."""
    body = {"provider": "openai", "name": "simulated", "secret": simulator.key, "base_url": simulator.base_url}
    stored = client.post("/credentials", body=body, cast_to=object)
    return str(stored["id"])  # type: ignore[index]


BLOWS = ("api", "relay", "sender", "worker", "worker_child", "second_worker", "poller", "flush", "broker",
         "database_backend", "database", "frozen_worker", "frozen_poller", "closed_server")
SHORT_BLOWS = ("api", "relay", "sender", "worker", "worker_child", "second_worker", "poller", "flush",
               "closed_server")


class RemoteNemesis(Nemesis):
    """The house's own dangers, and those of pollers and of the server beyond the net."""

    def __init__(self, place: RemoteHouse, seed: int, blows: Sequence[str] = BLOWS) -> None:
        super().__init__(place.house, seed, blows)
        self.place = place

    def worker(self) -> None:
        self._one_of("worker", 0)

    def second_worker(self) -> None:
        self._one_of("worker", 1)

    def poller(self) -> None:
        trees = self.place.heads("poller")
        if trees:
            kill(self.random.choice(trees)[0])

    def frozen_poller(self) -> None:
        self._freeze_all(self.random.choice(self.place.heads("poller") or [[]]))

    def frozen_worker(self) -> None:
        self._freeze_all(self.random.choice(self.place.heads("worker") or [[]]))

    def closed_server(self) -> None:
        self.place.simulator.refuse(self.random.uniform(0.5, 3.0))

    def _one_of(self, name: str, place: int) -> None:
        trees = self.place.heads(name)
        if len(trees) > place:
            kill(trees[place][0])

    @staticmethod
    def _freeze_all(processes: Sequence[psutil.Process]) -> None:
        with frozen(processes):
            threading.Event().wait(5.0)
