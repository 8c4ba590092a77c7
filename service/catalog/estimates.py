"""What training a model on a file costs and takes, as intervals: tokens, money, time, memory. Pure.

The low end of what is billed is the formula that recorded bills confirm (openai: content tokens, 4 for each message,
1 for each example, times the epochs); the high end adds all that no bill confirms. Money is whole micro-dollars.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import MappingProxyType
from typing import Any, Literal

from service.catalog import durations, memory
from service.catalog.base_models import BaseModelEntry, MethodName
from service.catalog.durations import Device, Span
from service.catalog.methods import AUTO, auto_batch_size, auto_epochs
from service.datasets.analysis.report import TokenStats

_OVERCOUNT_PER_EXAMPLE = 2
"""The formula of OpenAI's cookbook counts so many more than its bills did; newer models may do either."""
_IMAGE_TOKENS = {"gpt-4o-mini": (2_833, 25_501, 48_169), "gpt-4.1-mini": (1_659, 1_659, 2_489),
                 "gpt-4.1-nano": (2_520, 2_520, 3_779)}
_ANY_IMAGE_TOKENS = (85, 765, 1_445)
"""One image by OpenAI's published rules: of low detail, of 1024 x 1024 pixels, and at most.

85 and 170 for each of at most 8 tiles, dearer for some; the small 4.1 count patches, whatever the detail.
"""
_NO_IMAGES: Mapping[str, int] = MappingProxyType({})
FACTORS: Mapping[str, tuple[float, float, float]] = {"cl100k_base": (0.95, 1.05, 1.6), "o200k_base": (0.6, 0.95, 1.1),
                                                     "own": (0.8, 1.15, 1.8)}
"""From another tokenizer's count to one of these, at least, likely and at most: English is at the low end."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Of one epoch; `exact` when the model's own tokenizer counted every one."""

    low: int
    expected: int
    high: int
    exact: bool
    basis: str


@dataclass(frozen=True, slots=True)
class Cost:
    """Micro-dollars, each null when it cannot be told; the price with its source and date is always there."""

    low: int | None
    expected: int | None
    high: int | None
    per_million_tokens: int | None
    per_hour: int | None
    source: str
    as_of: date
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of one device; `fits` is unknown when no machine is known or it is too close to tell."""

    needed: int
    available: int | None
    fits: Literal["yes", "no", "unknown"]
    device: str | None
    host: str | None
    checkpointing: bool | None


@dataclass(frozen=True, slots=True)
class OverContext:
    context: int
    examples: int
    tokens: int
    longest: int


@dataclass(frozen=True, slots=True)
class Place:
    """A machine that trains, and the tokens a second that jobs of this model and tuning reached on it."""

    host: str
    device: Device
    rates: Sequence[float] = ()


@dataclass(frozen=True, slots=True)
class Estimate:
    """All that can be told beforehand of training one model."""

    epochs: int
    batch_size: int
    tokens: Tokens
    billed: tuple[int, int, int]
    "Tokens of all epochs: low, expected, high."
    over_context: OverContext | None
    cost: Cost
    duration: Span | None
    memory: tuple[Memory, ...] = field(default=())
    "One for each machine, the best first."


def tokens_per_epoch(stats: TokenStats, entry: BaseModelEntry, *, images: Mapping[str, int] = _NO_IMAGES) -> Tokens:
    """What one epoch is billed, with examples cut at the model's context as the platform cuts them.

    `images` counts them by their detail; no recorded bill has any, so the low end is without.
    """
    counted = stats.tokenizer == entry.tokenizer_id
    least, likely, most = (1.0, 1.0, 1.0) if counted else FACTORS[entry.tokenizer]
    cut = cut_off(stats, entry.context_length)
    billed = max(0, stats.billed - cut)
    seen, most_seen = (0, 0) if entry.provider == "local" else image_tokens(entry.id, images)
    unconfirmed = stats.uncertain
    if entry.tokenizer != "cl100k_base" and entry.provider != "local":
        unconfirmed += _OVERCOUNT_PER_EXAMPLE * stats.examples
    if entry.provider == "local":
        unconfirmed = 0 if counted else unconfirmed
    low = max(0, billed - (0 if entry.provider == "local" else stats.uncertain))
    exact = counted and stats.exact
    basis = _basis(stats, entry, counted=counted)
    if most_seen:
        basis += f"; {sum(images.values()):,} images are taken to make {seen:,} more, at most {most_seen:,}"
        exact = False
    return Tokens(int(low * least), round(billed * likely) + seen,
                  round((stats.billed + unconfirmed) * most) + most_seen, exact, basis)


def _basis(stats: TokenStats, entry: BaseModelEntry, *, counted: bool) -> str:
    if not counted:
        least, likely, most = FACTORS[entry.tokenizer]
        return (f"counted by {stats.tokenizer}; {entry.tokenizer_id} is taken to make {least:g} to {most:g} times as"
                f" many, most likely {likely:g}")
    return f"counted by {stats.tokenizer}" + ("" if stats.exact else ", in a part of the file")


def cut_off(stats: TokenStats, context: int) -> int:
    """Tokens beyond the context; of the next larger one that was counted, where this one was not."""
    found = _over(stats, context)
    return found.tokens if found else 0


def over_context(stats: TokenStats, context: int) -> OverContext | None:
    """How many examples are too long for the model, if any are."""
    found = _over(stats, context)
    if found is None or not found.examples:
        return None
    return OverContext(context, found.examples, found.tokens, found.longest)


def _over(stats: TokenStats, context: int) -> Any:
    larger = [each for each in stats.over_context if each.context >= context]
    return min(larger, key=lambda each: each.context, default=None)


def image_tokens(model: str, images: Mapping[str, int]) -> tuple[int, int]:
    """What these images are likely to be billed, and at most."""
    low, likely, most = next((tokens for name, tokens in _IMAGE_TOKENS.items() if model.startswith(name)),
                             _ANY_IMAGE_TOKENS)
    few = images.get("low", 0)
    many = sum(images.values()) - few
    return few * low + many * likely, few * (most if low == likely else low) + many * most


def resolved(hyperparameters: Mapping[str, Any], examples: int) -> tuple[int, int]:
    """Epochs and batch size, "auto" by the documented rules."""
    epochs, size = hyperparameters.get("n_epochs", AUTO), hyperparameters.get("batch_size", AUTO)
    return (auto_epochs(examples) if epochs == AUTO else int(epochs),
            auto_batch_size(examples) if size == AUTO else int(size))


def cost(entry: BaseModelEntry, method: MethodName, billed: tuple[int, int, int]) -> Cost:
    """Money for so many tokens: whole micro-dollars, rounded up."""
    price = entry.price
    low: int | None
    expected: int | None
    high: int | None
    low = expected = high = note = None
    if method == "reinforcement" or price.training is None:
        note = ("billed by the hour of training, which depends on the answers that are sampled: it cannot be told"
                " beforehand" if price.training_hour is not None else "no price for training is known")
    else:
        low, expected, high = (-(-tokens * price.training // 1_000_000) for tokens in billed)
        note = "trained on own machines" if entry.provider == "local" and not price.training else None
    return Cost(low, expected, high, price.training, price.training_hour, price.source, price.as_of, note)


def estimate(entry: BaseModelEntry, stats: TokenStats, *, method: MethodName, hyperparameters: Mapping[str, Any],
             tuning: Mapping[str, Any] | None = None, images: Mapping[str, int] = _NO_IMAGES,
             places: Sequence[Place] = (), rates: Sequence[float] = ()) -> Estimate:
    """Everything at once. `places` are machines of this house, `rates` what jobs at a remote provider reached."""
    epochs, batch_size = resolved(hyperparameters, stats.examples)
    tokens = tokens_per_epoch(stats, entry, images=images)
    billed = (epochs * tokens.low, epochs * tokens.expected, epochs * tokens.high)
    over = over_context(stats, entry.context_length)
    duration: Span | None = None
    memories: tuple[Memory, ...] = ()
    if entry.provider != "local":
        duration = None if method == "reinforcement" else durations.remote_span(billed, rates, entry.provider)
    elif tuning is not None:
        longest = min(entry.context_length, max(1, stats.percentiles.get("max", entry.context_length)))
        duration, memories = _here(entry, tuning, billed, places, longest=longest, batch_size=batch_size)
    return Estimate(epochs, batch_size, tokens, billed, over, cost(entry, method, billed), duration, memories)


def _here(entry: BaseModelEntry, tuning: Mapping[str, Any], billed: tuple[int, int, int], places: Sequence[Place], *,
          longest: int, batch_size: int) -> tuple[Span | None, tuple[Memory, ...]]:
    """Time on the best machine, and memory on each, the best first: where it fits, then where it is fastest."""
    shape = entry.known_shape()
    if shape is None:
        return None, ()
    order = {"yes": 0, "unknown": 1, "no": 2}
    found: list[tuple[tuple[int, float], Span | None, Memory]] = []
    for place in places:
        device = place.device
        need = memory.need(shape, tuning, kind=device.kind, device_bytes=device.memory_bytes, longest=longest,
                           batch_size=batch_size)
        fits = memory.fits(need.bytes, device.memory_bytes, device.kind)
        speed = durations.measured_speed(place.rates, f"{entry.id} on {device.name}") or durations.reckoned_speed(
            shape, tuning, device, checkpointing=need.checkpointing)
        span = durations.local_span(billed, speed) if speed else None
        found.append(((order[fits], span.expected if span else float("inf")), span,
                      Memory(need.bytes, device.memory_bytes, fits, device.name, place.host, need.checkpointing)))
    if not found:
        need = memory.need(shape, tuning, kind="cuda", device_bytes=0, longest=longest, batch_size=batch_size)
        return None, (Memory(need.bytes, None, "unknown", None, None, None),)
    found.sort(key=lambda each: each[0])
    return found[0][1], tuple(each[2] for each in found)
