"""What this machine can train on: its GPUs as the driver names them, or its cores and their speed. Loads no torch."""

import platform
import subprocess
import time
from functools import cache

import numpy as np
import psutil

from service.catalog.durations import Device
from service.settings import MiB

_QUERY = ("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits")
_ANSWER_SECONDS = 20
_SIDE, _TRIES = 512, 8


def devices() -> list[Device]:
    """The GPUs of this machine, each for itself; its cores where it has none."""
    return gpus() or [cores()]


@cache
def trained_on() -> str:
    """What the maker calls the device that the trainer takes here."""
    return devices()[0].name


def gpus() -> list[Device]:
    """As the driver names them; none where there is no driver, or it does not answer."""
    try:
        told = subprocess.run(_QUERY, capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [device for line in told.splitlines() if (device := gpu(line)) is not None]


def gpu(line: str) -> Device | None:
    """One line of the driver's answer: name, MiB of memory."""
    name, _, memory = line.rpartition(",")
    if not name.strip() or not memory.strip().isdigit():
        return None
    return Device("cuda", name.strip(), int(memory) * MiB)


def cores() -> Device:
    """All cores together, with the speed that they show now."""
    number = len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else psutil.cpu_count()
    name = f"{number} cores ({platform.machine()})"
    return Device("cpu", name, psutil.virtual_memory().total, cores=number or 1, gflops=round(_gflops(), 1))


def _gflops() -> float:
    """The best of a few products of matrices: other work on this machine makes each of them slower, never faster."""
    matrix = np.ones((_SIDE, _SIDE), dtype=np.float32)
    best = float("inf")
    for _ in range(_TRIES):
        began = time.perf_counter()
        np.dot(matrix, matrix)
        best = min(best, time.perf_counter() - began)
    return 2 * _SIDE**3 / best / 1e9
