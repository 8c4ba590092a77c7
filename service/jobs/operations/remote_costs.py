"""What training at a server may cost, and what it did cost, in whole micro-dollars of the catalog's prices."""

from typing import Any

from sqlalchemy.orm import Session

from service.catalog import operations as catalog
from service.catalog.base_models import BaseModelEntry
from service.catalog.errors import ModelNotFound
from service.jobs import queries
from service.jobs.plans import RemoteJob, RemoteState
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


def is_paid(seen: RemoteJob) -> bool:
    """Whether it has ended so that its server takes money for it."""
    return seen.state is RemoteState.SUCCEEDED or (seen.state is RemoteState.CANCELLED and bool(seen.trained_tokens))


def settle(session: Session, attempt: RemoteAttempt, job: Job, seen: RemoteJob) -> None:
    """Write down what the attempt did cost, by the tokens that its server says it trained, or by its hours."""
    cost, note = _cost(session, job, seen)
    usage.settle(session, project_id=attempt.project_id, job_id=attempt.job_id, key=attempt.key, micro_dollars=cost,
                 note=note)


def book_extra(session: Session, attempt: RemoteAttempt, job: Job, seen: RemoteJob) -> bool:
    """Write down what an extra job cost that was trained before anybody saw it; False when it is written already."""
    cost, note = _cost(session, job, seen)
    return usage.book_extra(session, project_id=attempt.project_id, job_id=attempt.job_id, remote_id=seen.id,
                            key=attempt.key, micro_dollars=cost, note=f"{note}, of an extra job: {seen.id}")


def _cost(session: Session, job: Job, seen: RemoteJob) -> tuple[int, str]:
    base, tokens, ended = _base(session, job), min(max(0, seen.trained_tokens or 0), usage.LARGEST), seen.finished_at
    price = base.price if base is not None else None
    if price is not None and job.method["type"] == "reinforcement" and price.training_hour is not None:
        seconds = max(0, round((ended - job.started_at).total_seconds())) if ended and job.started_at else 0
        return round(seconds * price.training_hour / 3600), f"{seconds} seconds of training"
    if price is None or price.training is None:
        return 0, f"{tokens} tokens; the catalog has no price for {job.base_model}"
    return tokens * price.training // _MILLION, f"{tokens} tokens"


def _base(session: Session, job: Job) -> BaseModelEntry | None:
    try:
        return catalog.resolve(session, job.base_model).base
    except ModelNotFound:
        return None
