"""Ends this process when the one that started it is gone, even if that one was killed without a word."""

import os
import signal
import stat
import threading
import time
from contextlib import suppress

from service.settings import settings

GRACE_SECONDS = 40.0
"""How long an orderly end may take; as long as the longest soft shutdown (a worker's), and some more."""


def watch_parent(*, grace_seconds: float = GRACE_SECONDS) -> None:
    """Watch the supervisor's pipe, if there is one (TUNEWORKS_PARENT_FD), from a daemon thread.

    Nothing is ever written to it; its end means that the supervisor died. This process then gets a SIGTERM, as
    if somebody had asked it to stop, and is ended hard if it is still there `grace_seconds` later. Call it once
    per process, after any fork.
    """
    pipe = settings().parent_fd
    if pipe is None or not _is_pipe(pipe):
        return
    os.set_inheritable(pipe, False)
    threading.Thread(target=_watch, args=(pipe, grace_seconds), name="lifeline", daemon=True).start()


def _is_pipe(handle: int) -> bool:
    with suppress(OSError):
        return stat.S_ISFIFO(os.fstat(handle).st_mode)
    return False


def _watch(pipe: int, grace_seconds: float) -> None:
    with suppress(OSError):
        while os.read(pipe, 1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_seconds)
    os._exit(1)
