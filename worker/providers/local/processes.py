"""The processes of a run: one that fetches the base model where it is missing, then the training process."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from service.jobs.plans import TrainingPlan
from service.settings import bare_environment
from worker.providers.local.runs import base_model
from worker.training import plan as orders


@dataclass(frozen=True, slots=True)
class Process:
    """A process that this worker started for a run, and our end of the pipe whose closing tells it that we died."""

    popen: subprocess.Popen[bytes]
    lifeline: int
    plan: TrainingPlan
    is_fetching: bool
    "It fetches the base model; training comes after it."


def start(run: Path, lock: int, plan: TrainingPlan) -> Process:
    """The training process, or, where the base model is not on this machine yet, the process that fetches it."""
    is_fetching = not (base_model(plan) / "config.json").exists()
    ours, theirs = os.pipe()
    environment = bare_environment(**{orders.PARENT_FD_VARIABLE: str(ours), "TOKENIZERS_PARALLELISM": "false"})
    with (run / "training.log").open("ab") as log:
        popen = subprocess.Popen(_fetching(plan) if is_fetching else _training(run), stdin=subprocess.DEVNULL,
                                 stdout=log, stderr=log, env=environment, start_new_session=True,
                                 pass_fds=(ours, lock))
    os.close(ours)
    with suppress(psutil.Error):
        note = {"pid": popen.pid, "started": psutil.Process(popen.pid).create_time()}
        (run / "process.json").write_text(json.dumps(note))
    return Process(popen, theirs, plan, is_fetching)


def _fetching(plan: TrainingPlan) -> list[str]:
    return [sys.executable, "-m", "worker.training.base_models", "pull", plan.base_model_id,
            "--to", str(base_model(plan))]


def _training(run: Path) -> list[str]:
    gpus = _gpu_count()
    launcher = ["torch.distributed.run", "--standalone", f"--nproc-per-node={gpus}", "--max-restarts=0", "-m"]
    return [sys.executable, "-m", *(launcher if gpus > 1 else []), "worker.training", str(run)]


def _gpu_count() -> int:
    """How many NVIDIA GPUs the driver shows; torch is not ours to import."""
    if shutil.which("nvidia-smi") is None:
        return 0
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False, timeout=30)
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


def printed(run: Path) -> str:
    """The end of what the process printed, for the operator."""
    with suppress(OSError):
        return (run / "training.log").read_bytes()[-2000:].decode(errors="replace").strip()
    return ""
