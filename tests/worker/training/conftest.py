"""A tiny model, chats to learn, and training processes that start in a fraction of a second."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from worker.training.base_models import tiny
from worker.training.plan import PROGRESS_FILE, Knobs, Plan, Tuning
from worker.training.progress import AnyRecord, Checkpoint, Metrics, read_progress

_PATIENCE = 60.0  # seconds after which a test gives up on a process


def train(run: Path, largest_file: int | None) -> None:
    """What the process does; `largest_file` in bytes stands for a disk that is full."""
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    from worker.training.run import run as run_job  # noqa: PLC0415  # imported once, by the server that forks

    os._exit(run_job(run))


@dataclass
class Run:
    """One training directory and the processes that work on it."""

    directory: Path
    plan: Plan
    processes: list[ForkServerProcess] = field(default_factory=list)

    def start(self, *, largest_file: int | None = None) -> ForkServerProcess:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.worker.training.warm"])
        self.plan.write(self.directory)
        process = context.Process(target=train, args=(self.directory, largest_file))
        process.start()
        self.processes.append(process)
        return process

    def end(self, process: ForkServerProcess) -> int | None:
        process.join(_PATIENCE)
        return process.exitcode

    def complete(self) -> int | None:
        return self.end(self.start())

    @property
    def records(self) -> list[AnyRecord]:
        return read_progress(self.directory / PROGRESS_FILE)[0]

    def of(self, kind: type[Any]) -> list[Any]:
        return [record for record in self.records if isinstance(record, kind)]

    def wait_for(self, kind: type[Any], *, count: int = 1) -> Any:
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline:
            if len(found := self.of(kind)) >= count:
                return found[count - 1]
            time.sleep(0.01)
        raise AssertionError(f"no {kind.__name__}; the records are {self.records}")

    def losses(self) -> dict[int, float | None]:
        return {metrics.step: metrics.train_loss for metrics in self.of(Metrics)}

    def last_weights(self) -> bytes:
        checkpoint = self.of(Checkpoint)[-1]
        return next(Path(checkpoint.path).glob("*model.safetensors")).read_bytes()


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("base") / "tiny", seed=7)


def chats(count: int) -> list[dict[str, Any]]:
    """Chats of unlike lengths, each with an answer that depends on the question."""
    colours = ["red", "green", "blue", "yellow"]
    return [
        {
            "messages": [
                {"role": "system", "content": "Answer with the colour."},
                {"role": "user", "content": f"Order {number}: the bird is {colours[number % 4]}. " * (1 + number % 3)},
                {"role": "assistant", "content": f"{colours[number % 4]}."},
            ]
        }
        for number in range(count)
    ]


def write_lines(path: Path, examples: list[Any]) -> str:
    path.write_text("".join(json.dumps(example) + "\n" for example in examples))
    return str(path)


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Callable[..., Run]]:
    """Make a run of two epochs of four steps; keywords replace fields of the plan or of its tuning."""
    runs: list[Run] = []

    def make(examples: list[Any] | None = None, *, tuning: dict[str, Any] | None = None, **fields: Any) -> Run:
        directory = tmp_path_factory.mktemp("run")
        defaults: dict[str, Any] = {
            "job_id": "ftjob-1",
            "base_model": str(tiny_model),
            "training_file": write_lines(directory / "train.jsonl", chats(16) if examples is None else examples),
            "context_length": 128,
            "n_epochs": 2,
            "batch_size": 4,
            "learning_rate_multiplier": 1.0,
            "seed": 3,
            "knobs": Knobs(threads=1, max_tokens_per_micro_batch=1024),
        }
        plan = Plan(**defaults | fields, tuning=Tuning(**tuning or {}))
        runs.append(Run(directory, plan))
        return runs[-1]

    yield make
    for process in (process for run in runs for process in run.processes):
        process.kill()
        process.join()
