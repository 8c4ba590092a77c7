"""What callers ask of jobs: create, cancel, pause, resume."""

import secrets

from sqlalchemy.orm import Session

from service.catalog import operations as catalog
from service.catalog.methods import Hyperparameters, Method, SupervisedMethod, Tuning
from service.catalog.operations import ResolvedModel
from service.datasets import operations as datasets
from service.datasets.operations import ResolvedFile
from service.jobs import queries
from service.jobs.errors import (
    ConflictingHyperparameters,
    IntegrationNotSupported,
    JobNotFound,
    StillPausing,
    TuningDoesNotFit,
    UnusableFile,
    WrongState,
)
from service.jobs.operations.policies import check_policy
from service.jobs.operations.transitions import Line, log, move
from service.jobs.schemas import JobCreate
from service.jobs.states import JobStatus
from service.jobs.tables import Job
from service.kit.database import database_now
from service.kit.identifiers import new_id, random_text
from service.kit.work import Work, enqueue
from service.tenants.access import Caller


def create(session: Session, caller: Caller, body: JobCreate) -> Job:
    """A new job in validating_files. Raises what is wrong with the model, the method, the files, or their review."""
    if body.integrations:
        raise IntegrationNotSupported
    method = _method(body)
    model = catalog.resolve_for_training(session, body.model, method.type)
    tuning = _tuning(session, model, method.supervised)
    catalog.check_tuning(model, tuning.type)
    training = _file(session, "training_file", body.training_file)
    validation = None if body.validation_file is None else _file(session, "validation_file", body.validation_file)
    check_policy(session, caller.project_id, training.file_id)
    job = Job(id=new_id("ftjob-"), project_id=caller.project_id, organization_id=caller.organization_id,
              model=model.name, base_model=model.base.id, provider=model.base.provider, method=method.shown(tuning),
              training_file=training.file_id, validation_file=validation.file_id if validation else None,
              training_version=training.version_id, validation_version=validation.version_id if validation else None,
              suffix=body.suffix,
              seed=body.seed if body.seed is not None else secrets.randbelow(2**31), model_code=random_text(8))
    if body.metadata is not None:  # an explicit None would be stored as JSON's null, not as SQL's
        job.metadata_ = dict(body.metadata)
    session.add(job)
    session.flush()
    log(session, job, _first_lines(job))
    enqueue(session, Work.PREPARE_JOB, job.id, project_id=job.project_id)
    return job


def _file(session: Session, param: str, name: str) -> ResolvedFile:
    """The file that a file's id or a version's name stands for; it may still be built. Raises UnusableFile."""
    found = datasets.resolve_file(session, name, param=param)
    if not found.is_building and queries.usable_file(session, found.file_id) is None:
        raise UnusableFile(param, name)
    return found


def _first_lines(job: Job) -> list[Line]:
    validation = f" and validation file: {job.validation_file}" if job.validation_file else ""
    return [Line(f"Created fine-tuning job: {job.id}", key="created"),
            Line(f"Validating training file: {job.training_file}{validation}", key="validating")]


def _method(body: JobCreate) -> Method:
    """The method that is asked for, with `hyperparameters` in their new place."""
    method = body.method or Method(type="supervised")
    if body.hyperparameters is not None:
        return Method(type=method.type, supervised=_with_old_hyperparameters(method, body.hyperparameters))
    return method


def _with_old_hyperparameters(method: Method, old: Hyperparameters) -> SupervisedMethod:
    if method.type != "supervised":
        raise ConflictingHyperparameters(f"the method is {method.type}")
    new = method.supervised or SupervisedMethod()
    if "hyperparameters" in new.model_fields_set and new.hyperparameters != old:
        raise ConflictingHyperparameters("both are given and differ")
    return SupervisedMethod(hyperparameters=old, tuning=new.tuning)


def _tuning(session: Session, model: ResolvedModel, asked_for: SupervisedMethod | None) -> Tuning:
    """What is asked for, or the model's default. Going on from an adapter keeps its shape, and a new adapter on a
    whole tuned model is refused: it would be served over the base. Raises TuningDoesNotFit."""
    asked = asked_for.tuning if asked_for else None
    maker = queries.job(session, model.job_id) if model.job_id else None
    if maker is None:
        return asked or Tuning(type=next(iter(model.base.methods["supervised"]), "lora"))
    made = Tuning.model_validate(maker.method["supervised"]["tuning"])
    if asked is None or asked.type != "lora":
        return asked or made
    if model.kind == "model":
        raise TuningDoesNotFit(model.name, "is a whole model, on which no adapter can be trained: use full or"
                                           " last_layers")
    if asked.rank not in {None, made.rank} or asked.alpha not in {None, made.alpha}:
        raise TuningDoesNotFit(model.name, f"is an adapter of rank {made.rank} and alpha {made.alpha:g}, which it"
                                           " keeps: leave both out")
    return made.model_copy(update={"dropout": asked.dropout})


def retrieve(session: Session, job_id: str) -> Job:
    """The job. Raises JobNotFound."""
    return _found(queries.job(session, job_id), job_id)


def _found(job: Job | None, job_id: str) -> Job:
    if job is None:
        raise JobNotFound(job_id)
    return job


def cancel(session: Session, job_id: str) -> Job:
    """Cancel at once what does not run; ask a running job's provider to end it. Raises JobNotFound, WrongState."""
    job = _found(queries.lock_for_owner(session, job_id), job_id)
    if job.status.is_terminal:
        raise WrongState(job_id, job.status, "cancelled")
    if job.status is not JobStatus.RUNNING:
        return move(session, job, JobStatus.CANCELLED, Line("The job was cancelled", key="cancelled"))
    if job.cancel_requested_at is None:
        job.cancel_requested_at = database_now(session)
        log(session, job, [Line("Cancellation requested", key="cancel_requested")])
        enqueue(session, Work.TRAIN_JOB, job.id, project_id=job.project_id)
    return job


def pause(session: Session, job_id: str) -> Job:
    """Pause at once what waits; ask a running job to stop where it can go on. Raises JobNotFound, WrongState."""
    job = _found(queries.lock_for_owner(session, job_id), job_id)
    if job.status is JobStatus.QUEUED:
        return move(session, job, JobStatus.PAUSED, Line("The job was paused"))
    if job.status is not JobStatus.RUNNING or job.cancel_requested_at is not None:
        raise WrongState(job_id, job.status, "paused")
    if job.pause_requested_at is None:
        job.pause_requested_at = database_now(session)
        log(session, job, [Line("Pause requested")])
        enqueue(session, Work.TRAIN_JOB, job.id, project_id=job.project_id)
    return job


def resume(session: Session, job_id: str) -> Job:
    """Put a paused job back into the queue. Raises JobNotFound, WrongState or StillPausing."""
    job = _found(queries.lock_for_owner(session, job_id), job_id)
    if job.status is JobStatus.RUNNING and job.pause_requested_at is not None:
        raise StillPausing(job_id)
    if job.status is not JobStatus.PAUSED:
        raise WrongState(job_id, job.status, "resumed")
    job.pause_requested_at = None
    return move(session, job, JobStatus.QUEUED, Line("The job was resumed and is queued again"))
