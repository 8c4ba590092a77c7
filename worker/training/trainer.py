"""Trains: TRL's SFTTrainer with our own batches, loss, watchdog and checkpoints.

TRL and the Trainer beneath it own the loop, the optimizer, the schedule, mixed precision, gradient clipping and the
distribution over processes. What we do ourselves, and why:

- One item of our data loader is one whole optimizer step, cut into micro-batches by a token budget inside
  `training_step`. Every loss is divided by the learned tokens of the whole step, so that cutting changes nothing.
  And a signal can only ever be acted on between steps, where resuming is bit-exact.
- The loss leaves out TRL's metrics, which cost three device syncs per micro-batch, and on CPU its fused head.
- Checkpoints are written whole with a manifest, and read back without unpickling: `torch.load` is only ever
  called by the Trainer with `weights_only=True`, on its optimizer, scheduler and random state.
"""

from __future__ import annotations

import contextlib
import math
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset  # type: ignore[import-untyped]  # it ships no types
from torch.utils.data import DataLoader
from transformers import PrinterCallback, TrainerCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from worker.training.batches import Step, micro_batches, share
from worker.training.checkpoints import TRAINER_STATE, Checkpoints
from worker.training.evaluation import Score, Validation
from worker.training.failures import JobFailed
from worker.training.losses import summed_loss, tensors
from worker.training.models import save_model
from worker.training.progress import Checkpoint, FailureCode, Metrics, ProgressWriter, Stage
from worker.training.rendering import Example
from worker.training.stopping import StopFlag

_BAD_STEPS = 3  # steps in a row whose loss or gradient is no number before the job fails; each is left out


class ChatTrainer(SFTTrainer):
    """Runs the given steps over the given examples, reports each, and leaves checkpoints behind."""

    def __init__(  # noqa: PLR0913  # the parts of one run, each named at the only call
        self,
        model: Any,
        tokenizer: Any,
        *,
        config: SFTConfig,
        examples: list[Example],
        steps: list[Step],
        validation: Validation,
        max_tokens: int,
        checkpoints: Checkpoints,
        progress: ProgressWriter,
        stop: StopFlag,
        base_name: str,
    ) -> None:
        self._examples = examples
        self._lengths = [len(example.input_ids) for example in examples]
        self._steps = steps
        self._validation = validation
        self._max_tokens = max_tokens
        self._checkpoints = checkpoints
        self._progress = progress
        self._stop_flag = stop
        self._base_name = base_name
        self._score = Score()
        self._grad_norm = math.nan
        self._pad_token = int(tokenizer.pad_token_id)
        self._bad_steps = 0
        self._since = time.monotonic()
        self._tokens_this_run = 0
        self._seconds_this_run = 0.0
        self.metrics: Metrics | None = None
        self.was_stopped = False
        rows = {
            "input_ids": [example.input_ids for example in examples],
            "labels": [example.labels for example in examples],
        }
        super().__init__(
            model,
            args=config,
            train_dataset=Dataset.from_dict(rows),
            processing_class=tokenizer,
            callbacks=[_AfterStep(self)],
        )
        self.remove_callback(PrinterCallback)

    def get_train_dataloader(self) -> DataLoader[Step]:
        """All steps of all epochs as one pass: the Trainer resumes by skipping the first ones."""
        return DataLoader(self._steps, batch_size=1, collate_fn=lambda steps: steps[0])  # type: ignore[arg-type]  # a list is a data set

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:  # noqa: ARG002  # the Trainer's signature
        """Do the forward and backward passes of one optimizer step; returns its mean loss over all processes."""
        step: Step = inputs
        model.train()
        self._since = time.monotonic() if self.metrics is None else self._since
        learned = sum(self._examples[at].learned_tokens for at in step.examples)
        ranks = self.accelerator.num_processes
        mine = share(step.examples, self._lengths, rank=self.accelerator.process_index, ranks=ranks)
        # A process without an example must still take part in the exchange of gradients.
        groups = micro_batches(mine or step.examples[:1], self._lengths, max_tokens=self._max_tokens)
        sums = torch.zeros(2, dtype=torch.float64, device=self.args.device)
        for number, group in enumerate(groups, start=1):
            self._stop_flag.check_cancelled()
            batch = [self._examples[at] for at in group]
            ids, labels = tensors(batch, pad=self._pad_token, device=self.args.device, learn=bool(mine))
            last = number == len(groups)
            with contextlib.nullcontext() if last else self.accelerator.no_sync(model):
                with self.compute_loss_context_manager():
                    loss, right = summed_loss(model, ids, labels, fused=self._fused)
                # Processes average their gradients, hence the factor.
                self.accelerator.backward(loss * (ranks / learned))
            sums += torch.stack([loss.detach().double(), right.double()])
        self._agree(sums, learned)
        return torch.tensor(self._score.loss, device=self.args.device)

    def _get_num_items_in_batch(self, batch_samples: list[Step], device: torch.device) -> None:
        """Our loss knows its number of tokens, from all processes, without asking them."""

    def floating_point_ops(self, inputs: Any) -> int:  # noqa: ARG002  # the Trainer's signature
        """Nobody reads the Trainer's estimate, and it cannot count our steps."""
        return 0

    def after_step(self, control: Any) -> None:
        """Judge, report and decide, between the optimizer's step and the Trainer's own save."""
        step = self._steps[self.state.global_step - 1]
        last = step is self._steps[-1]
        self._watch_numbers(last=last)
        stopping = self.was_stopped and not last
        self.was_stopped = stopping
        valid, full = (Score(), Score()) if stopping else self._evaluate_when_due(step)
        self.metrics = self._measure(step, valid, full)
        self._progress.write(self.metrics)
        control.should_save = step.ends_epoch or stopping
        control.should_training_stop = stopping or last

    def _agree(self, sums: torch.Tensor, learned: int) -> None:
        """Add up over processes; one that was asked to stop makes all stop, at the same step."""
        wants = torch.tensor([float(self._stop_flag.wants_checkpoint)], dtype=torch.float64, device=sums.device)
        loss, right, stopping = self.accelerator.reduce(torch.cat([sums, wants]), "sum").tolist()
        self._score = Score(loss=loss / learned, accuracy=right / learned)
        self.was_stopped = stopping > 0

    def _clip_grad_norm(self, model: Any) -> torch.Tensor:
        """Clip, or leave out a step that is no number: without gradients the optimizer changes nothing."""
        norm: torch.Tensor = self.accelerator.clip_grad_norm_(model.parameters(), self.args.max_grad_norm)
        self._grad_norm = float(norm)
        self._learning_rate = self._get_learning_rate()
        if not (math.isfinite(self._grad_norm) and math.isfinite(self._score.loss)):
            model.zero_grad(set_to_none=True)
            self._score = Score(loss=math.nan, accuracy=self._score.accuracy)
        return norm

    def _watch_numbers(self, *, last: bool) -> None:
        self._bad_steps = 0 if math.isfinite(self._score.loss) else self._bad_steps + 1
        if self._bad_steps >= _BAD_STEPS or (last and self._bad_steps):
            raise JobFailed(
                FailureCode.NAN_LOSS,
                f"The loss was not a number at step {self.state.global_step} and before it. A lower "
                "learning_rate_multiplier usually helps; the last checkpoint was not harmed.",
                param="learning_rate_multiplier",
            )

    def _evaluate_when_due(self, step: Step) -> tuple[Score, Score]:
        is_full = step.ends_epoch
        if not self._validation.is_due(step.number, total=len(self._steps), full=is_full):
            return Score(), Score()
        if is_full:
            self._progress.write(Stage(name="evaluating"))
        model: Any = self.model
        model.eval()
        with torch.no_grad(), self.compute_loss_context_manager():
            score = self._validation.score(
                model, self.accelerator, at=step.number, full=is_full, pad=self._pad_token, fused=self._fused
            )
        return (Score(), score) if is_full else (score, Score())

    def _measure(self, step: Step, valid: Score, full: Score) -> Metrics:
        now = time.monotonic()
        tokens = self._tokens(step)
        seconds, self._since = max(now - self._since, 1e-6), now
        self._tokens_this_run += tokens
        self._seconds_this_run += seconds
        left = sum(self._tokens(later) for later in self._steps[step.number :])
        return Metrics(
            step=step.number,
            total_steps=len(self._steps),
            epoch=step.epoch,
            train_loss=_number(self._score.loss),
            train_mean_token_accuracy=_number(self._score.accuracy),
            learning_rate=self._learning_rate,
            grad_norm=_number(self._grad_norm),
            tokens_per_second=round(tokens / seconds, 1),
            seconds_left=round(left * self._seconds_this_run / self._tokens_this_run, 1),
            valid_loss=_number(valid.loss),
            valid_mean_token_accuracy=_number(valid.accuracy),
            full_valid_loss=_number(full.loss),
            full_valid_mean_token_accuracy=_number(full.accuracy),
        )

    def _tokens(self, step: Step) -> int:
        return sum(self._lengths[at] for at in step.examples)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:  # noqa: ARG002  # the Trainer's signature
        """Write what can be served and what can be resumed into one directory; the first process writes it all."""
        step = self._steps[self.state.global_step - 1]
        random_states = self._random_states()
        if self.accelerator.is_main_process:
            self._progress.write(Stage(name="saving"))
            with self._checkpoints.writing(step.number, epoch=step.epoch) as building:
                state = building / TRAINER_STATE
                save_model(self.model, self.processing_class, building, base_name=self._base_name)
                self._save_optimizer_and_scheduler(str(state))
                self.state.save_to_json(str(state / "trainer_state.json"))
                for name, content in random_states.items():
                    (state / name).write_bytes(content)
            last = step is self._steps[-1]
            self._progress.write(
                Checkpoint(
                    step=step.number,
                    epoch=step.epoch,
                    path=str(self._checkpoints.path(step.number)),
                    ends_epoch=step.ends_epoch,
                    final=last,
                    metrics=self.metrics,
                )
            )
            if not (last or self.was_stopped):
                self._progress.write(Stage(name="training"))
        self.accelerator.wait_for_everyone()

    def _random_states(self) -> dict[str, bytes]:
        """The files the Trainer would write for the random state of every process, by name."""
        with tempfile.TemporaryDirectory() as scratch:
            self._save_rng_state(scratch)
            mine = {path.name: path.read_bytes() for path in Path(scratch).iterdir()}
        if self.accelerator.num_processes == 1:
            return mine
        everyone: list[Any] = [None] * self.accelerator.num_processes
        torch.distributed.all_gather_object(everyone, mine)
        return {name: content for states in everyone for name, content in states.items()}

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """The weights were loaded when the model was made."""

    @property
    def _fused(self) -> bool:
        return bool(self.args.device.type == "cuda")


class _AfterStep(TrainerCallback):
    """Tells the trainer that the optimizer has stepped."""

    def __init__(self, trainer: ChatTrainer) -> None:
        self._trainer = trainer

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002  # the callback's signature
        self._trainer.after_step(control)


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
