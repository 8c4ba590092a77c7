"""The one thread that touches models: it steps every lane in turn and runs what others ask between steps."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from .lane import Generation, Lane
from .refusals import not_now

log = logging.getLogger(__name__)

T = TypeVar("T")


class Engine:
    """Owns all lanes; `submit` and `call` may be used from any thread and never wait."""

    def __init__(self, *, max_requests: int) -> None:
        self._max_requests = max_requests
        self._wake = threading.Condition()
        self._calls: deque[Callable[[], None]] = deque()
        self._lanes: list[Lane] = []
        self.open = 0  # requests whose caller is not done with them yet
        self.tokens = 0  # chosen since the start
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, *, within: float) -> None:
        """End all requests and the thread; `within` is in seconds."""
        with self._wake:
            self._is_stopping = True
            self._wake.notify()
        self._thread.join(within)

    @property
    def load(self) -> int:
        """Requests in all lanes, running or waiting."""
        return sum(lane.load for lane in tuple(self._lanes))

    def call(self, work: Callable[[], T]) -> "Future[T]":
        """Run `work` on the engine's thread, between two tokens."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(work())
            except BaseException as problem:  # noqa: BLE001  # it belongs to the caller
                future.set_exception(problem)

        self._enqueue(run)
        return future

    def add(self, lane: Lane) -> "Future[None]":
        return self.call(lambda: self._lanes.append(lane))

    def remove(self, lane: Lane) -> "Future[None]":
        return self.call(lambda: self._lanes.remove(lane))

    def submit(self, lane: Lane, generation: Generation) -> None:
        """Queue a request; 503 when too many are open. `close` must follow when the caller is done with it."""
        if self.open >= self._max_requests:
            raise not_now("The engine is currently overloaded, please try again later.", code="engine_overloaded")
        self.open += 1
        self._enqueue(lambda: lane.add(generation))

    def close(self, generation: Generation) -> None:
        """The caller of a submitted request has what it wants, or has left."""
        generation.is_cancelled = True
        self.open -= 1

    def _enqueue(self, run: Callable[[], None]) -> None:
        with self._wake:
            self._calls.append(run)
            self._wake.notify()

    def _run(self) -> None:
        while not self._is_stopping:
            self._wait()
            while self._calls:
                self._calls.popleft()()
            for lane in self._lanes:
                if not lane.is_idle:
                    self.tokens += lane.step()
        for lane in self._lanes:
            lane.abandon(not_now("The server is shutting down.", code="shutting_down"))

    def _wait(self) -> None:
        with self._wake:
            self._wake.wait_for(
                lambda: self._is_stopping or self._calls or any(not lane.is_idle for lane in self._lanes)
            )
