"""Trains on this machine: one subprocess per run, in a process group of its own, told and heard through files.

    work_dir/<job id>/lock            held by the training process for as long as any part of it lives
                      process.json    its pid and start time, for whoever finds the lock taken
                      inputs/         the data set and the artifact to start from
                      plan.json, progress.jsonl, stop, checkpoints/    see worker/training/plan.py
                      training.log    what the process printed
"""

import fcntl
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from service.jobs.plans import Kind, TrainingPlan
from service.kit.storage import storage
from service.settings import child_environment, settings
from worker.providers.base import (
    Cancelled,
    Failed,
    Handle,
    HandleLost,
    Paused,
    Rejected,
    Running,
    Saved,
    Step,
    Succeeded,
    Unavailable,
    Update,
)
from worker.training import plan as orders
from worker.training import progress

_log = logging.getLogger(__name__)
_OVER_SECONDS = 30.0
_METRICS = ("train_loss", "train_mean_token_accuracy", "valid_loss", "valid_mean_token_accuracy", "full_valid_loss",
            "full_valid_mean_token_accuracy", "learning_rate", "grad_norm", "tokens_per_second")


@dataclass(slots=True)
class _Process:
    """A training process that this worker started, and our end of the pipe whose closing tells it that we died."""

    popen: subprocess.Popen[bytes]
    lifeline: int


class LocalProvider:
    """See worker/providers/base.py; a handle is {"run": directory, "offset": bytes of progress read}."""

    def __init__(self) -> None:
        self._processes: dict[str, _Process] = {}

    def submit(self, plan: TrainingPlan) -> Handle:
        run = run_directory(plan.job_id)
        run.mkdir(parents=True, exist_ok=True)
        lock = _take_over(run)
        try:
            _fetch_base_model(plan.base_model_id)
            _write_orders(run, plan)
            (run / orders.STOP_FILE).unlink(missing_ok=True)
            (run / orders.PROGRESS_FILE).unlink(missing_ok=True)
            self._processes[str(run)] = _start(run, lock)
        finally:
            os.close(lock)  # the child holds the same lock through its own copy
        return {"run": str(run), "offset": 0}

    def poll(self, handle: Handle) -> Update:
        run = Path(handle["run"])
        process = self._processes.get(str(run))
        if process is None:
            raise HandleLost(f"This worker runs no training in {run}.")
        code = process.popen.poll()  # asked before reading, so that nothing written before the end is missed
        records, offset = progress.read_progress(run / orders.PROGRESS_FILE, handle["offset"])
        running = _digest(records, {"run": str(run), "offset": offset})
        return Update(running, None if code is None else _outcome(run, code))

    def cancel(self, handle: Handle) -> None:
        _tell(handle, "cancel")

    def pause(self, handle: Handle) -> None:
        _tell(handle, "pause")

    def release(self, handle: Handle) -> None:
        process = self._processes.pop(handle["run"], None)
        if process is None:
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.popen.pid, signal.SIGKILL)
        process.popen.wait()
        os.close(process.lifeline)

    def discard(self, plan: TrainingPlan) -> None:
        shutil.rmtree(run_directory(plan.job_id), ignore_errors=True)


def run_directory(job_id: str) -> Path:
    """Where a job's run lives on this machine."""
    return settings().work_dir.absolute() / job_id


def _tell(handle: Handle, word: str) -> None:
    with suppress(FileNotFoundError):
        (Path(handle["run"]) / orders.STOP_FILE).write_text(word)


def _take_over(run: Path) -> int:
    """An open file that holds the run's lock; whoever trains there without a supervisor is ended first."""
    lock = os.open(run / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + _OVER_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _end_predecessor(run)
            if time.monotonic() > deadline:
                os.close(lock)
                raise Unavailable("Another training process of this job does not end.", retry_after=30) from None
            time.sleep(0.2)
        else:
            return lock


def _end_predecessor(run: Path) -> None:
    with suppress(OSError, ValueError, KeyError, psutil.Error):
        note = json.loads((run / "process.json").read_text())
        if psutil.Process(note["pid"]).create_time() == note["started"]:
            os.killpg(note["pid"], signal.SIGKILL)


def _fetch_base_model(model_id: str) -> None:
    """Make sure that the base model lies on this machine; the first use of a model fetches it."""
    directory = settings().models_dir.absolute() / model_id
    if (directory / "config.json").exists():
        return
    done = subprocess.run(
        [sys.executable, "-m", "worker.training.base_models", "pull", model_id, "--to", str(directory)],
        env=child_environment(), stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise Unavailable(f"The base model '{model_id}' could not be fetched: {reason}", retry_after=60)


def _write_orders(run: Path, plan: TrainingPlan) -> None:
    inputs = run / "inputs"
    inputs.mkdir(exist_ok=True)
    start_from = None
    if plan.start_from is not None:
        path = _fetch_directory(plan.start_from.artifact_prefix, inputs / "start_from")
        start_from = orders.StartFrom(kind=plan.start_from.kind, path=str(path))
    _fetch_resumable(run, plan)
    method = plan.method
    orders.Plan(
        job_id=plan.job_id,
        base_model=str(settings().models_dir.absolute() / plan.base_model_id),
        training_file=str(_fetch_file(plan.training_object, inputs / "training.jsonl")),
        validation_file=str(_fetch_file(plan.validation_object, inputs / "validation.jsonl"))
        if plan.validation_object else None,
        context_length=plan.context_length, n_epochs=method.n_epochs, batch_size=method.batch_size,
        learning_rate_multiplier=method.learning_rate_multiplier, seed=plan.seed, start_from=start_from,
        tuning=orders.Tuning(**method.tuning),
    ).write(run)


def _fetch_file(key: str, path: Path) -> Path:
    """The object as a file, whole or not at all."""
    if path.exists():
        return path
    partial = path.with_name(f".{path.name}")
    try:
        with partial.open("wb") as file:
            for chunk in storage().read(key):
                file.write(chunk)
    except FileNotFoundError:
        raise Rejected("deleted_training_file", "A file of this job was deleted before it could be trained on.",
                       "training_file") from None
    partial.replace(path)
    return path


def _fetch_directory(prefix: str, path: Path) -> Path:
    if not path.exists():
        partial = path.with_name(f".{path.name}")
        shutil.rmtree(partial, ignore_errors=True)
        storage().download_dir(prefix, partial)
        partial.replace(path)
    return path


def _fetch_resumable(run: Path, plan: TrainingPlan) -> None:
    """The newest stored checkpoint, when this machine has not trained the job before."""
    checkpoints = run / orders.CHECKPOINTS
    if plan.resume is not None and not (checkpoints.exists() and any(checkpoints.iterdir())):
        checkpoints.mkdir(exist_ok=True)
        _fetch_directory(plan.resume.artifact_prefix, checkpoints / f"step-{plan.resume.step}")


def _start(run: Path, lock: int) -> _Process:
    ours, theirs = os.pipe()
    command = [sys.executable, "-m", "worker.training", str(run)]
    gpus = _gpu_count()
    if gpus > 1:
        command[1:3] = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={gpus}", "--max-restarts=0",
                        "-m", "worker.training"]
    secrets = {f"TUNEWORKS_{name}": None for name in ("DATABASE_URL", "BROKER_URL", "STORAGE_URL", "STORAGE_OPTIONS",
                                                      "SERVING_TOKEN")}
    environment = child_environment(**secrets, **{orders.PARENT_FD_VARIABLE: str(ours),
                                                  "TOKENIZERS_PARALLELISM": "false"})
    with (run / "training.log").open("ab") as log:
        popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
                                 start_new_session=True, pass_fds=(ours, lock))
    os.close(ours)
    with suppress(psutil.Error):
        note = {"pid": popen.pid, "started": psutil.Process(popen.pid).create_time()}
        (run / "process.json").write_text(json.dumps(note))
    return _Process(popen, theirs)


def _gpu_count() -> int:
    """How many NVIDIA GPUs the driver shows; torch is not ours to import."""
    if shutil.which("nvidia-smi") is None:
        return 0
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=30)
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


def _digest(records: list[progress.AnyRecord], handle: Handle) -> Running:
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


def _outcome(run: Path, code: int) -> Succeeded | Failed | Cancelled | Paused:
    """How the process ended: its last word decides, and without one its exit code tells."""
    records, _ = progress.read_progress(run / orders.PROGRESS_FILE)
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
    _log.error("training in %s ended with exit code %s and no last word; it printed: %s", run, code, _printed(run))
    return Failed("server_error", f"The training process ended without a word (exit code {code}); when that is -9, it"
                                  " was most likely killed for using too much memory.", transient=True)


def _printed(run: Path) -> str:
    """The end of what the process printed, for the operator."""
    with suppress(OSError):
        return (run / "training.log").read_bytes()[-2000:].decode(errors="replace").strip()
    return ""
