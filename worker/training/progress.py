"""What a training process tells: typed records in RUN_DIR/progress.jsonl, their writer, and the supervisor's reader."""

from __future__ import annotations

import os
import time
from enum import StrEnum
from pathlib import Path
from typing import Literal

import msgspec

StageName = Literal["loading_model", "rendering", "training", "evaluating", "saving"]
StopReason = Literal["cancel", "pause", "sigterm", "parent_gone"]


class FailureCode(StrEnum):
    """Why a job ended badly, in the words of `job.error.code`."""

    INVALID_TRAINING_FILE = "invalid_training_file"
    INVALID_VALIDATION_FILE = "invalid_validation_file"
    NO_TRAINABLE_TOKENS = "no_trainable_tokens"
    INVALID_PLAN = "invalid_plan"
    BASE_MODEL_UNAVAILABLE = "base_model_unavailable"
    OUT_OF_MEMORY = "out_of_memory"
    NAN_LOSS = "nan_loss"
    DISK_FULL = "disk_full"
    SERVER_ERROR = "server_error"

    @property
    def is_retriable(self) -> bool:
        """Whether the same plan may well succeed on another try: the machine was at fault, not the job."""
        return self in {FailureCode.DISK_FULL, FailureCode.SERVER_ERROR}


class Record(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """One line of progress; `time` is in seconds since 1970 and set by the writer."""

    time: float = 0.0


class Stage(Record, frozen=True, kw_only=True, tag="stage"):
    """The process has entered a stage; it may enter `evaluating` and `saving` many times."""

    name: StageName


class Started(Record, frozen=True, kw_only=True, tag="started"):
    """Everything is loaded and rendered, the first step is next. Token counts are of one epoch, after truncation."""

    total_steps: int
    n_examples: int
    n_examples_skipped: int  # they carry no token to learn from
    n_examples_truncated: int
    n_validation_examples: int
    trained_tokens_per_epoch: int  # real tokens, padding not counted: what is billed
    trainable_tokens: int  # those that carry loss
    parameters_trainable: int
    parameters_total: int
    resumed_from_step: int  # 0: from the beginning
    device: str
    dtype: str
    sample: str  # one example as the model reads it, the learned spans between ⟦ and ⟧


class Metrics(Record, frozen=True, kw_only=True, tag="metrics"):
    """One optimizer step. Losses are nats per learned token; a null train_loss is a step that was not a number."""

    step: int
    total_steps: int
    epoch: int  # from 1
    train_loss: float | None
    train_mean_token_accuracy: float | None
    learning_rate: float
    grad_norm: float | None
    tokens_per_second: float
    seconds_left: float
    valid_loss: float | None = None
    valid_mean_token_accuracy: float | None = None
    full_valid_loss: float | None = None
    full_valid_mean_token_accuracy: float | None = None


class Checkpoint(Record, frozen=True, kw_only=True, tag="checkpoint"):
    """A checkpoint directory stands, whole and named `step-N`; `metrics` are those of its step."""

    step: int
    epoch: int
    path: str
    ends_epoch: bool
    final: bool
    metrics: Metrics | None


class Finished(Record, frozen=True, kw_only=True, tag="finished"):
    """The job succeeded; `trained_tokens` is over all epochs, restarts not counted twice."""

    trained_tokens: int
    checkpoint: str
    metrics: Metrics | None


class Failed(Record, frozen=True, kw_only=True, tag="failed"):
    """The job failed; the message is for the customer and the param names the job field to change, if there is one."""

    code: FailureCode
    message: str
    param: str | None = None


class Stopped(Record, frozen=True, kw_only=True, tag="stopped"):
    """The process was asked to end before it was done; the checkpoint is the newest whole one, if any."""

    reason: StopReason
    step: int
    checkpoint: str | None


AnyRecord = Stage | Started | Metrics | Checkpoint | Finished | Failed | Stopped
_decoder: msgspec.json.Decoder[AnyRecord] = msgspec.json.Decoder(AnyRecord)


class ProgressWriter:
    """Appends records, each in one write, so that a reader sees whole lines and a kill loses at most the last one."""

    def __init__(self, path: Path, *, silent: bool = False) -> None:
        """Open the file to append. A `silent` one writes failures alone: for all processes of a run but the first."""
        self._silent = silent
        torn = path.exists() and (text := path.read_bytes()) and not text.endswith(b"\n")
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        if torn:
            os.write(self._file, b"\n")

    def write(self, record: AnyRecord) -> None:
        """Append one record with the present time; raises OSError (ENOSPC among them)."""
        if self._silent and not isinstance(record, Failed):
            return
        line = msgspec.json.encode(msgspec.structs.replace(record, time=round(time.time(), 3))) + b"\n"
        while line:
            line = line[os.write(self._file, line) :]


def read_progress(path: Path, offset: int = 0) -> tuple[list[AnyRecord], int]:
    """Read the whole records after a byte offset; returns them and the offset to go on from.

    A last line without its end is left for the next call, a line that is no record (torn by a kill, then closed by
    the next process) is passed over, and a missing file reads as an empty one.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            text = file.read()
    except FileNotFoundError:
        return [], offset
    whole = text[: text.rfind(b"\n") + 1]
    records = []
    for line in whole.splitlines():
        try:
            records.append(_decoder.decode(line))
        except msgspec.MsgspecError:
            continue
    return records, offset + len(whole)
