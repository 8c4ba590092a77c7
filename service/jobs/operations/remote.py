"""Jobs that a server trains for money: the states of an attempt, so ordered that none is ever paid twice.

    intended ──▶ sending ──────▶ live ──▶ ended
       ▲  ▲         │  │          ▲
       │  └─nothing─┘  │          │ found by its key
       │     was made  ▼          │
       └─not found── unknown ─────┘          intended, unknown ──▶ released: nothing was made, nothing is to be

`sending` is committed before the one request that may cost money, and is left by its answer. Whoever meets it later
meets a request whose answer was lost: it becomes `unknown`, from which nothing is ever sent. What may have been made
is looked for by the key that it bears, again and again over minutes, for lists lag; only after that may it be sent
again. Money is held from `intended` on, and the hold ends with the attempt.
"""

import uuid
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.credentials import queries as credentials
from service.jobs import queries
from service.jobs.operations import remote_costs
from service.jobs.operations.transitions import Line, log
from service.jobs.plans import RemoteJob
from service.jobs.states import JobStatus
from service.jobs.tables import Job, RemoteAttempt
from service.kit.database import database_now
from service.kit.identifiers import new_id
from service.kit.work import Work, enqueue
from service.settings import settings
from service.tenants import operations as tenants


def new_key(project_id: str) -> str:
    """A key that shows whose it is, in letters, digits and hyphens, which every server takes."""
    return f"{_mark(project_id)}{uuid.uuid4().hex}"


def is_key_of(key: str | None, project_id: str) -> bool:
    """Whether a job that bears this key was made for the project: its orphans are its own to look after."""
    return key is not None and key.startswith(_mark(project_id))


def _mark(project_id: str) -> str:
    return project_id.replace("_", "-") + "-"


def intend(session: Session, job: Job, credential_id: str) -> RemoteAttempt:
    """Write down that the job is to be sent, and hold the money, before anything is asked for."""
    attempt = RemoteAttempt(id=new_id("rjob_"), project_id=job.project_id, job_id=job.id, provider=job.provider,
                            credential_id=credential_id, key=new_key(job.project_id), state="intended")
    remote_costs.hold(session, job, attempt)
    session.add(attempt)
    session.flush()
    return attempt


def mark_sending(session: Session, attempt_id: str) -> bool:
    """Commit to the one request that may cost money; False when it must not be made any more."""
    job, attempt = locked(session, attempt_id)
    if job is None or attempt is None or attempt.state != "intended" or job.status is not JobStatus.QUEUED:
        return False
    if job.cancel_requested_at is not None or job.pause_requested_at is not None:
        return False
    if queries.is_archived(session, job.project_id) or not credentials.keep(session, attempt.credential_id):
        return False  # its files may have taken hours, and nobody could end what is made now
    attempt.state, attempt.sent_at, attempt.looks = "sending", database_now(session), 0
    attempt.sends += 1
    session.flush()
    return True


def record_made(session: Session, attempt_id: str, made: RemoteJob) -> None:
    """The server made it: it is followed from now on."""
    job, attempt = locked_to_follow(session, attempt_id)
    if job is not None and attempt is not None and attempt.state in {"sending", "unknown"}:
        attempt.key_seen = made.key == attempt.key
        adopt(session, job, attempt, made.id, f"Created at {job.provider}: {made.id}")


def record_not_made(session: Session, attempt_id: str) -> None:
    """The server made nothing, for now: it may be sent again."""
    _, attempt = locked(session, attempt_id)
    if attempt is not None and attempt.state == "sending":
        attempt.state, attempt.sends = "intended", attempt.sends - 1
        session.flush()


def record_ambiguous(session: Session, attempt_id: str) -> timedelta:
    """No answer, or none that can be read; how long to wait before it is looked for."""
    _, attempt = locked(session, attempt_id)
    if attempt is not None and attempt.state == "sending":
        lose(session, attempt)
    return interval(0)


def lose(session: Session, attempt: RemoteAttempt) -> None:
    attempt.state, attempt.looks = "unknown", 0
    attempt.next_look_at = database_now(session) + interval(0)
    session.flush()
    job = queries.job(session, attempt.job_id)
    if job is not None:
        log(session, job, [Line(f"No answer from {job.provider}: it may have made the job. It is looked for there"
                                " before anything is sent again.", level="warn")])


def interval(looks: int) -> timedelta:
    """Doubling, but so that some looks fall into the last part of the wait."""
    seconds = settings().remote_look_seconds * 2 ** min(looks, 16)
    return timedelta(seconds=min(seconds, settings().remote_settle_seconds / 4))


def record_stray(session: Session, attempt_id: str, remote_id: str) -> bool:
    """A worker that was replaced comes back with what it made: whether that is to be cancelled.

    It holds no claim, so it changes nothing but this: it is what its successor still looks for, or one too many.
    """
    job, attempt = locked_to_follow(session, attempt_id)
    if job is None or attempt is None:
        return True
    if attempt.remote_id == remote_id:
        return False
    if attempt.state in {"unknown", "intended"} and not job.status.is_terminal:
        adopt(session, job, attempt, remote_id, f"Created at {job.provider}: {remote_id}")
        return False
    return bool(discard(session, job, attempt, [remote_id]))


def adopt(session: Session, job: Job, attempt: RemoteAttempt, remote_id: str, message: str) -> None:
    now = database_now(session)
    attempt.state, attempt.remote_id, attempt.next_look_at = "live", remote_id, None
    attempt.next_poll_at, attempt.next_follow_at, attempt.status_since = now, now, now
    session.flush()
    log(session, job, [Line(message, key=f"remote:{remote_id}")])


def discard(session: Session, job: Job, attempt: RemoteAttempt, remote_ids: list[str]) -> list[str]:
    """Write down what was made beyond the one that counts, before it is cancelled; what is to be cancelled."""
    if remote_ids:
        attempt.discarded = list(dict.fromkeys([*attempt.discarded, *remote_ids]))
        session.flush()
        log(session, job, [Line(f"An extra job at {job.provider} is cancelled: {remote_id}", level="warn",
                                key=f"extra:{remote_id}") for remote_id in remote_ids])
    for remote_id in remote_ids:
        note_cancelled(session, job.organization_id, job.project_id, remote_id, job_id=job.id, key=attempt.key)
    return remote_ids


def note_cancelled(session: Session, organization_id: str, project_id: str, remote_id: str, *, key: str | None,
                   job_id: str | None) -> None:
    """Tell the audit log of training that is cancelled because nobody waits for it."""
    tenants.audit(session, organization_id=organization_id, project_id=project_id, actor="tuneworks",
                  action="remote_job.cancelled", subject=remote_id, details={"fine_tuning_job_id": job_id, "key": key})


def release(session: Session, attempt: RemoteAttempt, note: str) -> None:
    """Give an attempt up of which the server made nothing."""
    attempt.state, attempt.next_look_at, attempt.next_poll_at = "released", None, None
    session.flush()
    remote_costs.release(session, attempt, note)


def withdraw(session: Session, job: Job, note: str) -> bool:
    """Give up what was not sent yet, for a locked job; False when the server may have made something of it."""
    attempt = queries.open_attempt(session, job.id)
    if attempt is None:
        return True
    if attempt.state != "intended":
        return False
    release(session, attempt, note)
    return True


def is_live(session: Session, job: Job) -> bool:
    """Whether the server has it, for a locked job."""
    attempt = queries.open_attempt(session, job.id)
    return attempt is not None and attempt.state == "live"


def follows(session: Session, attempt_id: str, remote_id: str) -> bool:
    """Whether this job of a server is the one that the attempt follows."""
    attempt = queries.attempt(session, attempt_id)
    return attempt is not None and attempt.remote_id == remote_id


def request(session: Session, job: Job) -> None:
    """Have what was asked of a job passed on to where it is; its work items are held already."""
    work = Work.FOLLOW_JOB if is_live(session, job) else Work.SUBMIT_JOB
    enqueue(session, work, job.id, project_id=job.project_id)


def wake(session: Session, job_id: str) -> None:
    """Have the job's server asked now how it stands."""
    project_id = session.scalar(select(RemoteAttempt.project_id).where(RemoteAttempt.job_id == job_id).limit(1))
    if project_id is not None:
        enqueue(session, Work.FOLLOW_JOB, job_id, project_id=project_id)


def locked(session: Session, attempt_id: str) -> tuple[Job | None, RemoteAttempt | None]:
    """The job, then its attempt, as they are now, held until the transaction ends."""
    job_id = session.scalar(select(RemoteAttempt.job_id).where(RemoteAttempt.id == attempt_id))
    job = queries.lock(session, job_id) if job_id is not None else None
    return job, queries.attempt(session, attempt_id)


def locked_to_follow(session: Session, attempt_id: str) -> tuple[Job | None, RemoteAttempt | None]:
    """The same, having asked for the job to be followed: work items are locked before jobs."""
    job_id = session.scalar(select(RemoteAttempt.job_id).where(RemoteAttempt.id == attempt_id))
    if job_id is not None:
        wake(session, job_id)
    return locked(session, attempt_id)
