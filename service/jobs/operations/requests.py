"""What callers ask of jobs: create, cancel, pause, resume."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import date

from sqlalchemy.orm import Session

from service.catalog import capabilities, mappings
from service.catalog import operations as catalog
from service.catalog.base_models import BaseModelEntry
from service.catalog.methods import Method
from service.catalog.operations import ResolvedModel
from service.catalog.retirement import LifePolicy
from service.jobs import queries
from service.jobs.errors import (
    IntegrationNotSupported,
    JobNotFound,
    MissingValidationFile,
    ModelDiesTooSoon,
    ProviderCannot,
    StillPausing,
    WrongState,
)
from service.jobs.operations import judging, placing, preflights, remote, telling
from service.jobs.operations.asking import asked_files, asked_method, asked_tuning, old_names
from service.jobs.operations.policies import check_policy, life_policies
from service.jobs.operations.transitions import Line, log, move
from service.jobs.schemas.jobs import JobCreate
from service.jobs.states import JobStatus
from service.jobs.tables import Job
from service.kit.database import database_now
from service.kit.identifiers import new_id, random_text
from service.kit.schemas import JSONObject
from service.kit.work import Work, enqueue
from service.tenants.access import Caller


def create(session: Session, caller: Caller, body: JobCreate) -> Job:
    """A new job in validating_files. Raises what is wrong with the model, the method, the files, or their review."""
    job = make(session, caller, body)
    telling.created(session, job)
    return job


def make(session: Session, caller: Caller, body: JobCreate) -> Job:
    """The same for whoever has more to say of the job before others are told of it."""
    if body.integrations:
        raise IntegrationNotSupported
    method, asked = asked_method(body), body.model
    body = body.model_copy(update={"model": mappings.stand_in(session, asked)})
    model = catalog.resolve_for_training(session, body.model, method.type)
    policies = life_policies(session, caller.project_id)
    _check_life(session, model.base, policies)
    if method.type == "reinforcement" and body.validation_file is None:
        raise MissingValidationFile
    credential_id = placing.credential_for(session, model, body.credential)
    shown = _shown_method(session, model, method)
    training, validation = asked_files(session, body)
    _check_obstacles(session, model, body, {"training_file": training.file_id} | (
        {"validation_file": validation.file_id} if validation else {}))
    check_policy(session, caller.project_id, training.file_id, validation.file_id if validation else None)
    job = Job(id=new_id("ftjob-"), project_id=caller.project_id, organization_id=caller.organization_id,
              model=model.name, base_model=model.base.id, provider=model.base.provider, method=shown,
              credential_id=credential_id,
              training_file=training.file_id, validation_file=validation.file_id if validation else None,
              training_version=training.version_id, validation_version=validation.version_id if validation else None,
              suffix=body.suffix, seed=body.seed if body.seed is not None else secrets.randbelow(2**31),
              model_code=random_text(8))
    if body.metadata is not None:  # an explicit None would be stored as JSON's null, not as SQL's
        job.metadata_ = dict(body.metadata)
    job.original = old_names(session, job)
    preflights.link(session, job, body, body.preflight)
    session.add(job)
    session.flush()
    log(session, job, [*_first_lines(job), *_stand_in(asked, body.model),
                       *_last_days(model.base, database_now(session).date(), policies)])
    enqueue(session, Work.PREPARE_JOB, job.id, project_id=job.project_id)
    return job


def _shown_method(session: Session, model: ResolvedModel, method: Method) -> JSONObject:
    """The method as the job shows it; which weights move is only said of what this house trains."""
    if model.base.provider == placing.LOCAL:
        tuning = asked_tuning(session, model, method.supervised)
        catalog.check_tuning(model, tuning.type)
        return method.shown(tuning)
    shown = method.shown()
    shown[method.type].pop("tuning", None)
    return shown


def _check_obstacles(session: Session, model: ResolvedModel, body: JobCreate, files: Mapping[str, str]) -> None:
    """Raises ProviderCannot for the first thing that the model's provider would refuse."""
    for obstacle in placing.obstacles(model, body, asked_method(body), queries.sizes(session, files)):
        raise ProviderCannot(obstacle)


def _first_lines(job: Job) -> list[Line]:
    validation = f" and validation file: {job.validation_file}" if job.validation_file else ""
    return [Line(f"Created fine-tuning job: {job.id}", key="created"),
            Line(f"Validating training file: {job.training_file}{validation}", key="validating")]


def _stand_in(asked: str, model: str) -> list[Line]:
    if asked == model:
        return []
    return [Line(f"{asked} is mapped to {model}, which is trained in its place", key="stands_in")]


def _check_life(session: Session, base: BaseModelEntry, policies: Sequence[LifePolicy]) -> None:
    """Raises ModelDiesTooSoon when a policy refuses what is left of the model's life."""
    for reason in judging.about_retirement(base, database_now(session).date(), policies):
        if reason.code == judging.RETIRES and reason.severity == "block":
            raise ModelDiesTooSoon(reason.message)


def _last_days(base: BaseModelEntry, today: date, policies: Sequence[LifePolicy]) -> list[Line]:
    """A model that dies soon takes every model tuned from it along, which nobody should find out afterwards."""
    return [Line(reason.message, key=reason.code, level="warn")
            for reason in judging.about_retirement(base, today, policies) if reason.severity == "warn"]


def retrieve(session: Session, job_id: str) -> Job:
    """The job. Raises JobNotFound."""
    return _found(queries.job(session, job_id), job_id)


def _found(job: Job | None, job_id: str) -> Job:
    if job is None:
        raise JobNotFound(job_id)
    return job


def cancel(session: Session, job_id: str) -> Job:
    """Cancel at once what nobody trains; ask whoever may train it to end it. Raises JobNotFound, WrongState."""
    job = _found(queries.lock_for_owner(session, job_id), job_id)
    if job.status.is_terminal:
        raise WrongState(job_id, job.status, "cancelled")
    if _is_ours_to_stop(session, job, "cancelled before it was sent"):
        return move(session, job, JobStatus.CANCELLED, Line("The job was cancelled", key="cancelled"))
    if job.cancel_requested_at is None:
        job.cancel_requested_at = database_now(session)
        log(session, job, [Line("Cancellation requested", key="cancel_requested")])
    _pass_on(session, job)
    return job


def pause(session: Session, job_id: str) -> Job:
    """Pause at once what nobody trains; ask whoever may to stop where it can go on.

    Raises JobNotFound, WrongState, or ProviderCannot for a job at a server that cannot pause.
    """
    job = _found(queries.lock_for_owner(session, job_id), job_id)
    can_pause = job.status in {JobStatus.QUEUED, JobStatus.RUNNING}
    if not can_pause or job.cancel_requested_at is not None:
        raise WrongState(job_id, job.status, "paused")
    if job.status is JobStatus.QUEUED and _is_ours_to_stop(session, job, "paused before it was sent"):
        return move(session, job, JobStatus.PAUSED, Line("The job was paused"))
    _check_pauses(job)
    if job.pause_requested_at is None:
        job.pause_requested_at = database_now(session)
        log(session, job, [Line("Pause requested")])
    _pass_on(session, job)
    return job


def resume(session: Session, job_id: str) -> Job:
    """Put a paused job back into the queue, or ask its server to. Raises JobNotFound, WrongState or StillPausing."""
    job = _found(queries.lock_for_owner(session, job_id), job_id)
    if job.status is JobStatus.RUNNING and job.pause_requested_at is not None:
        raise StillPausing(job_id)
    if job.status is not JobStatus.PAUSED or job.cancel_requested_at is not None:
        raise WrongState(job_id, job.status, "resumed")
    job.pause_requested_at = None
    if job.provider == "local" or not remote.is_live(session, job):
        return move(session, job, JobStatus.QUEUED, Line("The job was resumed and is queued again"))
    if job.resume_requested_at is None:
        job.resume_requested_at = database_now(session)
        log(session, job, [Line("Resumption requested")])
    _pass_on(session, job)
    return job


def _check_pauses(job: Job) -> None:
    reason = capabilities.of(job.provider).cannot("pause")
    if reason is not None:
        raise ProviderCannot(capabilities.Obstacle("pause_not_supported", reason, "fine_tune_id"))


def _is_ours_to_stop(session: Session, job: Job, note: str) -> bool:
    """Whether nobody trains the job, so that it can be stopped here and now."""
    if job.provider == "local":
        return job.status is not JobStatus.RUNNING
    return remote.withdraw(session, job, note)


def _pass_on(session: Session, job: Job) -> None:
    if job.provider == "local":
        enqueue(session, Work.TRAIN_JOB, job.id, project_id=job.project_id)
    else:
        remote.request(session, job)
