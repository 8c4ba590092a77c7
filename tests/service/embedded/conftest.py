"""Starts programs and waits for them, always with a limit."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

PATIENCE = 60.0
Start = Callable[..., "subprocess.Popen[str]"]


def until(holds: Callable[[], object], *, what: str) -> None:
    """Wait until `holds`; fails with `what` did not happen."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE:.0f} s: {what}"
        time.sleep(0.05)


def is_gone(pid: int) -> bool:
    """Ended; one that nobody has reaped yet counts as such."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def first_line(process: "subprocess.Popen[str]") -> Any:
    """The JSON that a program prints when it is ready."""
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def read_ready(file: Path) -> Any:
    until(file.exists, what=f"{file} appears")
    return json.loads(file.read_text())


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts `python -m module arguments…`; ends with the test, together with all it started."""
    started: list[subprocess.Popen[str]] = []

    def begin(module: str, *arguments: object, **options: Any) -> "subprocess.Popen[str]":
        process = subprocess.Popen([sys.executable, "-m", module, *map(str, arguments)], stdout=subprocess.PIPE,
                                   text=True, **options)
        started.append(process)
        return process
    yield begin
    for process in started:
        below = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.kill()
        process.communicate()
        for each in below:
            if each.is_running():
                each.kill()
