"""How much memory training takes: a formula for what the trainer keeps, fitted to measured runs.

    weights + adapters + their gradients and Adam's two moments     last through the whole run
    + activations of one micro-batch, or one layer's of them and the rest computed again (checkpointing)
    + the head's logits, whole or by tiles

Activations take 14.5 values a token and layer for each unit of the model's width and 3.6 for each of its inner
width; fitted to SmolLM2 135M, Qwen2.5 0.5B and 1.5B and Llama 3.1 8B on a GPU, where it is off by 6 % at most, and
held to other runs of other models, tunings and batches afterwards.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from service.catalog.base_models import Shape

Kind = Literal["cpu", "cuda"]
GiB = 2**30

MICRO_BATCH_TOKENS: Mapping[Kind, int] = {"cpu": 1024, "cuda": 16_384}
"""The trainer's own budgets; an example that is longer makes a micro-batch by itself."""
_PER_WIDTH, _PER_INNER_WIDTH, _WHEN_ALL_MOVE = 14.5, 3.6, 1.08
_HEAD_TILE_TOKENS, _HEAD_TILE_BYTES, _PLAIN_HEAD_BYTES = 4096, 2, 10
_ADAM_BYTES = 8
_FRAGMENTATION, _CONTEXT = 1.08, {"cuda": 1 * GiB, "cpu": GiB * 7 // 10}
"""What is lost between allocations, and what torch and its kernels take before a model is there."""
_KEPT_FREE = {"cuda": 0.02, "cpu": 0.10}


@dataclass(frozen=True, slots=True)
class Precision:
    """Bytes a value takes: of weights at rest, of moving weights with gradient and moments, of activations."""

    still: int = 2
    moving: int = 4
    gradient: int = 4
    moments: int = _ADAM_BYTES
    copied: int = 0
    "For each moving weight beside it, such as a copy in the precision that is computed in."
    scratch: int = 0
    "For each moving weight while the optimizer steps."
    activation: int = 2


@dataclass(frozen=True, slots=True)
class Need:
    """What one device must hold, and how the trainer would go about it."""

    bytes: int
    checkpointing: bool
    micro_batch_tokens: int


def adapter_parameters(shape: Shape, rank: int) -> int:
    """Weights of a LoRA adapter on every linear layer; on attention alone where there are experts."""
    queries, keys = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    attention = 2 * (shape.hidden + queries) + 2 * (shape.hidden + keys)
    inner = 0 if shape.has_experts else 3 * (shape.hidden + shape.intermediate)
    return rank * shape.layers * (attention + inner)


def block_parameters(shape: Shape) -> int:
    """Weights of one layer."""
    return (shape.parameters - 2 * shape.hidden * shape.vocabulary) // shape.layers if shape.has_experts else (
        2 * shape.hidden * shape.head_size * (shape.heads + shape.kv_heads) + 3 * shape.hidden * shape.intermediate)


def moving_parameters(shape: Shape, tuning: Mapping[str, Any]) -> int:
    """How many weights training changes."""
    if tuning["type"] == "lora":
        return adapter_parameters(shape, tuning.get("rank") or 16)
    if tuning["type"] == "full":
        return shape.parameters
    blocks = min(shape.layers, tuning.get("layers") or 2) * block_parameters(shape)
    head = shape.hidden * shape.vocabulary if _has_own_head(shape) else 0
    return min(shape.parameters, blocks + head)


def _has_own_head(shape: Shape) -> bool:
    """Small models use their embeddings as head too, and those stand still unless everything moves."""
    beside_blocks = shape.parameters - shape.layers * block_parameters(shape)
    return beside_blocks > 1.5 * shape.hidden * shape.vocabulary


def peak(shape: Shape, tuning: Mapping[str, Any], *, tokens: int, checkpointing: bool, precision: Precision,
         tiled_head: bool = True, accumulating: bool = True) -> int:
    """Most bytes that are allocated at once; `accumulating` says that gradients stay between micro-batches."""
    moving = moving_parameters(shape, tuning)
    still = shape.parameters if tuning["type"] == "lora" else shape.parameters - moving
    lasting = still * precision.still + moving * (precision.moving + precision.moments + precision.copied)
    gradients = moving * precision.gradient
    passing = _activations(shape, tuning, tokens, precision, checkpointing=checkpointing) + _head(
        shape, tokens, tiled=tiled_head)
    scratch = moving * precision.scratch
    busy = gradients + max(passing, scratch) if accumulating else max(passing, gradients + scratch)
    return round(lasting + busy)


def _activations(shape: Shape, tuning: Mapping[str, Any], tokens: int, precision: Precision, *,
                 checkpointing: bool) -> float:
    layers = min(shape.layers, tuning.get("layers") or 2) if tuning["type"] == "last_layers" else shape.layers
    layer = tokens * (_PER_WIDTH * shape.hidden + _PER_INNER_WIDTH * shape.intermediate) * precision.activation
    if tuning["type"] != "lora":
        layer *= _WHEN_ALL_MOVE
    if not checkpointing:
        return layers * layer
    return layer + tokens * shape.hidden * layers * precision.activation


def _head(shape: Shape, tokens: int, *, tiled: bool) -> float:
    if tiled:
        return min(tokens, _HEAD_TILE_TOKENS) * shape.vocabulary * _HEAD_TILE_BYTES
    return tokens * shape.vocabulary * _PLAIN_HEAD_BYTES


def need(shape: Shape, tuning: Mapping[str, Any], *, kind: Kind, device_bytes: int, longest: int,
         batch_size: int) -> Need:
    """What the trainer will need on such a device, in the precision and with the checkpointing it will choose."""
    budget = MICRO_BATCH_TOKENS[kind]
    tokens = max(longest, min(budget, longest * batch_size))
    precision = _precision(tuning, kind)
    checkpointing = kind == "cuda" and not _activations_fit(shape, tuning, budget, precision, device_bytes)
    allocated = peak(shape, tuning, tokens=tokens, checkpointing=checkpointing, precision=precision,
                     tiled_head=kind == "cuda")
    return Need(round(allocated * _FRAGMENTATION) + _CONTEXT[kind], checkpointing, tokens)


def _precision(tuning: Mapping[str, Any], kind: Kind) -> Precision:
    """Weights rest in bfloat16 beside an adapter on a GPU, in float32 elsewhere and wherever they move."""
    if kind == "cpu":
        return Precision(still=4, activation=4)
    return Precision(still=2) if tuning["type"] == "lora" else Precision(still=4, copied=2)


def _activations_fit(shape: Shape, tuning: Mapping[str, Any], budget: int, precision: Precision,
                     device_bytes: int) -> bool:
    """The trainer's own question (worker/training/run.py): may activations be kept, or must they be computed again?"""
    moving = moving_parameters(shape, tuning)
    still = shape.parameters if tuning["type"] == "lora" else shape.parameters - moving
    weights = still * precision.still + moving * precision.moving
    return 2 * 60 * budget * shape.layers * shape.hidden + 4 * weights < device_bytes


def fits(needed: int, device_bytes: int, kind: Kind) -> Literal["yes", "no", "unknown"]:
    """Unknown is what lies within a tenth of the limit, about as far as the formula may be off."""
    room = device_bytes * (1 - _KEPT_FREE[kind])
    if needed * 1.1 <= room:
        return "yes"
    return "no" if needed * 0.9 > room else "unknown"
