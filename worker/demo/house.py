"""The demo's house: `tuneworks up` in a process of its own, for as long as the demo lasts."""

import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.settings import child_environment

_START_SECONDS = 180.0
_STOP_SECONDS = 60.0


class HouseDidNotStart(Exception):
    """Its own last lines say why."""


@dataclass(frozen=True, slots=True)
class House:
    base_url: str
    api_key: str
    admin_key: str


@contextmanager
def running_house(data_dir: Path) -> Iterator[House]:
    """Start the house, wait until all of it is healthy, and stop it when the block ends. Raises HouseDidNotStart."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, (data_dir / "demo.log").open("w") as log:
        ready_file = Path(scratch) / "ready.json"
        process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "up", "--data-dir", str(data_dir), "--ready-file", str(ready_file)],
            # The demo's webhook receiver lives on this machine, which a production house would refuse to call.
            env=child_environment(TUNEWORKS_WEBHOOK_ALLOW_PRIVATE="true"),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            ready = _wait(process, ready_file, data_dir / "demo.log")
            yield House(ready["base_url"], ready["api_key"], ready["admin_key"])
        finally:
            _stop(process)


def _wait(process: subprocess.Popen[bytes], ready_file: Path, log: Path) -> dict[str, Any]:
    deadline = time.monotonic() + _START_SECONDS
    while not ready_file.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise HouseDidNotStart("\n".join(log.read_text(errors="replace").splitlines()[-15:]))
        time.sleep(0.1)
    ready: dict[str, Any] = json.loads(ready_file.read_text())
    return ready


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
