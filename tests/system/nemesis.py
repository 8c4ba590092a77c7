"""Everything that may go wrong with a house, each as a method, and a seeded hand that chooses among them."""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import psutil
import redis

from tests.fixtures.whole_house import WholeHouse

KILLS = ("api", "relay", "sender", "worker", "worker_child", "training_worker", "supervising_child",
         "training_process", "flush")
OUTAGES = ("broker", "database_backend", "database", "frozen_worker", "frozen_training_worker")
_FROZEN_SECONDS = 5.0
"""Longer than the lease of a house under test (3 s), so that frozen workers wake up to find their work taken."""


class Nemesis:
    """`strike` picks one of `blows`, names of methods; `struck` counts them."""

    def __init__(self, house: WholeHouse, seed: int, blows: Sequence[str] = KILLS) -> None:
        self.house = house
        self.random = random.Random(seed)
        self.blows = blows
        self.struck: Counter[str] = Counter()
        self.broker_url = house.setting("broker_url")

    def strike(self) -> str:
        name = self.random.choice(self.blows)
        self.struck[name] += 1
        blow: Callable[[], None] = getattr(self, name)
        blow()
        return name

    # -- processes of ours -----------------------------------------------------------------------------

    def api(self) -> None:
        self._head("api")

    def relay(self) -> None:
        self._head("relay")

    def sender(self) -> None:
        self._head("sender")

    def worker(self) -> None:
        self._head("worker")

    def worker_child(self) -> None:
        self._child("worker")

    def training_worker(self) -> None:
        self._head("training")

    def supervising_child(self) -> None:
        self._child("training")

    def training_process(self) -> None:
        for process in self.house.processes("training")[1:]:
            if trains(process):
                kill(process)

    def frozen_worker(self) -> None:
        self._freeze("worker")

    def frozen_training_worker(self) -> None:
        self._freeze("training")

    # -- what they stand on ----------------------------------------------------------------------------

    def flush(self) -> None:
        with suppress(redis.RedisError), redis.Redis.from_url(self.broker_url) as broker:
            broker.flushall()

    def broker(self) -> None:
        self._head("valkey")

    def database_backend(self) -> None:
        """PostgreSQL answers the death of one backend by ending all of them and recovering."""
        backends = self.house.processes("postgres")[1:]
        if backends:
            kill(self.random.choice(backends))

    def database(self) -> None:
        """An immediate shutdown: no checkpoint, recovery at the next start."""
        for process in self.house.processes("postgres")[:1]:
            send(process, signal.SIGQUIT)

    # -- how -------------------------------------------------------------------------------------------

    def _head(self, name: str) -> None:
        for process in self.house.processes(name)[:1]:
            kill(process)

    def _child(self, name: str) -> None:
        children = [each for each in self.house.processes(name)[1:] if not trains(each)]
        if children:
            kill(self.random.choice(children))

    def _freeze(self, name: str) -> None:
        """Stop a worker and its pool for longer than its lease; the training process goes on meanwhile."""
        with frozen([each for each in self.house.processes(name) if not trains(each)]):
            time.sleep(_FROZEN_SECONDS)


def trains(process: psutil.Process) -> bool:
    """Whether this is the process of a training run."""
    try:
        return "worker.training" in process.cmdline()
    except psutil.Error:
        return False


def send(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def kill(process: psutil.Process) -> None:
    send(process, signal.SIGKILL)


@contextmanager
def frozen(processes: Sequence[psutil.Process]) -> Iterator[None]:
    for process in processes:
        send(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            send(process, signal.SIGCONT)
