"""Processes that outlived whoever started them: how to recognise them, and how to end them."""

from contextlib import suppress
from pathlib import Path
from signal import SIGKILL, Signals

import psutil
from psutil import Process

__all__ = ["Process", "descendants", "end", "end_all", "leftover", "marked", "same", "started_at"]


def leftover(pid_file: Path, mark: str) -> Process | None:
    """The process that `pid_file` names, if it still runs and has `mark` among its arguments."""
    with suppress(OSError, ValueError, IndexError, psutil.Error):
        process = Process(int(pid_file.read_text().split()[0]))
        if any(mark in argument for argument in process.cmdline()):
            return process
    return None


def end(process: Process, *signals: Signals, patience: float) -> None:
    """Send `signals` in turn, waiting up to `patience` seconds after each; kill it if none of them helped."""
    for number in (*signals, SIGKILL):
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
        with suppress(psutil.TimeoutExpired):
            process.wait(patience)
            return


def started_at(pid: int) -> float:
    """When the process began, in seconds of Unix time; tells it from a later one with the same pid."""
    return float(Process(pid).create_time())


def same(pid: int, began: float) -> bool:
    """Whether the process that has this pid now is the one that began then."""
    with suppress(psutil.Error):
        return abs(started_at(pid) - began) < 1.0
    return False


def marked(variable: str, value: str) -> list[Process]:
    """Processes of ours whose environment says `variable=value`: children of children too."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(variable) == value:
                found.append(process)
    return found


def end_all(processes: list[Process], *signals: Signals, patience: float) -> None:
    """Like `end`, for many at once."""
    alive = processes
    for number in (*signals, SIGKILL):
        for process in alive:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
        _, alive = psutil.wait_procs(alive, timeout=patience)


def descendants(pid: int) -> list[Process]:
    """Everything the process has started, however deep, and that it has not lost sight of."""
    with suppress(psutil.Error):
        return list(Process(pid).children(recursive=True))
    return []
