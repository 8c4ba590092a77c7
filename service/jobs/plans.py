"""What a provider is told to train: frozen, free of database rows."""

from dataclasses import dataclass, field
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
