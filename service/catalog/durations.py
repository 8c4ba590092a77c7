"""How long training takes: from what this house measured, else from arithmetic and a wide interval, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from service.catalog.base_models import Shape
from service.catalog.memory import Kind, moving_parameters

ENOUGH_RATES = 3
"""So many measured jobs make an interval; with fewer, the measured speed is widened."""
_PEAKS = (("b200", 2250.0), ("h200", 989.0), ("gh200", 989.0), ("h100 pcie", 756.0), ("h100", 989.0), ("a100", 312.0),
          ("l40", 362.0), ("a40", 150.0), ("a10g", 70.0), ("a10", 125.0), ("l4", 121.0), ("rtx 5090", 209.0),
          ("rtx 4090", 165.0), ("rtx 3090", 71.0), ("v100", 15.7), ("t4", 8.1))
"""TFLOP/s that training can use at most, by what the device's name contains: bfloat16 where it has it, else float32."""
_LARGE = 1_000_000_000
_PART_OF_PEAK = {"large": (0.18, 0.32, 0.45), "small": (0.03, 0.10, 0.25)}
"""Small models leave a GPU waiting; both rows hold what was measured on an H200."""
_PART_OF_CORES = (0.1, 0.4, 0.8)
_CORE_GFLOPS = 60.0
"""Of a core that nobody measured."""
_STARTUP_SECONDS = (15.0, 45.0, 180.0)
_REMOTE_TOKENS_PER_SECOND = (500.0, 3_000.0, 15_000.0)
_REMOTE_OVERHEAD_SECONDS = (300.0, 900.0, 7_200.0)


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds; `basis` says what they rest on."""

    low: int
    expected: int
    high: int
    basis: str


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens a second at the worst, most likely and at best."""

    slow: float
    usual: float
    fast: float
    basis: str


@dataclass(frozen=True, slots=True)
class Device:
    """What trains: one GPU, or all cores of a machine."""

    kind: Kind
    name: str
    memory_bytes: int
    cores: int = 1
    gflops: float | None = None
    "Of all cores together, as measured on the machine."


def measured_speed(rates: Sequence[float], what: str) -> Speed | None:
    """From tokens a second of past jobs: the median, from their 10th to their 90th percentile."""
    if not rates:
        return None
    ordered = sorted(rates)
    slow, usual, fast = (_quantile(ordered, part) for part in (0.1, 0.5, 0.9))
    if len(ordered) < ENOUGH_RATES:
        slow, fast = min(slow, usual * 0.6), max(fast, usual * 1.4)
    jobs = "1 job" if len(ordered) == 1 else f"{len(ordered)} jobs"
    return Speed(slow, usual, fast, f"measured: {usual:,.0f} tokens a second in {jobs} of {what}")


def _quantile(ordered: Sequence[float], part: float) -> float:
    at = part * (len(ordered) - 1)
    below = int(at)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (at - below)


def reckoned_speed(shape: Shape, tuning: Mapping[str, Any], device: Device, *, checkpointing: bool) -> Speed | None:
    """From arithmetic alone; None for a device whose speed nobody knows."""
    if device.kind == "cpu":
        gflops = device.gflops or device.cores * _CORE_GFLOPS
        peak, parts = gflops * 1e9, _PART_OF_CORES
        basis = (f"reckoned: {device.cores} cores of together {gflops:.0f} GFLOP/s, of which {parts[0]:.0%} to"
                 f" {parts[2]:.0%} are used; no job was measured yet")
    else:
        teraflops = peak_teraflops(device.name)
        if teraflops is None:
            return None
        peak, parts = teraflops * 1e12, _PART_OF_PEAK["large" if shape.parameters >= _LARGE else "small"]
        basis = (f"reckoned: {device.name} at {parts[0]:.0%} to {parts[2]:.0%} of {teraflops:,.0f} TFLOP/s;"
                 " no job was measured yet")
    work = flops_per_token(shape, tuning, checkpointing=checkpointing)
    slow, usual, fast = (peak * part / work for part in parts)
    return Speed(slow, usual, fast, basis)


def peak_teraflops(name: str) -> float | None:
    lower = name.lower()
    return next((peak for part, peak in _PEAKS if part in lower), None)


def flops_per_token(shape: Shape, tuning: Mapping[str, Any], *, checkpointing: bool) -> float:
    """Forward 2 for each weight passed, backward 2 more, and 2 again for each that moves; checkpointing repeats 2."""
    passed = shape.active or shape.parameters
    repeated = 2 * passed if checkpointing else 0
    if tuning["type"] == "last_layers":
        return 2 * passed + 4 * min(passed, moving_parameters(shape, tuning)) + repeated
    return (4 if tuning["type"] == "lora" else 6) * passed + repeated


def local_span(tokens: tuple[int, int, int], speed: Speed) -> Span:
    """How long a run over so many tokens (low, expected, high) takes on one device."""
    low, expected, high = (start + count / rate for start, count, rate in zip(
        _STARTUP_SECONDS, tokens, (speed.fast, speed.usual, speed.slow), strict=True))
    return Span(ceil(low), ceil(expected), ceil(high), speed.basis)


def remote_span(tokens: tuple[int, int, int], rates: Sequence[float], provider: str) -> Span:
    """The same for a provider whose machines nobody here sees; an assumption until this house has measured jobs."""
    speed = measured_speed(rates, provider)
    if speed is None:
        slow, usual, fast = _REMOTE_TOKENS_PER_SECOND
        speed = Speed(slow, usual, fast, f"assumed, not measured: {provider} trains {slow:,.0f} to {fast:,.0f} tokens a"
                                         " second after 5 minutes to 2 hours of waiting and checking")
    low, expected, high = (wait + count / rate for wait, count, rate in zip(
        _REMOTE_OVERHEAD_SECONDS, tokens, (speed.fast, speed.usual, speed.slow), strict=True))
    return Span(ceil(low), ceil(expected), ceil(high), speed.basis)
