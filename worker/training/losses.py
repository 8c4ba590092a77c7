"""Computes the loss of a micro-batch: the summed nats of its learned tokens, and how many the model would have said."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn import functional

from worker.training.rendering import IGNORED, Example


def tensors(
    examples: Sequence[Example], *, pad: int, device: torch.device, learn: bool = True
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pad examples on the right to token ids and labels of shape (examples, longest).

    There is no attention mask: under causal attention no real token ever sees the padding to its right. Without
    `learn` every label is ignored, for a process that has nothing to do but must take part.
    """
    longest = max(len(example.input_ids) for example in examples)
    ids = torch.full((len(examples), longest), pad)
    labels = torch.full((len(examples), longest), IGNORED)
    for row, example in enumerate(examples):
        ids[row, : len(example.input_ids)] = torch.tensor(example.input_ids)
        if learn:
            labels[row, : len(example.labels)] = torch.tensor(example.labels)
    return ids.to(device, non_blocking=True), labels.to(device, non_blocking=True)


def summed_loss(
    model: Any, ids: torch.Tensor, labels: torch.Tensor, *, fused: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the sum of the loss over learned tokens (with gradient) and the count of right first guesses.

    `fused` uses the head that TRL patches into the model, which never builds the logits: right on GPUs. On CPU it
    costs 40 % more, so there the model computes logits, but only at positions where some row predicts a learned token.
    """
    if fused:
        outputs = model(input_ids=ids, labels=labels, use_cache=False, fused_lm_head=True)
        return -outputs.log_probs.sum(), outputs.is_top1.sum()
    following = labels[:, 1:]
    positions = (following != IGNORED).any(dim=0).nonzero().squeeze(1)
    if not len(positions):  # a loss of nothing still has to reach every weight
        positions = torch.zeros(1, dtype=torch.long, device=ids.device)
    logits = model(input_ids=ids, use_cache=False, logits_to_keep=positions).logits.float()
    wanted = following[:, positions]
    loss = functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=IGNORED, reduction="sum")
    with torch.no_grad():
        right = ((logits.argmax(dim=-1) == wanted) & (wanted != IGNORED)).sum()
    return loss, right
