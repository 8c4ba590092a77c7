"""Files and jobs in any state, as tests need them: rows made directly, moves made through the one door."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import select, text

from service.datasets.tables import Finding, Report
from service.files.tables import File
from service.jobs import operations, queries
from service.jobs.operations.transitions import Line
from service.jobs.schemas.jobs import JobCreate
from service.jobs.states import JobStatus
from service.jobs.tables import Job, JobEvent
from service.kit.database import NOBODY, transaction
from service.kit.identifiers import new_id
from tests.fixtures.api import Tenant

BASE = "smollm2-135m-instruct"
PATHS: Mapping[JobStatus, tuple[JobStatus, ...]] = {
    JobStatus.VALIDATING_FILES: (),
    JobStatus.QUEUED: (JobStatus.QUEUED,),
    JobStatus.RUNNING: (JobStatus.QUEUED, JobStatus.RUNNING),
    JobStatus.PAUSED: (JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.PAUSED),
    JobStatus.SUCCEEDED: (JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.SUCCEEDED),
    JobStatus.FAILED: (JobStatus.FAILED,),
    JobStatus.CANCELLED: (JobStatus.CANCELLED,),
}


def make_file(tenant: Tenant, *, purpose: str = "fine-tune", expires_at: datetime | None = None,
              deleted_at: datetime | None = None, examples: int | None = 100, error: str | None = None) -> str:
    """A file of the tenant, with a report on its examples unless `examples` is None."""
    file = File(id=new_id("file-"), project_id=tenant.project_id, filename="train.jsonl", purpose=purpose, bytes=9,
                sha256="0" * 64, object_key=new_id("objects/"), status="processed", expires_at=expires_at,
                deleted_at=deleted_at)
    with transaction(tenant.scope) as session:
        session.add(file)
        session.flush()
    if examples is not None:
        validate(tenant, file.id, examples=examples, error=error)
    return file.id


def validate(tenant: Tenant, file_id: str, *, examples: int, error: str | None = None) -> None:
    """What the validation task leaves behind."""
    report = Report(id=new_id("report_"), project_id=tenant.project_id, file_id=file_id, format="chat",
                    examples=examples, lines=examples, errors=int(error is not None))
    with transaction(tenant.scope) as session:
        session.add(report)
        session.flush()
        if error is not None:
            session.add(Finding(id=new_id("finding_"), project_id=tenant.project_id, report_id=report.id,
                                severity="error", kind="invalid_json", line=3, message=error))


def make_job(tenant: Tenant, status: JobStatus = JobStatus.VALIDATING_FILES, **body: Any) -> str:
    """A job of the tenant that went to `status` through the one door."""
    wanted = JobCreate.model_validate({"model": BASE, "training_file": body.pop("training_file", None)
                                       or make_file(tenant), **body})
    with transaction(tenant.scope) as session:
        job_id = operations.create(session, tenant.caller, wanted).id
    for step in PATHS[status]:
        with transaction(tenant.scope) as session:
            operations.transition(session, job_id, step, because=Line(f"to {step}"))
    return job_id


def running_job(tenant: Tenant, **body: Any) -> str:
    """A job that was prepared and begun as workers do it."""
    job_id = make_job(tenant, **body)
    with transaction(tenant.scope) as session:
        assert operations.prepare(session, job_id) is False
        assert operations.begin(session, job_id) is not None
    return job_id


def checkpoint(tenant: Tenant, job_id: str, step: int, *, kind: Literal["adapter", "model"] = "adapter") -> None:
    with transaction(tenant.scope) as session:
        operations.record_checkpoint(session, job_id, step, metrics={"step": step, "train_loss": 1.0},
                                     artifact_prefix=f"artifacts/{job_id}/{step}/", kind=kind,
                                     manifest={"adapter.safetensors": "0" * 64})


def reload(tenant: Tenant, job_id: str) -> Job:
    with transaction(tenant.scope) as session:
        job = queries.job(session, job_id)
        assert job is not None
        return job


def messages(tenant: Tenant, job_id: str) -> list[str]:
    """The job's log, oldest first."""
    with transaction(tenant.scope) as session:
        return list(session.scalars(select(JobEvent.message).where(JobEvent.job_id == job_id)
                                    .order_by(JobEvent.position)))


def until_somebody_waits() -> None:
    """Until another transaction waits for a lock."""
    while True:
        with transaction(NOBODY) as session:
            if session.execute(text("select count(*) from pg_locks where not granted")).scalar():
                return
