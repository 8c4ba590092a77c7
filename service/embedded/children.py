"""The processes that a supervisor starts: what they are, and one running instance of each."""

import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, SIGTERM

from service.embedded.health import SignOfLife, always
from service.embedded.processes import descendants, end_all
from service.settings import child_environment

_KEPT_LOGS = 3
_LONGEST_PAUSE = 30.0
_STEADY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One process as data: how to start it, how to tell that it works, how long it may take to stop (seconds)."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    sign_of_life: SignOfLife = always
    stop_rank: int = 0
    "Lower ranks are stopped first; equal ranks are asked together."
    stop_seconds: float = 15.0


class Child:
    """The process of one specification, started again with growing pauses when it dies."""

    def __init__(self, spec: ChildSpec, log: Path, *, lifeline: int, instance: str) -> None:
        self.spec = spec
        self.log = log
        self._environment = {"TUNEWORKS_PARENT_FD": str(lifeline), "TUNEWORKS_INSTANCE": instance, **spec.environment}
        self._lifeline = lifeline
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._failures = 0
        self._not_before = 0.0

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def exit_code(self) -> int | None:
        """How it ended (negative: the signal's number); None while it runs."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        with self.log.open("ab") as log:
            # A session of its own: Ctrl-C reaches the supervisor only, which stops everything in order.
            self._process = subprocess.Popen(
                list(self.spec.command), env=child_environment(**self._environment), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, pass_fds=(self._lifeline,), start_new_session=True)
        self._started_at = time.monotonic()

    def lives(self) -> bool:
        """It is there and shows that it works."""
        return self._process is not None and self.exit_code is None and self.spec.sign_of_life()

    def plan_restart(self) -> float:
        """It died: returns the pause in seconds before `restart_if_due` starts it again."""
        steady = time.monotonic() - self._started_at > _STEADY_SECONDS
        self._failures = 1 if steady else self._failures + 1
        pause = min(_LONGEST_PAUSE, 0.25 * 2.0**self._failures)
        self._not_before = time.monotonic() + pause
        self._process = None
        return pause

    def restart_if_due(self) -> bool:
        if self._process is not None or time.monotonic() < self._not_before:
            return False
        self.start()
        return True

    def ask_to_stop(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(SIGTERM)

    def stopped_within(self, seconds: float) -> bool:
        if self._process is None:
            return True
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
            return True
        return False

    def kill(self) -> None:
        """End it and everything it started, at once."""
        if self._process is not None:
            below = descendants(self._process.pid)
            with suppress(ProcessLookupError):
                self._process.send_signal(SIGKILL)
            self._process.wait()
            end_all(below, patience=5)


def rotate(log: Path) -> None:
    """Move the log of the last start aside, keeping a few."""
    for number in range(_KEPT_LOGS, 0, -1):
        older = log if number == 1 else log.with_name(f"{log.name}.{number - 1}")
        if older.exists():
            older.replace(log.with_name(f"{log.name}.{number}"))
