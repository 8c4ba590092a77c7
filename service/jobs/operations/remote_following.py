"""Following a job at its server: what is to be asked and passed on, and what its answers come to here."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Literal

from sqlalchemy.orm import Session

from service.events import operations as events
from service.events.types import EventType
from service.jobs import queries
from service.jobs.operations import remote, remote_costs, remote_mirroring, telling
from service.jobs.operations.remote_words import plain
from service.jobs.operations.transitions import Line, fail, log, move
from service.jobs.plans import RemoteCheckpoint, RemoteEvent, RemoteJob, RemoteState
from service.jobs.states import JobStatus
from service.jobs.tables import Checkpoint, Job, RemoteAttempt
from service.kit.database import database_now
from service.kit.schemas import JSONObject
from service.settings import settings

Wish = Literal["cancel", "pause", "resume"]
_LONGEST_WAIT = 600.0


@dataclass(frozen=True, slots=True)
class Duty:
    """A job to be asked after, and what is to be passed on before."""

    attempt_id: str
    job_id: str
    provider: str
    credential_id: str
    remote_id: str
    key: str
    house: str
    is_young: bool
    "So young that its server's lists may not have shown yet all that was made under its key."
    wish: Wish | None
    until: str | None
    "Id of the last event that was mirrored."


def duty(session: Session, job_id: str) -> Duty | None:
    """What FOLLOW_JOB has to do; None for a job that no server has."""
    job = queries.lock(session, job_id)
    attempt = queries.open_attempt(session, job_id) if job is not None else None
    if job is None or attempt is None or attempt.state != "live" or attempt.remote_id is None:
        return None
    return Duty(attempt.id, job.id, attempt.provider, attempt.credential_id, attempt.remote_id, key=attempt.key,
                house=job.organization_id, is_young=_is_young(session, attempt), wish=_wish(session, job),
                until=attempt.followed_until)


def _is_young(session: Session, attempt: RemoteAttempt) -> bool:
    age = database_now(session) - (attempt.sent_at or attempt.created_at)
    return age < timedelta(seconds=settings().remote_settle_seconds)


def _wish(session: Session, job: Job) -> Wish | None:
    if job.status.is_terminal or job.cancel_requested_at is not None or queries.is_archived(session, job.project_id):
        return "cancel"
    if job.pause_requested_at is not None:
        return "pause" if job.status is not JobStatus.PAUSED else None
    return "resume" if job.resume_requested_at is not None else None


def record_refusal(session: Session, attempt_id: str, wish: Wish, message: str) -> None:
    """The server does not do it: whoever asked is told, and it is not asked again."""
    job, attempt = remote.locked(session, attempt_id)
    if job is None or attempt is None or job.status.is_terminal:
        return
    log(session, job, [Line(f"{job.provider} refuses to {wish} the job: {plain(message, 500)}", level="warn")])
    setattr(job, f"{wish}_requested_at", None)
    session.flush()


def record_followed(session: Session, attempt_id: str, seen: RemoteJob, *, lines: Sequence[RemoteEvent],
                    checkpoints: Sequence[RemoteCheckpoint], result_files: Sequence[str] = ()) -> timedelta | None:
    """Write down how the job stands at its server; what the server says decides. When to ask again, if soon.

    `result_files` are ours, with the bytes of the server's, for a job that has succeeded.
    """
    job, attempt = remote.locked(session, attempt_id)
    if job is None or attempt is None or attempt.state != "live" or attempt.remote_id != seen.id:
        return None
    _note_status(session, job, attempt, seen)
    if job.status.is_terminal:  # failed here for what it was; its server is told to end it, and is believed then
        if not seen.state.is_end:
            return timedelta(seconds=10)
        _close(session, job, attempt, seen)
        return None
    remote_mirroring.mirror_job(session, job, seen)
    before = telling.reach(job)
    steps = remote_mirroring.mirror_events(session, job, attempt, lines)
    made = remote_mirroring.mirror_checkpoints(session, job, checkpoints)
    tell = partial(_tell_progress, session, job, before, steps, made)
    if seen.state.is_end:
        _end(session, job, attempt, seen, result_files, tell)
        return None
    _reach(session, job, seen)
    tell()
    _tell_if_stuck(session, job, attempt, seen)
    session.flush()
    return timedelta(seconds=10) if _wish(session, job) is not None else None


def _tell_progress(session: Session, job: Job, before: telling.Reach, steps: Sequence[JSONObject],
                   made: Sequence[Checkpoint]) -> None:
    telling.milestones(session, job, before, steps)
    telling.checkpoints(session, job, made)


def _note_status(session: Session, job: Job, attempt: RemoteAttempt, seen: RemoteJob) -> None:
    now, status = database_now(session), plain(seen.status, 100)
    attempt.missing_since, attempt.polled_at = None, now
    attempt.key_seen = attempt.key_seen or seen.key == attempt.key
    attempt.next_follow_at = now + _follow_interval(now - attempt.created_at)
    attempt.next_poll_at = attempt.next_poll_at or now
    if status != attempt.remote_status:
        attempt.remote_status, attempt.status_since, attempt.stuck_told = status, now, None
        known = "" if seen.state is not RemoteState.UNKNOWN else ", a word that this house does not know"
        log(session, job, [Line(f"Status at {job.provider}: {status}{known}")])
    session.flush()


def _follow_interval(age: timedelta) -> timedelta:
    """Seldom for old jobs, which are many and change little."""
    often = settings().remote_follow_seconds
    return timedelta(seconds=min(max(often, age.total_seconds() / 20), max(often, _LONGEST_WAIT)))


def _reach(session: Session, job: Job, seen: RemoteJob) -> None:
    """Take over what the server says, where it is news. A word that nobody knows changes nothing."""
    if seen.state is RemoteState.PAUSED:
        job.pause_requested_at = None
        if job.status is not JobStatus.PAUSED:
            move(session, job, JobStatus.PAUSED, Line(f"The job is paused at {job.provider}"))
    elif seen.state is RemoteState.RUNNING:
        job.resume_requested_at = None
        if job.status is not JobStatus.RUNNING:
            move(session, job, JobStatus.RUNNING, Line(f"The job is running at {job.provider}"))
        job.estimated_finish = seen.estimated_finish
    elif seen.state is RemoteState.WAITING and job.status is JobStatus.PAUSED:
        job.resume_requested_at = None
        move(session, job, JobStatus.QUEUED, Line(f"The job is queued again at {job.provider}"), is_sent=True)


def _end(session: Session, job: Job, attempt: RemoteAttempt, seen: RemoteJob,
         result_files: Sequence[str], tell: Callable[[], None]) -> None:
    """`tell` says how far it came, which others hear before they hear of the end."""
    _close(session, job, attempt, seen)
    if seen.state is RemoteState.SUCCEEDED:
        _succeed(session, job, seen, result_files, tell)
        return
    tell()
    if seen.state is RemoteState.CANCELLED:
        move(session, job, JobStatus.CANCELLED, Line(f"The job was cancelled at {job.provider}", key="cancelled"))
    else:
        error = seen.error or {}
        message = plain(error.get("message"), 2000) or f"The job failed at {job.provider}, which does not say why."
        param = error.get("param")
        fail(session, job, plain(error.get("code"), 200) or "remote_error", message,
             plain(param, 200) if isinstance(param, str) else None)


def _succeed(session: Session, job: Job, seen: RemoteJob, result_files: Sequence[str],
             tell: Callable[[], None]) -> None:
    name = remote_mirroring.mirror_model(session, job, seen)
    if job.status is not JobStatus.RUNNING:  # it ran and ended between two looks
        move(session, job, JobStatus.RUNNING, Line(f"The job was running at {job.provider}"))
    tell()
    job.fine_tuned_model, job.result_files = name, list(result_files)
    if name is None:
        log(session, job, [Line(f"{job.provider} names no model that came of it.", level="warn")])
    move(session, job, JobStatus.SUCCEEDED, Line(f"The job succeeded at {job.provider}", key="succeeded"))


def _close(session: Session, job: Job, attempt: RemoteAttempt, seen: RemoteJob) -> None:
    """The attempt is over: what it cost is settled, or what was held is let go."""
    attempt.state, attempt.next_poll_at, attempt.next_follow_at = "ended", None, None
    session.flush()
    if remote_costs.is_paid(seen):
        remote_costs.settle(session, attempt, job, seen)
    else:
        remote_costs.release(session, attempt, f"{seen.state} at {job.provider}")


def _tell_if_stuck(session: Session, job: Job, attempt: RemoteAttempt, seen: RemoteJob) -> None:
    """Say once that a job stays in one state for longer than the house expects."""
    hours = settings().stuck_hours.get(seen.state.value)
    since, now = attempt.status_since, database_now(session)
    if hours is None or since is None or attempt.stuck_told == attempt.remote_status:
        return
    if now - since < timedelta(hours=hours):
        return
    attempt.stuck_told = attempt.remote_status
    log(session, job, [Line(f"The job has been {attempt.remote_status} at {job.provider} for more than {hours:g} hours",
                            level="warn")])
    events.append(session, EventType.JOB_STUCK, job.id, project_id=job.project_id,
                  data={"status": attempt.remote_status, "since": int(since.timestamp())})


def record_missing(session: Session, attempt_id: str) -> timedelta | None:
    """The server knows nothing of it: asked again for a while, for it may lag; then the job fails. When to ask."""
    job, attempt = remote.locked(session, attempt_id)
    if job is None or attempt is None or attempt.state != "live":
        return None
    now = database_now(session)
    attempt.missing_since = attempt.missing_since or now
    patience = timedelta(seconds=settings().remote_missing_seconds)
    if now - attempt.missing_since < patience:
        session.flush()
        return min(timedelta(seconds=30), patience / 4)
    attempt.state, attempt.next_poll_at, attempt.next_follow_at, attempt.status_since = "ended", None, None, now
    session.flush()
    remote_costs.release(session, attempt, f"{job.provider} knows nothing of it any more")
    if not job.status.is_terminal:
        fail(session, job, "remote_job_gone", f"{job.provider} knows nothing of job {attempt.remote_id} any more: it"
             " may have been deleted there. Nothing was charged for it here; look at that account, then create the job"
             " again.", None)
    return None
