"""What a server trains under our keys that nobody waits for: found by its key, written down, then cancelled.

Looked at are only jobs that bear this house's mark and a key of this project. Every attempt was written down before
anything was sent for it, so a key without one was lost with a database; what an attempt does not point to is extra.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from service.jobs import queries
from service.jobs.operations import remote, remote_costs
from service.jobs.operations.remote_searching import best_first
from service.jobs.operations.transitions import Line, log
from service.jobs.plans import RemoteJob, RemoteState
from service.jobs.tables import Job, RemoteAttempt
from service.kit.database import database_now
from service.kit.work import Work, enqueue
from service.settings import settings
from service.usage import operations as usage

DAYS = 14
MOST_ENDED = 500
"""So many are cancelled in one sweep, about; the next one goes on."""
MOST_EXTRA = 1000
"""So many are written down of one attempt: a server that shows more makes them up."""
_FILES = 100
"""So many are erased in one sweep."""


def is_ours(seen: RemoteJob, project_id: str, organization_id: str) -> bool:
    return seen.house == organization_id and remote.is_key_of(seen.key, project_id)


def judge(session: Session, project_id: str, organization_id: str, seen: Sequence[RemoteJob]) -> list[str]:
    """Remote ids of what is to be cancelled, of all jobs that a server listed; what was found is written down first."""
    by_key: dict[str, list[RemoteJob]] = defaultdict(list)
    for job in seen:
        if is_ours(job, project_id, organization_id):
            by_key[str(job.key)].append(job)
    known = queries.attempts_by_key(session, list(by_key))
    doomed: list[str] = []
    for key in sorted(by_key, key=lambda key: key not in known):
        if len(doomed) >= MOST_ENDED:
            break
        jobs = by_key[key][:MOST_EXTRA]
        if key not in known:
            doomed += _judge_lost(session, project_id, organization_id, jobs)
        elif not _is_well(known[key], jobs):
            doomed += _judge_attempt(session, known[key].id, jobs)
    return doomed


def _is_well(attempt: RemoteAttempt, jobs: Sequence[RemoteJob]) -> bool:
    """As nearly all are: one job, which is followed, or which has ended as is known or without a cost."""
    if len(jobs) > 1:
        return False
    [job] = jobs
    if job.state.is_end:
        return attempt.remote_id == job.id or not remote_costs.is_paid(job)
    return attempt.state == "live" and attempt.remote_id == job.id


def _judge_lost(session: Session, project_id: str, organization_id: str, jobs: Sequence[RemoteJob]) -> list[str]:
    now = database_now(session)
    doomed = [job.id for job in jobs if not job.state.is_end and _is_old(job.created_at, now)]
    for remote_id in doomed:
        remote.note_cancelled(session, organization_id, project_id, remote_id, job_id=None, key=jobs[0].key)
    return doomed


def _is_old(made: datetime | None, now: datetime) -> bool:
    """Old enough for whoever made it to have written that down; a server that tells no time is taken at its worst."""
    return made is None or now - made >= timedelta(seconds=settings().remote_orphan_seconds)


def _judge_attempt(session: Session, attempt_id: str, jobs: Sequence[RemoteJob]) -> list[str]:
    job, attempt = remote.locked(session, attempt_id)
    if job is None or attempt is None:
        return []
    going = {each.id: each for each in jobs if not each.state.is_end}
    doomed = [remote_id for remote_id in attempt.discarded if remote_id in going]  # written down, not ended yet
    if attempt.state in {"intended", "sending", "unknown"}:
        return doomed  # it is being looked for
    if attempt.state == "live" and not any(each.id == attempt.remote_id for each in jobs):
        return doomed  # what is listed may be the same job under another id: a gateway shows its own, or its server's
    if attempt.state == "live":
        doomed += _keep_oldest(session, job, attempt, jobs)
    now = database_now(session)
    extra = [each.id for each in going.values() if each.id not in attempt.discarded
             and not _counts(attempt, each, now)]
    _book_paid(session, job, attempt, jobs)
    return doomed + remote.discard(session, job, attempt, extra[:max(0, MOST_EXTRA - len(attempt.discarded))])


def _counts(attempt: RemoteAttempt, seen: RemoteJob, now: datetime) -> bool:
    """Whether it is what the attempt follows; what was seen to end may be listed as running for a while yet.

    Without a job that is followed, a young one may be on its way into the books.
    """
    if attempt.state == "live":
        return attempt.remote_id == seen.id
    return not _is_old(attempt.status_since if attempt.remote_id == seen.id else seen.created_at, now)


def _book_paid(session: Session, job: Job, attempt: RemoteAttempt, jobs: Sequence[RemoteJob]) -> None:
    """What was trained beyond the one that counts, before anybody saw it, has cost money: the books say so."""
    paid = [each for each in jobs if each.id != attempt.remote_id and remote_costs.is_paid(each)]
    room = MOST_EXTRA - usage.count_extra(session, job_id=job.id) if paid else 0
    for each in paid[:max(0, room)]:
        if remote_costs.book_extra(session, attempt, job, each):
            log(session, job, [Line(f"{job.provider} trained an extra job for the same request, and it was paid:"
                                    f" {each.id}", level="warn", key=f"paid:{each.id}")])


def _keep_oldest(session: Session, job: Job, attempt: RemoteAttempt, jobs: Sequence[RemoteJob]) -> list[str]:
    """Of two for one key the older is further: it is followed from now on, unless the other has succeeded.

    What was followed until now is then the one to cancel.
    """
    followed = next((each for each in jobs if each.id == attempt.remote_id), None)
    if followed is None or followed.state is RemoteState.SUCCEEDED or job.status.is_terminal:
        return []
    useful = [each for each in jobs if each.id not in attempt.discarded
              and each.state not in {RemoteState.FAILED, RemoteState.CANCELLED}]
    best = next(iter(best_first(useful)), followed.id)
    if best == followed.id:
        return []
    attempt.remote_id, attempt.remote_status, attempt.followed_until = best, None, None
    attempt.next_follow_at = database_now(session)
    session.flush()
    log(session, job, [Line(f"Two jobs at {job.provider} are the same; the older one is followed: {best}",
                            level="warn", key=f"remote:{best}")])
    return remote.discard(session, job, attempt, [] if followed.state.is_end else [followed.id])


def horizon(session: Session) -> datetime:
    """What was made earlier is not looked at."""
    return database_now(session) - timedelta(days=DAYS)


def next_sweep(session: Session, credential_id: str) -> timedelta | None:
    """When to sweep again; never, when nothing was sent with the credential for long."""
    last = queries.last_attempt_at(session, credential_id)
    if last is None or database_now(session) - last > timedelta(days=DAYS):
        return None
    return timedelta(seconds=settings().remote_sweep_seconds)


def abandoned_files(session: Session, credential_id: str) -> list[tuple[str, str]]:
    """Files that are deleted here and still lie at the server: their ids here and there."""
    rows = queries.abandoned_files(session, credential_id, _FILES)
    return [(row.file_id, row.remote_file_id) for row in rows if row.remote_file_id is not None]


def note_erased(session: Session, file_id: str, credential_id: str) -> None:
    row = queries.remote_file(session, file_id, credential_id)
    if row is not None:
        row.state, row.remote_file_id = "gone", None
        session.flush()


def wake_unsent(session: Session, project_id: str, credential_id: str) -> None:
    """Have it seen to that no attempt is left where its worker gave it up."""
    for job_id in queries.unsent(session, credential_id):
        enqueue(session, Work.SUBMIT_JOB, job_id, project_id=project_id)
