"""What training at a server may cost, and what it did cost, in whole micro-dollars of the catalog's prices."""

from datetime import datetime
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
    cost = _candidate(session, job).get("cost") or {}
    estimate = _amount(cost.get("high", cost.get("expected")))
    attempt.estimated_cost = min(estimate or 0, usage.LARGEST)
    note = f"{job.model} at {job.provider}" + ("" if estimate is not None else "; its cost cannot be told beforehand")
    usage.hold(session, project_id=job.project_id, job_id=job.id, key=attempt.key,
               micro_dollars=attempt.estimated_cost, note=note)


def _candidate(session: Session, job: Job) -> dict[str, Any]:
    """What the job's pre-flight said of the model that it trains; empty where it said nothing."""
    row = queries.preflight(session, job.preflight) if job.preflight else None
    candidates: list[dict[str, Any]] = (row.body if row is not None else {}).get("candidates", [])
    for candidate in candidates:
        if candidate.get("model") == job.model or candidate.get("base_model") == job.base_model:
            return candidate
    return {}


def _amount(told: object) -> int | None:
    return int(told) if isinstance(told, int | float) and told >= 0 else None


def release(session: Session, attempt: RemoteAttempt, note: str) -> None:
    """Nothing was bought."""
    usage.release(session, project_id=attempt.project_id, job_id=attempt.job_id, key=attempt.key, note=note)


def is_paid(seen: RemoteJob) -> bool:
    """Whether it has ended so that its server takes money for it."""
    return seen.state is RemoteState.SUCCEEDED or (seen.state is RemoteState.CANCELLED and bool(seen.trained_tokens))


def settle(session: Session, attempt: RemoteAttempt, job: Job, seen: RemoteJob) -> None:
    """Write down what the attempt did cost, by the tokens that its server says it trained, or by its hours.

    A server that tells no count is taken to have trained what the job's pre-flight expected. What was booked as extra,
    before it took the place of what was followed then, is not paid once more.
    """
    cost, note = _cost(session, job, seen)
    if usage.is_extra(session, project_id=attempt.project_id, key=attempt.key, remote_id=seen.id):
        cost, note = 0, f"{note}, booked before as those of an extra job: {seen.id}"
    usage.settle(session, project_id=attempt.project_id, job_id=attempt.job_id, key=attempt.key, micro_dollars=cost,
                 note=note)


def book_extra(session: Session, attempt: RemoteAttempt, job: Job, seen: RemoteJob) -> bool:
    """Write down what an extra job cost that was trained before anybody saw it; False when it is written already."""
    cost, note = _cost(session, job, seen)
    return usage.book_extra(session, project_id=attempt.project_id, job_id=attempt.job_id, remote_id=seen.id,
                            key=attempt.key, micro_dollars=cost, note=f"{note}, of an extra job: {seen.id}")


def settle_unseen(session: Session, attempt: RemoteAttempt, job: Job) -> None:
    """Nobody can ask any more what it did cost: book what was expected, for its server may charge it."""
    cost, note = _expected(_candidate(session, job), job, _base(session, job), "its credential was deleted, so that"
                           f" {job.provider} could not be told any more, and may charge for it")
    usage.settle(session, project_id=attempt.project_id, job_id=attempt.job_id, key=attempt.key, micro_dollars=cost,
                 note=note)


def _cost(session: Session, job: Job, seen: RemoteJob) -> tuple[int, str]:
    base = _base(session, job)
    if _hourly(job, base) is not None:
        return _by_time(job, base, seen.finished_at)
    if seen.trained_tokens is None:
        return _expected(_candidate(session, job), job, base, f"{job.provider} tells no count of what it trained")
    return _by_tokens(job, base, min(max(0, seen.trained_tokens), usage.LARGEST))


def _hourly(job: Job, base: BaseModelEntry | None) -> int | None:
    price = base.price if base is not None else None
    return price.training_hour if price is not None and job.method["type"] == "reinforcement" else None


def _by_time(job: Job, base: BaseModelEntry | None, ended: datetime | None) -> tuple[int, str]:
    seconds = max(0, round((ended - job.started_at).total_seconds())) if ended and job.started_at else 0
    return round(seconds * (_hourly(job, base) or 0) / 3600), f"{seconds} seconds of training"


def _by_tokens(job: Job, base: BaseModelEntry | None, tokens: int) -> tuple[int, str]:
    price = base.price if base is not None else None
    if price is None or price.training is None:
        return 0, f"{tokens} tokens; the catalog has no price for {job.base_model}"
    return tokens * price.training // _MILLION, f"{tokens} tokens"


def _expected(told: dict[str, Any], job: Job, base: BaseModelEntry | None, why: str) -> tuple[int, str]:
    """By the tokens of all epochs that its pre-flight counted, else by the cost that it expected."""
    tokens = _amount((told.get("billed_tokens") or {}).get("expected"))
    has_price = base is not None and base.price is not None and base.price.training is not None
    if tokens is not None and has_price:
        cost, note = _by_tokens(job, base, min(tokens, usage.LARGEST))
        return cost, f"{note}, estimated by the job's pre-flight: {why}"
    known = _amount((told.get("cost") or {}).get("expected"))
    if known is not None:
        return min(known, usage.LARGEST), f"the expected cost, estimated by the job's pre-flight: {why}"
    return 0, f"{why}, and the job's pre-flight has no estimate of its cost"


def _base(session: Session, job: Job) -> BaseModelEntry | None:
    try:
        return catalog.resolve(session, job.base_model).base
    except ModelNotFound:
        return None
