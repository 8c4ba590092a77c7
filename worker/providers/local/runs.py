"""A run's directory on this machine: who may train in it, and what the training process is told.

    work_dir/<job id>/lock            held by the run's process for as long as any part of it lives
                      process.json    its pid and start time, for whoever finds the lock taken
                      inputs/         the data set and the artifact to start from
                      plan.json, progress.jsonl, stop, checkpoints/    see worker/training/plan.py
                      training.log    what the process printed
"""

import fcntl
import json
import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil

from service.jobs.plans import TrainingPlan
from service.kit.storage import storage
from service.settings import settings
from worker.providers.base import Handle, Rejected, Unavailable
from worker.training import plan as orders

_OVER_SECONDS = 30.0


def run_directory(job_id: str) -> Path:
    """Where a job's run lives on this machine."""
    return settings().work_dir.absolute() / job_id


def base_model(plan: TrainingPlan) -> Path:
    return settings().models_dir.absolute() / plan.base_model_id


def take_over(run: Path) -> int:
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


def write_orders(run: Path, plan: TrainingPlan) -> None:
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
        base_model=str(base_model(plan)),
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


def tell(handle: Handle, word: str) -> None:
    with suppress(FileNotFoundError):
        (Path(handle["run"]) / orders.STOP_FILE).write_text(word)
