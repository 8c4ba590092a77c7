"""Looking for what a server may have made without saying so: by its key, again and again, before it is sent again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from service.jobs import queries
from service.jobs.operations import remote
from service.jobs.operations.transitions import Line, fail, log
from service.jobs.plans import RemoteJob, RemoteState
from service.jobs.tables import Job, RemoteAttempt
from service.kit.database import database_now
from service.settings import settings

_MAY_LOSE_KEYS = frozenset({"compatible"})
"""Servers of which nobody knows whether they keep metadata, until one was seen to."""


@dataclass(frozen=True, slots=True)
class Search:
    """What may have been made, and must be looked for after `wait`."""

    attempt_id: str
    credential_id: str
    key: str
    wait: timedelta


def search(session: Session, attempt: RemoteAttempt) -> Search:
    """How to look for what an attempt may have made; one whose sender is gone becomes unknown here."""
    if attempt.state == "sending":
        remote.lose(session, attempt)
    due = attempt.next_look_at or database_now(session)
    wait = max(timedelta(0), due - database_now(session))
    return Search(attempt.id, attempt.credential_id, attempt.key, wait)


def best_first(found: Sequence[RemoteJob]) -> list[str]:
    """What goes on or has come to its end before what came to nothing; of two such, the older one."""
    came_to_nothing = {RemoteState.FAILED, RemoteState.CANCELLED}
    last = datetime.max.replace(tzinfo=UTC)
    return [job.id for job in sorted(found, key=lambda job: (job.state in came_to_nothing, job.created_at or last,
                                                             job.id))]


def record_search(session: Session, attempt_id: str, found: list[str]) -> list[str]:
    """What a look for an attempt came to; `found` bears its key, the best first. Returns what is to be cancelled.

    Nothing found, often and long enough, means that nothing was made.
    """
    job, attempt = remote.locked_to_follow(session, attempt_id)
    if job is None or attempt is None or attempt.state != "unknown":
        return []
    candidates = [remote_id for remote_id in found if remote_id not in attempt.discarded]
    if candidates and not job.status.is_terminal:
        remote.adopt(session, job, attempt, candidates[0], f"Found at {job.provider}: {candidates[0]}")
        return remote.discard(session, job, attempt, candidates[1:])
    extra = remote.discard(session, job, attempt, candidates)
    now = database_now(session)
    attempt.looks += 1
    if attempt.looks < settings().remote_looks or now < _settled(attempt):
        attempt.next_look_at = now + remote.interval(attempt.looks)
    else:
        _give_back(session, job, attempt)
    session.flush()
    return extra


def _give_back(session: Session, job: Job, attempt: RemoteAttempt) -> None:
    """Nothing was made, for all that can be found: it may be sent again, but not for ever, and not blindly."""
    is_blind = job.provider in _MAY_LOSE_KEYS and not queries.keeps_keys(session, attempt.credential_id)
    is_wanted = not job.status.is_terminal and job.cancel_requested_at is None
    log(session, job, [Line(f"{job.provider} made nothing of it, for all that its lists say.")])
    if is_wanted and (is_blind or attempt.sends >= settings().remote_sends):
        remote.release(session, attempt, "no answer, and nothing was found")
        why = ("it was never seen to keep the key by which it could be found there" if is_blind else
               f"it was asked {attempt.sends} times")
        fail(session, job, "remote_no_answer", f"{job.provider} gave no answer to the creation of this job, and nothing"
             f" was found of it: {why}. Look at that account for a job with the metadata value {attempt.key}, then"
             " create the job again.", None)
    elif job.status.is_terminal:
        remote.release(session, attempt, "nothing was made, and the job has ended")
    else:
        attempt.state, attempt.next_look_at, attempt.looks = "intended", None, 0


def _settled(attempt: RemoteAttempt) -> datetime:
    return (attempt.sent_at or attempt.created_at) + timedelta(seconds=settings().remote_settle_seconds)
