"""Hears that the process should end: SIGTERM, the stop file, or the death of the supervisor that started it."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from worker.training.plan import ExitCode
from worker.training.progress import StopReason

CANCEL_GRACE = 5.0  # seconds between a cancel and the hard end, should the main thread be deep in torch
ORPHAN_GRACE = 30.0  # seconds that an orphan has to write its last checkpoint
_POLL = 0.1  # seconds between looks at the stop file


class Cancelled(Exception):
    """The job was cancelled: stop at once and keep nothing."""


class Preempted(Exception):
    """The process should end before training has begun, where there is nothing new to save."""


class StopFlag:
    """One flag, raised from anywhere, read by the training loop. A cancel overrides a pause; nothing lowers it."""

    def __init__(self, last_words: Callable[[StopReason], None]) -> None:
        """`last_words` records the stop when the process has to end hard, from a thread, before the loop could."""
        self._last_words = last_words
        self.reason: StopReason | None = None

    def raise_(self, reason: StopReason) -> None:
        if self.reason != "cancel":
            self.reason = reason

    @property
    def wants_checkpoint(self) -> bool:
        """Whether to save at the end of this optimizer step and leave."""
        return self.reason is not None and self.reason != "cancel"

    def check_cancelled(self) -> None:
        """Raise Cancelled when it is so."""
        if self.reason == "cancel":
            raise Cancelled

    def check_any(self) -> None:
        """Raise Cancelled or Preempted: for work before the first step, of which nothing is kept."""
        self.check_cancelled()
        if self.reason is not None:
            raise Preempted

    def watch(self, stop_file: Path, parent: int | None) -> None:
        """Listen from now on; call it from the main thread. `parent` is the read end of a pipe the supervisor holds."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.raise_("sigterm"))
        threading.Thread(target=self._watch_file, args=(stop_file,), daemon=True, name="stop-file").start()
        if parent is not None:
            threading.Thread(target=self._watch_parent, args=(parent,), daemon=True, name="parent").start()

    def _watch_file(self, stop_file: Path) -> None:
        while self.reason != "cancel":
            with contextlib.suppress(OSError, UnicodeDecodeError):
                asked = stop_file.read_text("utf-8").strip()
                if asked == "cancel":
                    self.raise_("cancel")
                elif asked == "pause" and self.reason is None:
                    self.raise_("pause")
            time.sleep(_POLL)
        self._end_hard(CANCEL_GRACE, ExitCode.CANCELLED)

    def _watch_parent(self, parent: int) -> None:
        # Nothing is ever written to the pipe, so a read returns only when its last writer is gone.
        with contextlib.suppress(OSError):
            while os.read(parent, 1):
                pass
        self.raise_("parent_gone")
        self._end_hard(ORPHAN_GRACE, ExitCode.PREEMPTED)

    def _end_hard(self, grace: float, code: ExitCode) -> None:
        time.sleep(grace)
        try:
            self._last_words(self.reason or "parent_gone")
        finally:
            os._exit(code)


def parent_pipe(number: str | None, *, under_torchrun: bool) -> int | None:
    """Open the pipe whose descriptor number the supervisor left in the environment, or None where it left none.

    torchrun keeps the descriptor but does not hand it on to its workers, so a worker reopens its launcher's.
    """
    if number is None:
        return None
    return os.open(f"/proc/{os.getppid()}/fd/{int(number)}", os.O_RDONLY) if under_torchrun else int(number)
