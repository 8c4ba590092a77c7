"""Jobs whose server cannot be asked: what their owners are told of it, and when nothing is waited for any more."""

from datetime import timedelta

from sqlalchemy.orm import Session

from service.events import operations as events
from service.events.types import EventType
from service.jobs import queries
from service.jobs.operations import remote, remote_costs
from service.jobs.operations.remote_words import plain
from service.jobs.operations.transitions import Line, fail, log, move
from service.jobs.states import JobStatus
from service.kit.database import database_now
from service.settings import settings

_UNREACHABLE = "unreachable"


def record_waiting(session: Session, attempt_id: str, why: str, *, told: str = "") -> None:
    """Tell, once for each reason, why a job is neither sent nor followed, with what its server told first.

    When that lasts, an event tells it too.
    """
    job, attempt = remote.locked(session, attempt_id)
    if job is None or attempt is None or job.status.is_terminal:
        return
    words = f"{why} It says: {plain(told, 500)}" if told else why
    log(session, job, [Line(words, key=f"waiting:{attempt.id}:{why}"[:200], level="warn")])
    hours, now = settings().stuck_hours.get("unknown"), database_now(session)
    since = attempt.polled_at or attempt.created_at
    if hours is None or attempt.stuck_told == _UNREACHABLE or now - since < timedelta(hours=hours):
        return
    attempt.stuck_told = _UNREACHABLE
    events.append(session, EventType.JOB_STUCK, job.id, project_id=job.project_id,
                  data={"status": _UNREACHABLE, "since": int(since.timestamp())})


def record_cut_off(session: Session, attempt_id: str) -> None:
    """Its credential is deleted, so nobody can ask after it any more: it ends here, whatever becomes of it there."""
    job, attempt = remote.locked(session, attempt_id)
    if job is None or attempt is None or attempt.state in {"ended", "released"}:
        return
    was_sent = attempt.state != "intended"
    attempt.state, attempt.next_look_at = "ended" if was_sent else "released", None
    attempt.next_poll_at, attempt.next_follow_at = None, None
    session.flush()
    if was_sent:
        remote_costs.settle_unseen(session, attempt, job)
    else:
        remote_costs.release(session, attempt, "its credential was deleted")
    if job.status.is_terminal:
        return
    there = (f" {job.provider} could not be told, and may train it and charge for it: look in that account for"
             f" {attempt.remote_id or 'a job'} with the metadata value {attempt.key}.") if was_sent else ""
    if job.cancel_requested_at is not None or queries.is_archived(session, job.project_id):
        move(session, job, JobStatus.CANCELLED, Line(f"The job was cancelled.{there}", key="cancelled", level="warn"))
    else:
        fail(session, job, "credential_deleted", f"The credential that pays for this job was deleted.{there} Create the"
             " job again with another.", "credential")
