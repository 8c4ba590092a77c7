"""Starts servers and children, keeps them running, and stops them in order.

    owner.lock          one supervisor per data directory
    state.json          what runs: the next start ends it if this one is killed
    logs/<name>.log     of each process; the last starts' logs beside it as .1, .2, .3

Three things see to it that nothing is left over when the supervisor is killed: children notice the end of the
pipe that they inherit (service/kit/lifeline.py); the next start ends what the state file names; and what those
had started in turn is recognised by the variable TUNEWORKS_INSTANCE in its environment.
"""

import json
import os
import secrets
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType, TracebackType
from typing import Self

from service.embedded.children import Child, ChildSpec, rotate
from service.embedded.errors import DidNotStart, EmbeddedUnavailable
from service.embedded.ownership import DirectoryLock, tail, write_private
from service.embedded.processes import Process, end_all, marked, same, started_at
from service.embedded.server import EmbeddedServer

HEALTHY_SECONDS = 240.0
_TICK = 0.2
_EARLY_DEATHS = 3
_LEFTOVER_SECONDS = 10.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Asked(Exception):
    """Somebody asked for the end while things were still being started."""


class Supervisor:
    """A context: within it things may be started; whatever ends it stops them all, children before servers."""

    def __init__(self, data_dir: Path, *, say: Callable[[str], None]) -> None:
        self.data_dir = data_dir
        self.logs = data_dir / "logs"
        self.servers: dict[str, EmbeddedServer] = {}
        self.children: dict[str, Child] = {}
        self.instance = secrets.token_hex(8)
        self._say = say
        self._lock = DirectoryLock(data_dir)
        self._asked = 0
        self._lifeline = (-1, -1)
        self._former: dict[signal.Signals, object] = {}

    @property
    def was_killed(self) -> bool:
        """Asked a second time: nobody is waited for any longer."""
        return self._asked > 1

    @property
    def pids(self) -> dict[str, int]:
        """Every process by name."""
        return {**{name: child.pid for name, child in self.children.items()},
                **{name: server.pid or 0 for name, server in self.servers.items()}}

    def __enter__(self) -> Self:
        self.logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock.acquire()
        # nohup means what it says; but a script that starts us with & ignores SIGINT without meaning it.
        self._former = {each: signal.signal(each, self._on_signal) for each in _SIGNALS
                        if each is not signal.SIGHUP or signal.getsignal(each) is not signal.SIG_IGN}
        self._end_leftovers()
        self._lifeline = os.pipe()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> bool:
        try:
            self._stop_children()
            for server in reversed(self.servers.values()):
                server.stop()
            self._state.unlink(missing_ok=True)
        finally:
            for handle in self._lifeline:
                with suppress(OSError):
                    os.close(handle)
            for number, former in self._former.items():
                signal.signal(number, former)  # type: ignore[arg-type]  # as signal() gave it
            self._lock.release()
        return isinstance(error, Asked)

    def serve(self, name: str, server: EmbeddedServer) -> str:
        """Start a server; returns its URL. Servers are stopped last, in the opposite order."""
        self._go_on_unless_asked()
        rotate(server.log_file)
        self.servers[name] = server
        return server.start()

    def start(self, specs: Sequence[ChildSpec]) -> None:
        """Start children; their ranks say in what order they are stopped."""
        for spec in specs:
            self._go_on_unless_asked()
            rotate(self.log_of(spec.name))
            child = Child(spec, self.log_of(spec.name), lifeline=self._lifeline[0], instance=self.instance)
            child.start()
            self.children[spec.name] = child
            self._write_state()

    def log_of(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def wait_until_healthy(self) -> None:
        """Until every child shows that it works. Raises DidNotStart, with the log's end, when one does not."""
        deadline = time.monotonic() + HEALTHY_SECONDS
        waiting, deaths = set(self.children), dict.fromkeys(self.children, 0)
        while waiting:
            self._go_on_unless_asked()
            for name in sorted(waiting):
                child = self.children[name]
                if child.lives():
                    waiting.discard(name)
                elif child.exit_code is not None:
                    deaths[name] += 1
                    if deaths[name] >= _EARLY_DEATHS:
                        raise DidNotStart(self._obituary(child))
            self._mend()
            if time.monotonic() > deadline:
                raise DidNotStart(f"{', '.join(sorted(waiting))}: no sign of life within {HEALTHY_SECONDS:.0f} s."
                                  f" See {self.logs}.")
            time.sleep(_TICK)

    def watch(self, *, on_change: Callable[[], object]) -> None:
        """Keep everything running until asked to stop; `on_change` is called when a pid has changed."""
        while not self._asked:
            if self._mend():
                on_change()
            time.sleep(_TICK)

    # -- how -------------------------------------------------------------------------------------------

    @property
    def _state(self) -> Path:
        return self.data_dir / "state.json"

    def _on_signal(self, *_: int | FrameType | None) -> None:
        self._asked += 1
        if self.was_killed:
            for server in self.servers.values():
                server.hurry()

    def _go_on_unless_asked(self) -> None:
        if self._asked:
            raise Asked

    def _mend(self) -> bool:
        """Start again what died; returns whether anything was started."""
        changed = False
        for name, child in self.children.items():
            if child.exit_code is not None:
                code = child.exit_code
                self._say(f"{name} ended ({_how(code)}); starting it again in {child.plan_restart():.1f} s."
                          f" Its log: {child.log}")
            changed = child.restart_if_due() or changed
        for name, server in self.servers.items():
            changed = self._mend_server(name, server) or changed
        if changed:
            self._write_state()
        return changed

    def _mend_server(self, name: str, server: EmbeddedServer) -> bool:
        if server.pid is not None:
            return False
        self._say(f"{name} ended; starting it again. Its log: {server.log_file}")
        before = server.url()
        if server.start() != before:  # the others hold the old address
            raise EmbeddedUnavailable(f"{name} lost its port to another process; start `tuneworks up` again.")
        return True

    def _write_state(self) -> None:
        running = {}
        for name, child in self.children.items():
            with suppress(Exception):  # it may be gone already, whatever its library calls that
                running[name] = {"pid": child.pid, "started_at": started_at(child.pid)}
        write_private(self._state, json.dumps({"instance": self.instance, "children": running}))

    def _end_leftovers(self) -> None:
        """We hold the lock, so whatever an earlier supervisor started has lost it."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            state = json.loads(self._state.read_text())
            known = [Process(each["pid"]) for each in state["children"].values()
                     if same(each["pid"], each["started_at"])]
            left = list({process.pid: process for process in [*known, *marked("TUNEWORKS_INSTANCE",
                                                                            state["instance"])]}.values())
            if left:
                self._say(f"Ending {len(left)} processes that an earlier start left behind.")
                end_all(left, signal.SIGTERM, patience=_LEFTOVER_SECONDS)
        self._state.unlink(missing_ok=True)

    def _stop_children(self) -> None:
        for rank in sorted({child.spec.stop_rank for child in self.children.values()}):
            together = [child for child in self.children.values() if child.spec.stop_rank == rank]
            for child in together:
                child.ask_to_stop()
            for child in together:
                self._wait_for(child)

    def _wait_for(self, child: Child) -> None:
        deadline = time.monotonic() + child.spec.stop_seconds
        while not child.stopped_within(_TICK):
            if self.was_killed:
                child.kill()
            elif time.monotonic() > deadline:
                self._say(f"{child.spec.name} did not stop within {child.spec.stop_seconds:.0f} s and is killed.")
                child.kill()

    def _obituary(self, child: Child) -> str:
        code = child.exit_code
        return (f"{child.spec.name} ended ({_how(code or 0)}) again and again. Its log, {child.log}, ends so:\n"
                f"{tail(child.log)}")


def _how(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
