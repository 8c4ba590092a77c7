"""Pre-flights: asked for, completed once their files are read, kept with their verdict, linked to jobs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from service.catalog import mappings
from service.catalog import operations as catalog
from service.catalog.errors import ModelNotFound
from service.datasets import operations as datasets
from service.datasets.errors import TooManyCounts
from service.jobs import queries
from service.jobs.errors import IntegrationNotSupported, PreflightDoesNotFit, PreflightNotFound
from service.jobs.operations import judging
from service.jobs.operations.asking import asked_files, asked_method
from service.jobs.operations.assessing import assess, is_settled, readings
from service.jobs.schemas import preflights as schemas
from service.jobs.schemas.jobs import JobBody
from service.jobs.schemas.preflights import PreflightCreate
from service.jobs.tables import Job, Preflight
from service.kit.database import database_now
from service.kit.identifiers import new_id
from service.kit.work import Work, enqueue
from service.settings import settings
from service.tenants.access import Caller


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two files whose columns are to be compared before a pre-flight can be completed: their keys."""

    training: str
    validation: str


class NotCompared(Exception):
    """Both files were read since it was asked what has to happen, and nobody has compared them."""


def create_preflight(session: Session, caller: Caller, body: PreflightCreate) -> Preflight:
    """A pre-flight, completed if everything is known already. Raises what is wrong with the body, as a job would."""
    if body.integrations:
        raise IntegrationNotSupported
    asked_method(body)
    body = body.model_copy(update={
        "model": mappings.stand_in(session, body.model),
        "candidates": [mappings.stand_in(session, name) for name in body.candidates]})
    for name in [body.model, *body.candidates]:
        _check_known(session, name)
    training, validation = asked_files(session, body)
    row = _begin(session, caller.project_id, body, training.file_id, validation.file_id if validation else None)
    if not training.is_building:
        _ask_for_counts(session, training.file_id, body)
    if isinstance(next_step(session, row.id), Comparison | timedelta):
        enqueue(session, Work.PREFLIGHT, row.id, project_id=row.project_id)
        return row
    try:
        complete(session, row.id, compared=False)
    except NotCompared:
        enqueue(session, Work.PREFLIGHT, row.id, project_id=row.project_id)
    return row


def _check_known(session: Session, name: str) -> None:
    try:
        catalog.resolve(session, name)
    except ModelNotFound as unknown:
        raise catalog.not_available(session, name) from unknown


def ask_for_counts(session: Session, body: PreflightCreate) -> None:
    """The same for a body whose file is there."""
    _ask_for_counts(session, body.training_file, body)


def verdict_of(report: schemas.PreflightReport) -> schemas.Verdict:
    return judging.verdict_of(report.reasons)


def _ask_for_counts(session: Session, file_id: str, body: PreflightCreate) -> None:
    """By every tokenizer that a candidate reads with, besides the one that every report counts by."""
    for name in [body.model, *body.candidates]:
        try:
            tokenizer = catalog.resolve(session, name).base.tokenizer_id
            if tokenizer != "o200k_base":
                datasets.ask_for_count(session, file_id, tokenizer)
        except (ModelNotFound, TooManyCounts):
            continue  # then a factor has to do


def _begin(session: Session, project_id: str, body: JobBody, training: str, validation: str | None) -> Preflight:
    files = {"training_file": training} | ({"validation_file": validation} if validation else {})
    request = body.model_dump(mode="json", exclude_unset=True, exclude={"preflight"}) | files
    row = Preflight(id=new_id("preflight_"), project_id=project_id, training_file=training, validation_file=validation,
                    request=request)
    session.add(row)
    session.flush()
    return row


def body_of(row: Preflight) -> PreflightCreate:
    """What was asked for."""
    return PreflightCreate.model_validate(row.request)


def next_step(session: Session, preflight_id: str, *, is_patient: bool = True) -> Comparison | timedelta | None:
    """What has to happen before a pre-flight can be completed: two files compared, or some time; None when nothing.

    A patient caller waits for the counts that were asked for, too.
    """
    row = queries.preflight(session, preflight_id)
    if row is None or row.status == "completed":
        return None
    files = readings(session, body_of(row))
    if not all(is_settled(file) for file in files):
        return timedelta(seconds=1)
    if is_patient and files[0].report is not None:
        _ask_for_counts(session, files[0].file_id, body_of(row))
        if _awaits_counts(session, row, files[0].file_id):
            return timedelta(seconds=1)
    if len(files) == 2 and all(file.report and file.report.examples for file in files):
        return Comparison(*(datasets.columns_key(row.project_id, file.file_id) for file in files))
    return None


def _awaits_counts(session: Session, row: Preflight, file_id: str) -> bool:
    patience = timedelta(seconds=settings().preflight_count_seconds)
    if database_now(session) > row.created_at + patience:
        return False
    return queries.has_open_counts(session, file_id)


def complete(session: Session, preflight_id: str, *, leakage: Mapping[str, Any] | None = None,
             compared: bool = True) -> None:
    """Give a pre-flight its verdict, once and for ever; one that has it keeps it.

    `compared` is False when there was nothing to compare a moment ago. Raises NotCompared when there is by now.
    """
    row = queries.lock_preflight(session, preflight_id)
    if row is None or row.status == "completed":
        return
    report = assess(session, row.project_id, body_of(row), leakage=leakage, is_final=True)
    if not compared and report.training_file.examples and report.validation_file and report.validation_file.examples:
        raise NotCompared(preflight_id)
    now = database_now(session)  # a query, which would write a row that is half changed
    row.leakage = dict(leakage) if leakage is not None else None
    row.body = report.model_dump(mode="json")
    row.verdict, row.status, row.completed_at = judging.verdict_of(report.reasons), "completed", now
    session.flush()


def complete_later(session: Session, preflight_id: str) -> None:
    """Have a pre-flight completed by a worker of its own, once its files are read."""
    row = queries.preflight(session, preflight_id)
    if row is not None and row.status != "completed":
        enqueue(session, Work.PREFLIGHT, row.id, project_id=row.project_id)


def retrieve_preflight(session: Session, preflight_id: str) -> schemas.Preflight:
    """A pre-flight as the wire shows it. Raises PreflightNotFound."""
    row = queries.preflight(session, preflight_id)
    if row is None:
        raise PreflightNotFound(preflight_id)
    return shown(session, row)


def shown(session: Session, row: Preflight) -> schemas.Preflight:
    """What was kept, or for one that is pending, what is known by now."""
    body = body_of(row)
    known = row.body if row.status == "completed" else assess(session, row.project_id, body, leakage=None).model_dump()
    return schemas.Preflight.model_validate(dict(known) | {
        "id": row.id, "created_at": row.created_at, "completed_at": row.completed_at, "status": row.status,
        "verdict": row.verdict, "model": body.model, "method": asked_method(body).shown()})


def link(session: Session, job: Job, body: JobBody, named: str | None) -> None:
    """Give a new job the pre-flight that it names, or one of its own. Raises PreflightDoesNotFit."""
    if named is None:
        job.preflight = _begin(session, job.project_id, body, job.training_file, job.validation_file).id
        return
    row = queries.preflight(session, named)
    if row is None:
        raise PreflightDoesNotFit(named, "does not exist")
    reason = _misfit(session, row, job, body)
    if reason is not None:
        raise PreflightDoesNotFit(named, reason)
    job.preflight = row.id


def _misfit(session: Session, row: Preflight, job: Job, body: JobBody) -> str | None:
    meant = body_of(row)
    if row.training_file != job.training_file:
        return f"is about the training file {row.training_file}"
    if row.validation_file != job.validation_file:
        return f"is about {row.validation_file or 'no file'} for validation"
    if asked_method(meant).shown() != asked_method(body).shown():
        return "was made for another method or other hyperparameters"
    names = {_resolved(session, name) for name in (meant.model, *meant.candidates)}
    return None if job.model in names else f"has no candidate {job.model}"


def _resolved(session: Session, name: str) -> str:
    try:
        return catalog.resolve(session, name).name
    except ModelNotFound:
        return name


def step_for_job(session: Session, job_id: str) -> Comparison | None:
    """The files to compare before a job is prepared, for its pre-flight; None when there are none."""
    job = queries.job(session, job_id)
    if job is None or job.preflight is None:
        return None
    step = next_step(session, job.preflight, is_patient=False)
    return step if isinstance(step, Comparison) else None
