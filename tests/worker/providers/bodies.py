"""Answers as the real server words them, and what tests ask of clients with."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from service.jobs.plans import RemoteOrder

SECRET = "sk-canary-4f1e9c7a2b"
JOB_ID = "ftjob-4BZEij3fAMrJmL4d2w0TKEMA"


@dataclass(frozen=True)
class Opened:
    """A credential, opened."""

    provider: str = "openai"
    base_url: str | None = None
    secret: str = SECRET
    options: dict[str, Any] = field(default_factory=dict)


def order(**changes: Any) -> RemoteOrder:
    given: dict[str, Any] = {
        "job_id": "ftjob-ours", "key": "key-1", "house": "org_1", "model": "gpt-4o-mini-2024-07-18",
        "training_file": "file-1", "validation_file": None, "suffix": None, "seed": 42, "metadata": {"team": "red"},
        "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3}}}}
    return RemoteOrder(**given | changes)


def job(**changes: Any) -> dict[str, Any]:
    """As the server answers a creation."""
    return {
        "object": "fine_tuning.job", "id": JOB_ID, "model": "gpt-4o-mini-2024-07-18", "created_at": 1758849616,
        "finished_at": None, "fine_tuned_model": None, "organization_id": "org-123", "result_files": [],
        "status": "validating_files", "validation_file": None, "training_file": "file-1",
        "hyperparameters": {"n_epochs": 3, "batch_size": "auto", "learning_rate_multiplier": "auto"},
        "trained_tokens": None, "error": {}, "user_provided_suffix": None, "seed": 42, "estimated_finish": None,
        "integrations": [], "metadata": {"tuneworks_key": "key-1", "tuneworks_house": "org_1"}, "usage_metrics": None,
        "shared_with_openai": False, "eval_id": None,
        "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3}}}} | changes


def listed(*data: Any, more: bool = False) -> dict[str, Any]:
    return {"object": "list", "data": list(data), "has_more": more}


def event(number: int, **changes: Any) -> dict[str, Any]:
    return {"object": "fine_tuning.job.event", "id": f"ftevent-{number}", "created_at": 1758849620 + number,
            "level": "info", "message": f"Line {number}", "data": {}, "type": "message"} | changes


@dataclass
class Bytes:
    """A file of ours: `size` bytes of one letter, made as they are read."""

    size: int
    filename: str = "train.jsonl"
    begun_at: list[int] = field(default_factory=list)

    def read(self, start: int = 0) -> Iterator[bytes]:
        self.begun_at.append(start)
        chunk = b"x" * (1 << 20)
        for at in range(start, self.size, len(chunk)):
            yield chunk[:self.size - at]
