"""The one door for a job's status: lock, table of states, timestamps, log line, public event, follow-up work."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.catalog import mappings
from service.jobs import queries
from service.jobs.errors import InvalidTransition, JobNotFound
from service.jobs.operations import telling
from service.jobs.states import JobStatus
from service.jobs.tables import Job, JobEvent
from service.kit.database import database_now
from service.kit.identifiers import new_id
from service.kit.schemas import JSONObject
from service.kit.work import Work, enqueue

CHANNEL = "tuneworks_job_events"
"""The NOTIFY channel that wakes streams when a transaction with new lines of a log commits; says the job."""
_ANNOUNCE = text("select pg_notify(:channel, :job)")


@dataclass(frozen=True, slots=True)
class Line:
    """One line for a job's log; a second line with the same `key` is not written."""

    message: str
    key: str = field(default_factory=lambda: new_id(""))
    level: Literal["info", "warn", "error"] = "info"
    type: Literal["message", "metrics"] = "message"
    data: JSONObject = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrored(Line):
    """A line of a server's log, under the server's id and of the server's time."""

    alias: str
    at: datetime


def log(session: Session, job: Job, lines: Iterable[Line]) -> None:
    """Append lines to the job's log in their order, leaving out those that it has."""
    _append(session, [_row(job, line) for line in lines])


def mirror(session: Session, job: Job, lines: Iterable[Mirrored]) -> None:
    """The same for lines of a server's log."""
    _append(session, [_row(job, line) | {"alias": line.alias, "created_at": line.at} for line in lines])


def _row(job: Job, line: Line) -> dict[str, Any]:
    return {"id": new_id("ftevent-"), "project_id": job.project_id, "job_id": job.id, "key": line.key,
            "level": line.level, "type": line.type, "message": line.message, "data": line.data}


def _append(session: Session, rows: list[dict[str, Any]]) -> None:
    if rows:
        session.execute(insert(JobEvent).on_conflict_do_nothing(
            index_elements=[JobEvent.project_id, JobEvent.job_id, JobEvent.key]), rows)
        session.execute(_ANNOUNCE, [{"channel": CHANNEL, "job": job_id} for job_id in {row["job_id"] for row in rows}])


def transition(session: Session, job_id: str, to: JobStatus, *, because: Line) -> Job:
    """Move a job to `to` and write why. Raises JobNotFound or InvalidTransition."""
    job = queries.lock(session, job_id)
    if job is None:
        raise JobNotFound(job_id)
    return move(session, job, to, because)


def move(session: Session, job: Job, to: JobStatus, because: Line, *, is_sent: bool = False) -> Job:
    """The same for a job whose lock the transaction holds. Raises InvalidTransition.

    A job that is queued is asked to be trained, unless it `is_sent` and its server has it in a queue.
    """
    if not job.status.may_become(to):
        raise InvalidTransition(job.id, job.status, to)
    job.status = to
    now = database_now(session)
    job.started_at = job.started_at or (now if to is JobStatus.RUNNING else None)
    job.finished_at = now if to.is_terminal else None
    job.estimated_finish = None
    session.flush()
    log(session, job, [because])
    if to is JobStatus.QUEUED and not is_sent:
        work = Work.TRAIN_JOB if job.provider == "local" else Work.SUBMIT_JOB
        enqueue(session, work, job.id, project_id=job.project_id)
    if to is JobStatus.SUCCEEDED and job.answers_for is not None:
        map_now(session, job)
    telling.moved(session, job)
    return job


def map_now(session: Session, job: Job) -> str:
    """Have calls that name the model which the job's own replaces answered by it from now on; how it stands."""
    if job.answers_for is None or job.fine_tuned_model is None:
        return ""
    adopted = mappings.adopt(session, project_id=job.project_id, model=job.answers_for,
                             successor=job.fine_tuned_model, by=job.id)
    if adopted.is_made:
        words = f"Calls that name {job.answers_for} are answered by {job.fine_tuned_model}"
    elif adopted.kept is not None:
        words = (f"Calls that name {job.answers_for} stay mapped to {adopted.kept}: somebody made that mapping, and"
                 f" POST /v1/model_mappings/{{id}} changes it to {job.fine_tuned_model}")
    else:
        words = f"Calls that name {job.answers_for} cannot be answered by {job.fine_tuned_model}: that is mapped to it"
    log(session, job, [Line(words, key="mapped", level="info" if adopted.is_made else "warn")])
    return f"{words}."


def fail(session: Session, job: Job, code: str, message: str, param: str | None) -> Job:
    """Move a locked job to failed, with its cause where callers look for it."""
    job.error = {"code": code, "message": message, "param": param}
    return move(session, job, JobStatus.FAILED, Line(message, key="failed", level="error",
                                                      data={"error_code": code, "error_param": param}))
