"""Measures the loss on the validation examples: a small batch now and then, all of them at the end of each epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from worker.training.batches import micro_batches, share
from worker.training.losses import summed_loss, tensors
from worker.training.rendering import Example
from worker.training.stopping import StopFlag

_LOOKS = 10  # small evaluations in a run: at a batch each they cost a few percent of the time


@dataclass(frozen=True, slots=True)
class Score:
    """Mean nats per learned token, and the share of them that the model would have said itself."""

    loss: float = math.nan
    accuracy: float = math.nan


@dataclass(frozen=True)
class Validation:
    """The validation examples, none where the job has no validation file."""

    examples: list[Example]
    batch_size: int
    max_tokens: int
    stop: StopFlag

    def is_due(self, step: int, *, total: int, full: bool) -> bool:
        """Whether to evaluate after this step, of `total`."""
        return bool(self.examples) and (full or step % max(1, math.ceil(total / _LOOKS)) == 0)

    def score(self, model: Any, accelerator: Any, *, at: int, full: bool, pad: int, fused: bool) -> Score:
        """Score all examples, or one batch of them chosen by the step number `at`; all processes share the work.

        The model must be in evaluation mode, without gradients. No random number is used.
        """
        lengths = [len(example.input_ids) for example in self.examples]
        chosen = list(range(len(self.examples)))
        if not full:
            size = min(self.batch_size, len(chosen))
            chosen = [(at * size + offset) % len(chosen) for offset in range(size)]
        mine = share(chosen, lengths, rank=accelerator.process_index, ranks=accelerator.num_processes)
        sums = torch.zeros(2, dtype=torch.float64, device=accelerator.device)
        for group in micro_batches(mine, lengths, max_tokens=self.max_tokens):
            self.stop.check_cancelled()
            ids, labels = tensors([self.examples[one] for one in group], pad=pad, device=accelerator.device)
            loss, right = summed_loss(model, ids, labels, fused=fused)
            sums += torch.stack([loss.double(), right.double()])
        loss_sum, right_sum = accelerator.reduce(sums, "sum").tolist()
        learned = sum(self.examples[one].learned_tokens for one in chosen)
        return Score(loss_sum / learned, right_sum / learned)
