"""What the embedded servers share: one owner, one port, a start that ends leftovers, a stop without loss."""

import os
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from service.embedded.errors import DidNotStart
from service.embedded.ownership import DirectoryLock, free_port, kept_port, kept_secret, tail
from service.embedded.processes import Process, end

START_SECONDS = 60.0
STOP_SECONDS = 20.0
_ATTEMPTS = 5


class EmbeddedServer(ABC):
    """One server for one data directory. Subclasses say how to prepare and spawn it, and when it is ready."""

    name: ClassVar[str]
    stop_signals: ClassVar[tuple[signal.Signals, ...]]
    "Sent in turn, STOP_SECONDS apart, the mildest first; SIGKILL comes last by itself."

    def __init__(self, data_dir: Path, *, log_file: Path | None = None) -> None:
        self.data_dir = data_dir.absolute()
        self.log_file = (log_file or data_dir / "server.log").absolute()
        self.port = 0
        self._lock = DirectoryLock(self.data_dir)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the server while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def password(self) -> str:
        return kept_secret(self.data_dir / "password")

    def start(self) -> str:
        """Start the server, after ending what a killed owner left running, and return its URL.

        Raises EmbeddedUnavailable, AlreadyInUse or DidNotStart. Does nothing when it runs already.
        """
        if self.pid is not None:
            return self.url()
        self.stop()  # it may have died under us
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock.acquire()
        try:
            # We hold the lock, so a server that still runs here has lost its owner.
            if (old := self._leftover()) is not None:
                self._end(old)
            self._prepare()
            self._launch()
        except BaseException:
            self.stop()
            raise
        return self.url()

    def stop(self) -> None:
        """Disconnect everybody, write everything down, end. Does nothing when it is not running."""
        if self._process is not None and self._process.poll() is None:
            self._end(Process(self._process.pid))
            self._process.wait()
        self._process = None
        self._lock.release()

    def hurry(self) -> None:
        """End without ceremony; safe to call from a signal handler while `stop` waits."""
        if (pid := self.pid) is not None:
            os.kill(pid, self.stop_signals[-1])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.stop()

    @abstractmethod
    def url(self) -> str:
        """Where any process of this machine reaches it; holds the password."""

    @abstractmethod
    def _leftover(self) -> Process | None: ...

    @abstractmethod
    def _prepare(self) -> None: ...

    @abstractmethod
    def _spawn(self) -> subprocess.Popen[bytes]: ...

    @abstractmethod
    def _is_ready(self, pid: int) -> bool: ...

    def _end(self, process: Process) -> None:
        end(process, *self.stop_signals, patience=STOP_SECONDS)

    def _launch(self) -> None:
        """A port is lost between choosing and binding, children of a killed server linger: so try again."""
        port_file = self.data_dir / "port"
        for attempt in range(_ATTEMPTS):
            if attempt:
                port_file.write_text(f"{free_port()}\n")
            self.port = kept_port(port_file)
            self._process = self._spawn()
            if self._becomes_ready(self._process):
                return
            time.sleep(0.5 * attempt)
        raise DidNotStart(f"{self.name} did not start in {self.data_dir}; its log ends so:\n"
                          f"{tail(self.log_file)}")

    def _becomes_ready(self, process: subprocess.Popen[bytes]) -> bool:
        deadline = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            if self._is_ready(process.pid):
                return True
            time.sleep(0.02)
        if process.poll() is None:
            self._end(Process(process.pid))
            process.wait()
        return False
