"""What a provider is told to train, and what a remote one says back: frozen, free of database rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

Kind = Literal["adapter", "model"]


@dataclass(frozen=True, slots=True)
class Artifact:
    """Weights in the object store: an adapter over the base model, or a whole model in its place."""

    kind: Kind
    artifact_prefix: str


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """The newest checkpoint of this very job, from which training can go on."""

    step: int
    artifact_prefix: str


@dataclass(frozen=True, slots=True)
class SupervisedMethod:
    """Hyper-parameters as numbers; `tuning` as its wire object (type, rank, alpha, dropout or layers)."""

    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float
    tuning: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """One run of one job. Object keys name bytes in the object store."""

    job_id: str
    project_id: str
    provider: str
    base_model_id: str
    context_length: int
    training_object: str
    validation_object: str | None
    method: SupervisedMethod
    seed: int
    start_from: Artifact | None = None
    resume: ResumePoint | None = None
    handle: dict[str, Any] | None = None
    "What the provider gave for the last run of this job, if there was one."


@dataclass(frozen=True, slots=True)
class RemoteOrder:
    """One job for a remote server, which resolves every "auto" itself. `key` and `house` go into its metadata."""

    job_id: str
    key: str
    "Drawn for this one attempt; by it a job whose answer was lost is found again."
    house: str
    "Id of our organization: two houses may share a remote project, and neither may touch the other's jobs."
    model: str
    "The name that the server knows it by."
    training_file: str
    "The server's id of the uploaded file; where it lies, for a server that has no files."
    validation_file: str | None
    method: dict[str, Any]
    'As the wire has it: {"type": …, <type>: {"hyperparameters": …, …}}, without what only this house knows.'
    suffix: str | None
    seed: int
    metadata: dict[str, str] = field(default_factory=dict)
    "The caller's own pairs."


class RemoteState(StrEnum):
    """What a remote's word for a status comes to. Words that nobody knows are UNKNOWN: shown, waited for, polled on."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def is_end(self) -> bool:
        return self in {RemoteState.SUCCEEDED, RemoteState.FAILED, RemoteState.CANCELLED}


@dataclass(frozen=True, slots=True)
class RemoteJob:
    """A job as its server tells it. `body` is the whole answer, cut to what may be stored."""

    id: str
    status: str
    "The server's own word."
    state: RemoteState
    key: str | None = None
    "Ours, from the job's metadata; None for a job that is not ours."
    house: str | None = None
    "The house that made it, from the job's metadata."
    created_at: datetime | None = None
    fine_tuned_model: str | None = None
    trained_tokens: int | None = None
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None
    "{code, message, param}, where it failed."
    result_files: tuple[str, ...] = ()
    finished_at: datetime | None = None
    estimated_finish: datetime | None = None
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RemoteEvent:
    """One line of a job's log at the server. `data` of a metrics event carries the step and its losses."""

    id: str
    created_at: datetime
    level: Literal["info", "warn", "error"]
    type: str
    message: str
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RemoteCheckpoint:
    id: str
    created_at: datetime
    step: int
    model: str
    metrics: Mapping[str, Any]
