"""What a training process tells, in the words of the provider seam."""

import logging
from pathlib import Path
from typing import Any

from service.jobs.plans import Kind
from worker.providers.base import Cancelled, Failed, Handle, Paused, Running, Saved, Step, Succeeded
from worker.providers.local.processes import printed
from worker.training import plan as orders
from worker.training import progress

_log = logging.getLogger(__name__)
_METRICS = ("train_loss", "train_mean_token_accuracy", "valid_loss", "valid_mean_token_accuracy", "full_valid_loss",
            "full_valid_mean_token_accuracy", "learning_rate", "grad_norm", "tokens_per_second")


def digest(records: list[progress.AnyRecord], handle: Handle) -> Running:
    """What the records since the last poll add up to."""
    steps: list[Step] = []
    saved: list[Saved] = []
    notes: list[str] = []
    latest: dict[str, Any] = {}
    for record in records:
        match record:
            case progress.Stage():
                latest["stage"] = record.name
            case progress.Started():
                latest["total_steps"] = record.total_steps
                notes.extend(_introduction(record))
            case progress.Metrics():
                latest.update(total_steps=record.total_steps, seconds_left=record.seconds_left, stage="training")
                steps.append(Step(record.step, _values(record)))
            case progress.Checkpoint(ends_epoch=True) | progress.Checkpoint(final=True):
                saved.append(Saved(record.step, record.path, _kind(record.path),
                                   _values(record.metrics) if record.metrics else {}, record.final))
            case _:
                pass
    return Running(handle, steps=tuple(steps), saved=tuple(saved), notes=tuple(notes), **latest)


def _introduction(started: progress.Started) -> list[str]:
    size = (f"Training {started.parameters_trainable:,} of {started.parameters_total:,} parameters on"
             f" {started.n_examples} examples ({started.trained_tokens_per_epoch:,} tokens per epoch) on"
            f" {started.device} in {started.dtype}")
    notes = [size]
    if started.resumed_from_step:
        notes.append(f"Resumed from step {started.resumed_from_step} of {started.total_steps}")
    if started.n_examples_truncated:
        notes.append(f"{started.n_examples_truncated} example(s) are longer than the model's context"
                     " and were truncated at the end")
    if started.n_examples_skipped:
        notes.append(f"{started.n_examples_skipped} example(s) hold nothing to learn from and were left out")
    return notes


def _values(metrics: progress.Metrics) -> dict[str, float | int | None]:
    values = {name: getattr(metrics, name) for name in _METRICS}
    return {"step": metrics.step, "total_steps": metrics.total_steps,
            **{name: value for name, value in values.items() if value is not None}}


def _kind(path: str) -> Kind:
    return "adapter" if (Path(path) / "adapter_config.json").exists() else "model"


def outcome(run: Path, begin: int, code: int) -> Succeeded | Failed | Cancelled | Paused:
    """How the process ended: its last word decides, and without one its exit code tells."""
    records, _ = progress.read_progress(run / orders.PROGRESS_FILE, begin)
    for record in reversed(records):
        match record:
            case progress.Finished():
                return Succeeded(record.trained_tokens, record.metrics.step if record.metrics else 0)
            case progress.Failed():
                return Failed(record.code.value, record.message, record.param, transient=record.code.is_retriable)
            case progress.Stopped(reason="cancel"):
                return Cancelled()
            case progress.Stopped():
                return Paused(record.step)
            case _:
                continue
    _log.error("training in %s ended with exit code %s and no last word; it printed: %s", run, code, printed(run))
    return Failed("server_error", f"The training process ended without a word (exit code {code}); when that is -9, it"
                                  " was most likely killed for using too much memory.", transient=True)
