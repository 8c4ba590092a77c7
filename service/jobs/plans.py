"""What a provider is told to train: frozen, free of database rows, with every "auto" resolved."""

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
