"""Jobs that a server trains for money: what is known of each attempt, written so that none is ever paid twice."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.jobs.tables import RemoteAttempt
from service.kit.database import database_now
from service.kit.work import Work, enqueue


def wake(session: Session, job_id: str) -> None:
    """Have the job's server asked now how it stands."""
    project_id = session.scalar(select(RemoteAttempt.project_id).where(RemoteAttempt.job_id == job_id).limit(1))
    if project_id is not None:
        enqueue(session, Work.FOLLOW_JOB, job_id, project_id=project_id)


def note_seen(session: Session, attempt_id: str, status: str, *, next_poll: timedelta) -> None:
    """A list showed the job with this status: it is followed if that is news, or if its time has come."""
    attempt = session.get(RemoteAttempt, attempt_id)
    if attempt is None or attempt.state != "live":
        return
    now = database_now(session)
    is_due = attempt.next_follow_at is not None and attempt.next_follow_at <= now
    if status != attempt.remote_status or is_due:
        enqueue(session, Work.FOLLOW_JOB, attempt.job_id, project_id=attempt.project_id)
    attempt.polled_at, attempt.next_poll_at, attempt.poll_failures = now, now + next_poll, 0
    session.flush()
