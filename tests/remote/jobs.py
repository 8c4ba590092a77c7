"""One job at the simulated server: what is known of it, and how the wire shows it."""

import json
from dataclasses import dataclass, field
from typing import Any

from tests.remote.datasets import Problem
from tests.remote.models import Base

ENDS = frozenset({"succeeded", "failed", "cancelled"})
_AT_AZURE = {"validating_files": "pending", "queued": "pending", "cancelled": "canceled"}


@dataclass(slots=True)
class Event:
    id: str
    created_at: float
    message: str
    level: str = "info"
    type: str = "message"
    data: dict[str, Any] | None = field(default_factory=dict)

    def wire(self) -> dict[str, Any]:
        return {"object": "fine_tuning.job.event", "id": self.id, "created_at": int(self.created_at),
                "level": self.level, "message": self.message, "data": self.data, "type": self.type}


@dataclass(slots=True)
class Steps:
    """Lines of steps that nobody has read yet, from `first` to `last`, the first of them told at `since`."""

    first: int
    last: int
    since: float


@dataclass(slots=True)
class Checkpoint:
    id: str
    created_at: float
    model: str
    job_id: str
    step: int
    metrics: dict[str, Any]

    def wire(self) -> dict[str, Any]:
        return {"object": "fine_tuning.job.checkpoint", "id": self.id, "created_at": int(self.created_at),
                "fine_tuned_model_checkpoint": self.model, "fine_tuning_job_id": self.job_id,
                "metrics": self.metrics, "step_number": self.step}


@dataclass
class Job:
    id: str
    base: Base
    created_at: float
    organization: str
    training_file: str
    validation_file: str | None
    method: str
    options: dict[str, Any]
    "Of the method, its hyper-parameters resolved once it runs."
    suffix: str | None
    seed: int
    metadata: dict[str, str] | None
    integrations: list[dict[str, Any]]
    examples: int
    tokens: int
    "Of one epoch."
    problem: Problem | None
    "Why it will fail."
    steps: int
    step_seconds: float
    status: str = "validating_files"
    visible_at: float = 0.0
    "From when on lists show it."
    due: float | None = None
    "When it moves on by itself."
    steps_done: int = 0
    running_since: float | None = None
    "Moved on with each step that is told."
    ran: bool = False
    billed_tokens: int = 0
    billed_seconds: float = 0.0
    trained_tokens: int | None = None
    fine_tuned_model: str | None = None
    finished_at: float | None = None
    estimated_finish: float | None = None
    result_files: list[str] = field(default_factory=list)
    error: dict[str, Any] = field(default_factory=dict)
    events: list[Event | Steps] = field(default_factory=list)
    "Oldest first; `training.unfold` makes lines of the steps."
    checkpoints: list[Checkpoint] = field(default_factory=list)
    "Oldest first."
    vanished: bool = False
    overrides: dict[str, Any] = field(default_factory=dict)
    "Fields that are shown in place of the true ones, for tests of what nobody knows."
    shape: int = 0
    "Rises when the job moves, so that heaps know what they hold is old."
    epochs: int = 1
    azure: bool = False
    "Made through Azure's older paths, and told in their words."
    _rendered: bytes | None = None

    @property
    def is_live(self) -> bool:
        return self.status not in ENDS

    @property
    def cost(self) -> int:
        """In micro-dollars."""
        if self.base.by_time:
            return round(self.billed_seconds * self.base.price / 3600)
        return self.billed_tokens * self.base.price // 1_000_000

    def changed(self) -> None:
        self.shape += 1
        self._rendered = None

    def rendered(self) -> bytes:
        """The wire object as JSON, kept until the job changes: lists of thousands are read often."""
        if self._rendered is None:
            self._rendered = json.dumps(self.wire()).encode()
        return self._rendered

    def wire(self) -> dict[str, Any]:
        shown = {key: value for key, value in self.options.items() if key == "hyperparameters"}
        return {
            "object": "fine_tuning.job", "id": self.id, "model": self.base.id, "created_at": int(self.created_at),
            "finished_at": _whole(self.finished_at), "fine_tuned_model": self.fine_tuned_model,
            "organization_id": self.organization, "result_files": self.result_files,
            "status": _AT_AZURE.get(self.status, self.status) if self.azure else self.status,
            "validation_file": self.validation_file, "training_file": self.training_file,
            "hyperparameters": shown["hyperparameters"] if self.method == "supervised" else None,
            "trained_tokens": self.trained_tokens, "error": self.error, "user_provided_suffix": self.suffix,
            "seed": self.seed, "estimated_finish": _whole(self.estimated_finish), "integrations": self.integrations,
            "metadata": self.metadata, "usage_metrics": None, "shared_with_openai": False, "eval_id": None,
            "method": {"type": self.method, self.method: self.options},
        } | self.overrides


def _whole(moment: float | None) -> int | None:
    return None if moment is None else int(moment)
