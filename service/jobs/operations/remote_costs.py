"""What training at a server may cost, and what it did cost, in whole micro-dollars of the catalog's prices."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from service.catalog.base_models import BaseModelEntry
from service.jobs import queries
from service.jobs.tables import Job, RemoteAttempt
from service.usage import operations as usage

_MILLION = 1_000_000


def hold(session: Session, job: Job, attempt: RemoteAttempt) -> None:
    """Reserve what the attempt may cost, before anything is asked for."""
    estimate = _estimate(session, job)
    attempt.estimated_cost = min(estimate or 0, usage.LARGEST)
    note = f"{job.model} at {job.provider}" + ("" if estimate is not None else "; its cost cannot be told beforehand")
    usage.hold(session, project_id=job.project_id, job_id=job.id, key=attempt.key,
               micro_dollars=attempt.estimated_cost, note=note)


def _estimate(session: Session, job: Job) -> int | None:
    """The high end of what the job's pre-flight said."""
    row = queries.preflight(session, job.preflight) if job.preflight else None
    candidates: list[dict[str, Any]] = (row.body if row is not None else {}).get("candidates", [])
    for candidate in candidates:
        if candidate.get("model") == job.model or candidate.get("base_model") == job.base_model:
            cost = candidate.get("cost") or {}
            high = cost.get("high", cost.get("expected"))
            return int(high) if isinstance(high, int | float) and high >= 0 else None
    return None


def release(session: Session, attempt: RemoteAttempt, note: str) -> None:
    """Nothing was bought."""
    usage.release(session, project_id=attempt.project_id, job_id=attempt.job_id, key=attempt.key, note=note)


def settle(session: Session, attempt: RemoteAttempt, job: Job, base: BaseModelEntry | None, *, tokens: int,
           ended: datetime | None) -> None:
    """Write down what the attempt did cost, by the tokens that its server says it trained, or by its hours."""
    cost, note = _cost(job, base, min(max(0, tokens), usage.LARGEST), ended)
    usage.settle(session, project_id=attempt.project_id, job_id=attempt.job_id, key=attempt.key, micro_dollars=cost,
                 note=note)


def _cost(job: Job, base: BaseModelEntry | None, tokens: int, ended: datetime | None) -> tuple[int, str]:
    price = base.price if base is not None else None
    if price is not None and job.method["type"] == "reinforcement" and price.training_hour is not None:
        seconds = max(0, round((ended - job.started_at).total_seconds())) if ended and job.started_at else 0
        return round(seconds * price.training_hour / 3600), f"{seconds} seconds of training"
    if price is None or price.training is None:
        return 0, f"{tokens} tokens; the catalog has no price for {job.base_model}"
    return tokens * price.training // _MILLION, f"{tokens} tokens"
