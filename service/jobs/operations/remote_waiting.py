"""Jobs whose server cannot be asked: what their owners are told of it, and when nothing is waited for any more."""

from datetime import timedelta

from sqlalchemy.orm import Session

from service.events import operations as events
from service.events.types import EventType
from service.jobs import queries
from service.jobs.operations import remote, remote_costs
from service.jobs.operations.transitions import Line, fail, log, move
from service.jobs.states import JobStatus
from service.kit.database import database_now
from service.settings import settings

_UNREACHABLE = "unreachable"


def record_waiting(session: Session, attempt_id: str, why: str) -> None:
    """Tell, once for each reason, why a job is neither sent nor followed; and by an event, when that lasts."""
    job, attempt = remote.locked(session, attempt_id)
    if job is None or attempt is None or job.status.is_terminal:
        return
    log(session, job, [Line(why, key=f"waiting:{attempt.id}:{why}"[:200], level="warn")])
    hours, now = settings().stuck_hours.get("unknown"), database_now(session)
    since = attempt.polled_at or attempt.created_at
    if hours is None or attempt.stuck_told == _UNREACHABLE or now - since < timedelta(hours=hours):
        return
    attempt.stuck_told = _UNREACHABLE
    events.append(session, EventType.JOB_STUCK, job.id, project_id=job.project_id,
                  data={"status": _UNREACHABLE, "since": int(since.timestamp())})


def record_cut_off(session: Session, attempt_id: str) -> bool:
    """Its credential is deleted. What was not sent fails, what was to be cancelled counts as that; whether it did.

    Anything else goes on at its server as far as anybody knows, and is left as it is.
    """
    job, attempt = remote.locked(session, attempt_id)
    if job is None or attempt is None or attempt.state in {"ended", "released"}:
        return True
    if attempt.state == "intended":
        remote.release(session, attempt, "its credential was deleted")
        if not job.status.is_terminal:
            fail(session, job, "credential_deleted", "The credential that was to pay for this job was deleted before it"
                 " was sent. Create the job again with another.", "credential")
        return True
    if job.cancel_requested_at is None and not job.status.is_terminal and not queries.is_archived(
            session, job.project_id):
        return False
    attempt.state, attempt.next_poll_at, attempt.next_follow_at = "ended", None, None
    session.flush()
    remote_costs.release(session, attempt, "its credential was deleted: what its server charges is not known")
    if not job.status.is_terminal:
        move(session, job, JobStatus.CANCELLED, Line(
            f"The job was cancelled here. {job.provider} could not be told, for the credential was deleted: a job with"
            f" the metadata value {attempt.key} may go on there", key="cancelled", level="warn"))
    return True
