"""What this machine can train on: its GPUs as the driver names them, or its cores and their speed. Loads no torch."""

import platform
import subprocess
from functools import cache

import psutil

from service.catalog.durations import Device
from service.settings import MiB

_QUERY = ("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader,nounits")
_ANSWER_SECONDS = 20
_PER_CYCLE = 32
"""Operations of one core in float32: two fused multiply-adds of eight numbers, as AVX2 and four NEON units have it."""
_USUAL_GIGAHERTZ, _SLOWEST_MHZ = 2.5, 500


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
    """All cores together, with the speed that their clock allows: measured, it would hang on what else runs now."""
    number = len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else psutil.cpu_count()
    count = number or 1
    return Device("cpu", f"{count} cores ({platform.machine()})", psutil.virtual_memory().total, cores=count,
                  gflops=round(count * _gigahertz() * _PER_CYCLE, 1))


def _gigahertz() -> float:
    try:
        clock = psutil.cpu_freq()
    except (OSError, NotImplementedError):
        clock = None
    return clock.current / 1000 if clock and clock.current > _SLOWEST_MHZ else _USUAL_GIGAHERTZ
