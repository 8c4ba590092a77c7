"""What a training process is told to do: the frozen RUN_DIR/plan.json, which is written without torch."""

from __future__ import annotations

import os
from enum import IntEnum
from pathlib import Path
from typing import Annotated, Literal

import msgspec

PLAN_FILE = "plan.json"
PROGRESS_FILE = "progress.jsonl"
STOP_FILE = "stop"
CHECKPOINTS = "checkpoints"
PARENT_FD_VARIABLE = "TUNEWORKS_PARENT_FD"

Rank = Literal[1, 8, 16, 32, 64, 128, 256, 320, 512]


class ExitCode(IntEnum):
    """How the process ended. Under torchrun the launcher's own code hides these: the last record decides there."""

    FINISHED = 0
    CRASHED = 1  # record `failed` with a retriable code, or no record at all
    REJECTED = 2  # record `failed`: the same plan would fail again
    PREEMPTED = 75  # record `stopped`: a checkpoint stands (EX_TEMPFAIL), start again to go on
    CANCELLED = 76  # record `stopped`: nothing was saved for it


class Tuning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which weights move: adapters beside them (`lora`), all (`full`), or the last `layers` blocks (`last_layers`)."""

    type: Literal["lora", "full", "last_layers"] = "lora"
    rank: Rank = 16
    alpha: Annotated[float, msgspec.Meta(gt=0)] | None = None  # null: twice the rank
    dropout: Annotated[float, msgspec.Meta(ge=0, le=0.5)] = 0.0
    layers: Annotated[int, msgspec.Meta(ge=1)] = 2

    @property
    def effective_alpha(self) -> float:
        return 2.0 * self.rank if self.alpha is None else self.alpha


class Knobs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the operator may turn without changing what is learned."""

    max_tokens_per_micro_batch: Annotated[int, msgspec.Meta(ge=1)] | None = None  # null: 1024 on CPU, 16384 on GPU
    checkpoints_to_keep: Annotated[int, msgspec.Meta(ge=1)] = 3
    threads: Annotated[int, msgspec.Meta(ge=1)] | None = None  # null: torch decides


class StartFrom(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An already tuned model to go on from: an adapter over `base_model`, or a whole model in its place."""

    kind: Literal["adapter", "model"]
    path: str


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One supervised job with every "auto" already resolved. Paths are local; the files are OpenAI chat JSONL."""

    job_id: str
    base_model: str
    training_file: str
    context_length: Annotated[int, msgspec.Meta(ge=2)]
    n_epochs: Annotated[int, msgspec.Meta(ge=1)]
    batch_size: Annotated[int, msgspec.Meta(ge=1)]
    learning_rate_multiplier: Annotated[float, msgspec.Meta(gt=0)]
    seed: Annotated[int, msgspec.Meta(ge=0)]
    start_from: StartFrom | None = None
    validation_file: str | None = None
    tuning: Tuning = Tuning()
    knobs: Knobs = Knobs()

    def write(self, run: Path) -> None:
        """Put the plan into the run directory, whole or not at all."""
        run.mkdir(parents=True, exist_ok=True)
        building = run / f".{PLAN_FILE}.{os.getpid()}"
        building.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=2))
        building.replace(run / PLAN_FILE)


def read_plan(run: Path) -> Plan:
    """Read the plan of a run; raises OSError without one, and msgspec.MsgspecError with a sentence if it is wrong."""
    return msgspec.json.decode((run / PLAN_FILE).read_bytes(), type=Plan)
