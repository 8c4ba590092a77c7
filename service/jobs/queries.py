"""Questions about jobs, and about the files that they stand on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Select, func, or_, select
from sqlalchemy.orm import Session

from service.catalog.tables import TunedModel
from service.datasets.tables import DatasetVersion
from service.datasets.tables.counts import TokenCount
from service.files.tables import File
from service.jobs.states import JobStatus
from service.jobs.tables import Checkpoint, Job, JobEvent, Preflight, RemoteAttempt, RemoteFile
from service.kit.database import among
from service.kit.pagination import paginate
from service.kit.work import Work, WorkItem
from service.tenants.tables import Project


def _named(job_id: str) -> Select[Job]:
    """The job of this id, ours or that of the server it was imported from; ours comes first."""
    return select(Job).where(or_(Job.id == job_id, Job.alias == job_id)).order_by((Job.id == job_id).desc()).limit(1)


def job(session: Session, job_id: str) -> Job | None:
    return session.scalar(_named(job_id))


def jobs_named(session: Session, job_ids: Sequence[str]) -> dict[str, Job]:
    """Those of these ids that are there, ours or those of servers, by the id that callers know them by."""
    found = session.scalars(select(Job).where(or_(Job.id.in_(job_ids), Job.alias.in_(job_ids))))
    return {job.shown_id: job for job in found}


def lock(session: Session, job_id: str) -> Job | None:
    """The job as it is now, held until the transaction ends."""
    return session.scalar(_named(job_id).with_for_update(),
                          execution_options={"populate_existing": True})


def lock_for_owner(session: Session, job_id: str) -> Job | None:
    """The same for requests that may wake the job's worker: its work item is held first, as the worker does it.

    Whoever locked the job first and then waited for the item would meet a worker coming the other way.
    """
    kinds = [kind.value for kind in (Work.TRAIN_JOB, Work.SUBMIT_JOB, Work.FOLLOW_JOB)]
    session.execute(select(WorkItem.id).where(WorkItem.kind.in_(kinds), WorkItem.subject == job_id)
                    .order_by(WorkItem.kind.desc()).with_for_update())  # submission first, as its worker goes on
    return lock(session, job_id)


def jobs(session: Session, *, metadata: dict[str, str] | None, without_metadata: bool, after: str | None,
         limit: int) -> tuple[Sequence[Job], bool]:
    """A page of jobs, newest first: all, those that carry every pair of `metadata`, or those without any."""
    query: Select[Job] = select(Job)
    if without_metadata:
        query = query.where(or_(Job.metadata_.is_(None), Job.metadata_ == JSON.NULL))
    elif metadata:
        query = query.where(Job.metadata_.contains(metadata))
    return paginate(session, query, Job, after=after, limit=limit)


def imported(session: Session, *, after: str | None, limit: int) -> tuple[Sequence[Job], bool]:
    """Jobs that another server trained and that succeeded, oldest first."""
    query = select(Job).where(Job.alias.is_not(None), Job.status == JobStatus.SUCCEEDED)
    return paginate(session, query, Job, after=after, limit=limit, order="asc")


def lock_all(session: Session, job_ids: Sequence[str]) -> Sequence[Job]:
    """These jobs as they are now, oldest first, held until the transaction ends; all who hold many begin there."""
    return session.scalars(select(Job).where(Job.id.in_(list(job_ids))).order_by(Job.position).with_for_update(),
                           execution_options={"populate_existing": True}).all()


def living_successor(session: Session, old: Job, model: str) -> Job | None:
    """The newest job that trains `old` again on this model, or has done so well."""
    if not old.successors:
        return None
    return session.scalar(select(Job).where(
        Job.id.in_(old.successors), Job.model == model,
        Job.status.not_in([JobStatus.FAILED, JobStatus.CANCELLED])).order_by(Job.position.desc()).limit(1))


def is_built(session: Session, file_id: str) -> bool:
    """Whether the file is that of a version which is being built."""
    return session.scalar(select(DatasetVersion.id).where(
        DatasetVersion.file_id == file_id, DatasetVersion.status == "building",
        DatasetVersion.deleted_at.is_(None)).limit(1)) is not None


def events(session: Session, job_id: str, *, after: str | None, limit: int) -> tuple[Sequence[JobEvent], bool]:
    query = select(JobEvent).where(JobEvent.job_id == job_id)
    return paginate(session, query, JobEvent, after=after, limit=limit)


def checkpoints(session: Session, job_id: str, *, after: str | None,
                limit: int) -> tuple[Sequence[Checkpoint], bool]:
    query = select(Checkpoint).where(Checkpoint.job_id == job_id)
    return paginate(session, query, Checkpoint, after=after, limit=limit)


def kept_checkpoints(session: Session, job_id: str) -> Sequence[Checkpoint]:
    """All checkpoints of the job that are still there, the furthest first."""
    return session.scalars(select(Checkpoint).where(Checkpoint.job_id == job_id)
                           .order_by(Checkpoint.step_number.desc())).all()


def metrics(session: Session, job_id: str) -> list[dict[str, Any]]:
    """The metrics of every step, in the order of the steps."""
    rows = session.scalars(select(JobEvent.data).where(JobEvent.job_id == job_id, JobEvent.type == "metrics")).all()
    return sorted((row for row in rows if row), key=lambda row: row["step"])


def using(session: Session, file_ids: Sequence[str]) -> Sequence[Job]:
    """Jobs that train on any of these files, or are measured by it, oldest first."""
    wanted = list(file_ids)
    return session.scalars(select(Job).where(or_(Job.training_file.in_(wanted), Job.validation_file.in_(wanted)))
                           .order_by(Job.position)).all()


def going_on_from(session: Session, models: Sequence[str]) -> Sequence[Job]:
    """Jobs that start from any of these tuned models."""
    return session.scalars(select(Job).where(Job.model.in_(list(models))).order_by(Job.position)).all()


def made_by(session: Session, job_ids: Sequence[str]) -> Sequence[TunedModel]:
    """Tuned models that any of these jobs made, deleted ones too, oldest first."""
    return session.scalars(select(TunedModel).where(TunedModel.job_id.in_(list(job_ids)))
                           .order_by(TunedModel.position)).all()


def usable_file(session: Session, file_id: str) -> File | None:
    """The project's file of this id, if one can train on it: there, not expired, uploaded for fine-tuning."""
    return session.scalar(select(File).where(
        File.id == file_id, File.purpose == "fine-tune", File.deleted_at.is_(None),
        or_(File.expires_at.is_(None), File.expires_at > func.now())))


def sizes(session: Session, files: Mapping[str, str]) -> dict[str, int]:
    """Bytes of files by what stands for them: {"training_file": id} → {"training_file": bytes}."""
    found = session.scalars(select(File).where(File.id.in_(set(files.values()))))
    bytes_of = {file.id: file.bytes for file in found}
    return {name: bytes_of[file_id] for name, file_id in files.items() if file_id in bytes_of}


def training_policy(session: Session, project_id: str) -> dict[str, Any] | None:
    """What the project demands of the data that it trains on, as it is now."""
    return session.scalar(select(Project.training_policy).where(Project.id == project_id))


def is_archived(session: Session, project_id: str) -> bool:
    return session.scalars(select(Project.archived_at).where(Project.id == project_id)).one() is not None


def project_slug(session: Session, project_id: str) -> str:
    return session.scalars(select(Project.slug).where(Project.id == project_id)).one()


def preflight(session: Session, preflight_id: str) -> Preflight | None:
    return session.scalar(select(Preflight).where(Preflight.id == preflight_id))


def lock_preflight(session: Session, preflight_id: str) -> Preflight | None:
    """The pre-flight as it is now, held until the transaction ends."""
    return session.scalar(select(Preflight).where(Preflight.id == preflight_id).with_for_update(),
                          execution_options={"populate_existing": True})


def preflights(session: Session, *, after: str | None, limit: int) -> tuple[Sequence[Preflight], bool]:
    return paginate(session, select(Preflight), Preflight, after=after, limit=limit)


def has_open_counts(session: Session, file_id: str) -> bool:
    """Whether tokens of the file are being counted, by any tokenizer."""
    return session.scalar(select(TokenCount.id).where(TokenCount.file_id == file_id, TokenCount.state == "pending")
                          .limit(1)) is not None


def ahead(session: Session, provider: str) -> tuple[int, int, datetime | None]:
    """How many of the project's jobs run at a provider, how many wait for it, and when the last that runs may end."""
    here = select(Job.status, func.count(), func.max(Job.estimated_finish)).where(
        Job.provider == provider, Job.status.in_([JobStatus.RUNNING, JobStatus.QUEUED])).group_by(Job.status)
    found = {status: (number, ends) for status, number, ends in session.execute(here)}
    running, ends = found.get(JobStatus.RUNNING, (0, None))
    return running, found.get(JobStatus.QUEUED, (0, None))[0], ends


def open_attempt(session: Session, job_id: str) -> RemoteAttempt | None:
    """The attempt of the job that may still come to something, held until the transaction ends."""
    return session.scalar(
        select(RemoteAttempt).where(RemoteAttempt.job_id == job_id, RemoteAttempt.state.in_(
            ["intended", "sending", "unknown", "live"])).with_for_update(),
        execution_options={"populate_existing": True})


def attempt(session: Session, attempt_id: str) -> RemoteAttempt | None:
    """The attempt as it is now, held until the transaction ends."""
    return session.scalar(select(RemoteAttempt).where(RemoteAttempt.id == attempt_id).with_for_update(),
                          execution_options={"populate_existing": True})


def attempts_by_key(session: Session, keys: Sequence[str]) -> dict[str, RemoteAttempt]:
    """What these keys were drawn for."""
    rows = session.scalars(select(RemoteAttempt).where(among(RemoteAttempt.key, keys))).all()
    return {row.key: row for row in rows}


def last_attempt_at(session: Session, credential_id: str) -> datetime | None:
    """When the newest attempt with this credential was made."""
    return session.scalar(select(func.max(RemoteAttempt.created_at)).where(
        RemoteAttempt.credential_id == credential_id))


def unsent(session: Session, credential_id: str) -> Sequence[str]:
    """Jobs with attempts that wait for their submission, or for news of it."""
    return session.scalars(select(RemoteAttempt.job_id).where(
        RemoteAttempt.credential_id == credential_id,
        RemoteAttempt.state.in_(["intended", "sending", "unknown"])).order_by(RemoteAttempt.position)).all()


def attempted(session: Session, states: Sequence[str]) -> Sequence[str]:
    """Ids of the project's jobs with an attempt in one of these states, always in one order."""
    return session.scalars(select(RemoteAttempt.job_id).where(RemoteAttempt.state.in_(list(states)))
                           .order_by(RemoteAttempt.job_id)).all()


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """An attempt that has not ended, by what may be told of it to whoever sees those of all projects."""

    project_id: str
    job_id: str
    state: str
    remote_id: str | None

    @property
    def is_at_server(self) -> bool:
        """Whether the server has it, or may have."""
        return self.state != "intended"


def open_attempts(session: Session, credential_id: str) -> list[OpenAttempt]:
    """Those that are made with this credential, oldest first."""
    rows = session.execute(select(
        RemoteAttempt.project_id, RemoteAttempt.job_id, RemoteAttempt.state, RemoteAttempt.remote_id).where(
        RemoteAttempt.credential_id == credential_id,
        RemoteAttempt.state.in_(["intended", "sending", "unknown", "live"])).order_by(RemoteAttempt.position))
    return [OpenAttempt(*row) for row in rows]


def copies(session: Session, credential_id: str) -> Sequence[str]:
    """What the server of this credential calls the files of the project that lie there."""
    found = session.scalars(select(RemoteFile.remote_file_id).where(
        RemoteFile.credential_id == credential_id, RemoteFile.state == "uploaded",
        RemoteFile.remote_file_id.is_not(None)).order_by(RemoteFile.position))
    return [name for name in found if name is not None]


def remote_file(session: Session, file_id: str, credential_id: str) -> RemoteFile | None:
    return session.scalar(select(RemoteFile).where(RemoteFile.file_id == file_id,
                                                   RemoteFile.credential_id == credential_id).with_for_update(),
                          execution_options={"populate_existing": True})


def keeps_keys(session: Session, credential_id: str) -> bool:
    """Whether the server that the credential reaches was ever seen to give our key back."""
    return session.scalar(select(RemoteAttempt.id).where(
        RemoteAttempt.credential_id == credential_id, RemoteAttempt.key_seen).limit(1)) is not None


def abandoned_files(session: Session, credential_id: str, limit: int) -> Sequence[RemoteFile]:
    """What was sent of files that are deleted here, and that no attempt needs any more."""
    needed = select(Job.id).join(RemoteAttempt, RemoteAttempt.job_id == Job.id).where(
        RemoteAttempt.state.in_(["intended", "sending", "unknown", "live"]),
        or_(Job.training_file == RemoteFile.file_id, Job.validation_file == RemoteFile.file_id)).exists()
    return session.scalars(
        select(RemoteFile).join(File, File.id == RemoteFile.file_id)
        .where(RemoteFile.credential_id == credential_id, RemoteFile.state == "uploaded", File.deleted_at.is_not(None),
               ~needed).order_by(RemoteFile.position).limit(limit)).all()
