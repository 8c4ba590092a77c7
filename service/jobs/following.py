"""A job's log as a source of streams, which ends when the job has."""

import json
from typing import Literal

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from service.jobs.operations.transitions import CHANNEL
from service.jobs.schemas.jobs import JobEvent as Shown
from service.jobs.tables import Job, JobEvent
from service.kit.database import Scope, transaction
from service.kit.streams import cursors
from service.kit.streams.answering import frame
from service.kit.streams.cursors import Cursor, Line, Page
from service.kit.streams.hub import Source

_PAGE = 200


def source(project_id: str, job_id: str) -> Source:
    def read(after: Cursor) -> Page:
        with transaction(Scope.project(project_id)) as session:
            return _read(session, job_id, after)
    return Source(CHANNEL, job_id, read)


def start(session: Session, job: Job, *, last_id: str | None, begin: Literal["now", "beginning"]) -> Cursor | None:
    """Where a stream of this job's log begins; None where nothing can follow. Raises UnknownPlace."""
    if last_id == _done(job.id) and job.status.is_terminal:
        return None
    return cursors.start(session, lambda line: _log(job.id).where(or_(JobEvent.id == line, JobEvent.alias == line)),
                         marked=cursors.mark(CHANNEL, job.id), last_id=last_id, begin=begin)


def _read(session: Session, job_id: str, after: Cursor) -> Page:
    """The job is looked at first: if it has ended by then, so has its log, as soon as nothing of it waits."""
    job = session.get_one(Job, job_id)
    page = cursors.read(session, _log(job_id), JobEvent, after, _PAGE, _line)
    if page.more or page.behind or not job.status.is_terminal:
        return page
    told = {"id": job.shown_id, "object": "fine_tuning.job", "status": job.status}
    return Page(lines=page.lines, cursor=page.cursor,
                end=frame(_done(job_id), "done", json.dumps(told)))


def _done(job_id: str) -> str:
    """The id of the last frame of all: who comes back with it has everything."""
    return f"done_{cursors.mark(CHANNEL, job_id)}"


def _log(job_id: str) -> Select[JobEvent]:
    return select(JobEvent).where(JobEvent.job_id == job_id)


def _line(event: JobEvent) -> Line:
    data = Shown.model_validate(event).model_dump_json()
    return Line(cursors.cursor_of(event), frame(_id(event), event.type, data))


def _id(event: JobEvent) -> str:
    """The one that is shown, unless a server chose one that breaks out of its line or does not come back as it went."""
    shown = event.shown_id
    return shown if shown.isascii() and shown.isprintable() and shown == shown.strip() else event.id
