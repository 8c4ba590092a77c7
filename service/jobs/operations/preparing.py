"""What happens to a job before it trains: its files' verdict, its numbers, and the plan for its provider."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from service.catalog import methods
from service.catalog import operations as catalog
from service.catalog.base_models import find_base_model
from service.catalog.errors import ModelNotFound
from service.datasets import operations as datasets
from service.datasets.tables import DatasetVersion
from service.jobs import queries
from service.jobs.errors import told
from service.jobs.operations import preflights
from service.jobs.operations.policies import problems_with
from service.jobs.operations.transitions import Line, fail, move
from service.jobs.plans import Artifact, ResumePoint, SupervisedMethod, TrainingPlan
from service.jobs.states import JobStatus
from service.jobs.tables import Job


def prepare(session: Session, job_id: str, *, leakage: Mapping[str, Any] | None = None,
            compared: bool = True) -> bool:
    """Queue a job whose files are validated, or fail it with their verdict; True when that must still wait.

    Its pre-flight is completed then, with `leakage` if the files were compared; see `complete` for `compared`, and
    for NotCompared.
    """
    job = queries.lock(session, job_id)
    if job is None or job.status is not JobStatus.VALIDATING_FILES:
        if job is not None and job.preflight is not None:  # cancelled meanwhile; what it waits for is still told
            preflights.complete_later(session, job.preflight)
        return False
    waits = _settle(session, job)
    if not waits and job.preflight is not None:
        preflights.complete(session, job.preflight, leakage=leakage, compared=compared)
    return waits


def _settle(session: Session, job: Job) -> bool:
    if queries.is_archived(session, job.project_id):
        _cancel_with_project(session, job)
        return False
    for param, file_id in _files(job):
        version = datasets.unfinished(session, file_id)
        if version is not None:
            return _waits_for(session, job, param, version)
    return _judge(session, job)


def _judge(session: Session, job: Job) -> bool:
    examples = 0
    for param, file_id in _files(job):
        if queries.usable_file(session, file_id) is None:
            _fail_for_lost_file(session, job, param, file_id)
            return False
        base = find_base_model(job.base_model)
        verdict = datasets.verdict(session, file_id, param, job.method["type"], legacy=bool(base and base.legacy))
        if verdict is None:
            return True
        if verdict.error is not None:
            fail(session, job, **verdict.error)
            return False
        examples = examples or verdict.examples
    if not _fails_policy(session, job):
        if job.provider == "local":  # other servers say themselves what "auto" comes to
            job.method = methods.resolve(job.method, examples)
        move(session, job, JobStatus.QUEUED, Line("Files validated, moving job to queued state", key="queued"))
    return False


def _files(job: Job) -> list[tuple[str, str]]:
    validation = [("validation_file", job.validation_file)] if job.validation_file else []
    return [("training_file", job.training_file), *validation]


def _fails_policy(session: Session, job: Job) -> bool:
    """Fail a job whose data has not passed what its project asks for now; whether that was so."""
    problems = problems_with(session, job.project_id, job.training_file, job.validation_file)
    if problems:
        fail(session, job, "training_policy", told([problem.message for problem in problems]), problems[0].param)
    return bool(problems)


def _waits_for(session: Session, job: Job, param: str, version: DatasetVersion) -> bool:
    """True while the version is being built; when that failed, so does the job."""
    if version.status == "building":
        return True
    fail(session, job, f"invalid_{param}", f"The job failed due to an invalid {param.replace('_', ' ')}. Version"
         f" {version.id} could not be built: {version.error}", param)
    return False


def _fail_for_lost_file(session: Session, job: Job, param: str, file_id: str) -> None:
    fail(session, job, f"deleted_{param}", f"The {param.replace('_', ' ')} {file_id} was deleted or expired before"
         " the job could read it. Upload it again and create the job again.", param)


def begin(session: Session, job_id: str) -> TrainingPlan | None:
    """Start a queued job, or go on with one that runs; None when there is nothing to train.

    A stop that was asked for before anything was submitted is granted here.
    """
    job = queries.lock(session, job_id)
    if job is None or job.status not in {JobStatus.QUEUED, JobStatus.RUNNING}:
        return None
    if job.handle is None and queries.is_archived(session, job.project_id):
        _cancel_with_project(session, job)
        return None
    if job.handle is None and job.cancel_requested_at is not None:
        move(session, job, JobStatus.CANCELLED, Line("The job was cancelled", key="cancelled"))
        return None
    if job.handle is None and job.pause_requested_at is not None:
        move(session, job, JobStatus.PAUSED, Line("The job was paused"))
        return None
    plan = _plan(session, job)
    if plan is not None and job.status is JobStatus.QUEUED:
        move(session, job, JobStatus.RUNNING, Line("Fine-tuning job started", key="started"))
    return plan


def _cancel_with_project(session: Session, job: Job) -> None:
    """Nobody holds a key any more to cancel it."""
    move(session, job, JobStatus.CANCELLED, Line("The job was cancelled: its project is archived", key="cancelled"))


def _plan(session: Session, job: Job) -> TrainingPlan | None:
    """The plan, or None after failing the job because something that it stands on is gone."""
    keys: dict[str, str] = {}
    for param, file_id in _files(job):
        file = queries.usable_file(session, file_id)
        if file is None:
            _fail_for_lost_file(session, job, param, file_id)
            return None
        keys[param] = file.object_key
    base = find_base_model(job.base_model)
    if base is None:
        fail(session, job, "model_not_available", f"The model {job.base_model} has left this house's catalog.", "model")
        return None
    try:
        start_from = _start_from(session, job)
    except ModelNotFound:
        fail(session, job, "model_not_found", f"The model {job.model}, from which this job was to go on, was deleted.",
             "model")
        return None
    chosen = job.method["supervised"]
    return TrainingPlan(
        job_id=job.id, project_id=job.project_id, provider=job.provider, base_model_id=base.id,
        context_length=base.context_length, training_object=keys["training_file"],
        validation_object=keys.get("validation_file"),
        method=SupervisedMethod(**chosen["hyperparameters"], tuning=chosen["tuning"]),
        seed=job.seed, start_from=start_from, resume=_resume_point(session, job), handle=job.handle)


def _start_from(session: Session, job: Job) -> Artifact | None:
    artifact = catalog.resolve(session, job.model).artifact
    return Artifact(kind=artifact.kind, artifact_prefix=artifact.prefix) if artifact else None


def _resume_point(session: Session, job: Job) -> ResumePoint | None:
    """The furthest checkpoint whose files are still there."""
    for checkpoint in queries.kept_checkpoints(session, job.id):
        prefix = checkpoint.artifact_prefix
        if prefix is not None and catalog.exists(session, checkpoint.fine_tuned_model_checkpoint):
            return ResumePoint(step=checkpoint.step_number, artifact_prefix=prefix)
    return None
