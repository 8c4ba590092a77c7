"""A job as its server tells it, as a row of ours: what is shown stays the server's word, what is used is checked."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from service.catalog.base_models import find_base_model
from service.datasets.operations.storing import storable
from service.files import operations as files
from service.imports import queries
from service.imports.tables import Import
from service.jobs.operations.remote_words import moment, plain
from service.jobs.plans import RemoteJob, RemoteState
from service.jobs.states import JobStatus
from service.jobs.tables import Job
from service.kit.database import database_now
from service.kit.identifiers import new_id, random_text
from service.kit.schemas import JSONObject

_ENDS = {RemoteState.SUCCEEDED: JobStatus.SUCCEEDED, RemoteState.FAILED: JobStatus.FAILED,
         RemoteState.CANCELLED: JobStatus.CANCELLED}
_METHODS = ("supervised", "dpo", "reinforcement")
_LONGEST = 256
_PAIRS = 16


def new_job(session: Session, row: Import, told: RemoteJob) -> Job:
    """The row of a job that has ended at its server."""
    body, now = told.body, database_now(session)
    model = plain(body.get("model"), _LONGEST) or "unknown"
    base = find_base_model(model)
    training = plain(body.get("training_file"), _LONGEST) or "unknown"
    validation = plain(body.get("validation_file"), _LONGEST) or None
    results = [plain(each, _LONGEST) for each in told.result_files]
    project = row.project_id
    job = Job(
        id=new_id("ftjob-"), project_id=project, alias=told.id,
        organization_id=queries.organization_of(session, project), model=model,
        base_model=base.id if base else model, provider=row.provider, credential_id=row.credential_id,
        status=_ENDS[told.state], method=method_of(told), training_file=files.canonical(session, training),
        validation_file=None if validation is None else files.canonical(session, validation),
        suffix=plain(body.get("user_provided_suffix") or body.get("suffix"), 64) or None, seed=_seed(body.get("seed")),
        model_code=random_text(8), result_files=[files.canonical(session, each) for each in results],
        created_at=shown_moment(told.created_at, before=now), error=_error(told), trained_tokens=told.trained_tokens,
        finished_at=None if told.finished_at is None else shown_moment(told.finished_at, before=now))
    job.original = {"organization_id": plain(body.get("organization_id"), _LONGEST), "training_file": training,
                    "validation_file": validation, "result_files": results}
    pairs = _pairs(body.get("metadata"))
    if pairs is not None:
        job.metadata_ = pairs
    session.add(job)
    session.flush()
    return job


def shown_moment(value: datetime | None, *, before: datetime) -> datetime:
    return before if value is None else moment(value, before=before)


def method_of(told: RemoteJob) -> JSONObject:
    """The method as the wire has it, with an object of hyper-parameters in it whatever the server left out."""
    given: Any = storable(told.body.get("method"))
    kind = given.get("type") if isinstance(given, dict) else None
    kind = kind if kind in _METHODS else "supervised"
    inner = given.get(kind) if isinstance(given, dict) else None
    configured: JSONObject = dict(inner) if isinstance(inner, dict) else {}
    chosen = configured.get("hyperparameters")
    numbers = chosen if isinstance(chosen, dict) and chosen else storable(dict(told.hyperparameters))
    return {"type": kind, kind: {**configured, "hyperparameters": numbers}}


def _seed(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31 else 0


def _error(told: RemoteJob) -> JSONObject | None:
    if not told.error:
        return None
    return {name: plain(told.error.get(name), 2000) or None for name in ("code", "message", "param")}


def _pairs(value: object) -> dict[str, str] | None:
    if not isinstance(value, Mapping):
        return None
    return {plain(name, 64): plain(each, 512) for name, each in list(value.items())[:_PAIRS]
            if isinstance(name, str) and isinstance(each, str)}
