"""Carries jobs to servers that train for money, and brings back what becomes of them; never pays twice.

Every request is made outside of transactions, and only with a state committed before from which its loss is found
out: see service/jobs/operations/remote.py. Trouble with a server costs no tries: its jobs wait until it is over.
"""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from sqlalchemy.orm import Session

from service.jobs.operations import (
    remote,
    remote_files,
    remote_following,
    remote_searching,
    remote_submitting,
    remote_sweeping,
)
from service.jobs.operations.remote_following import Duty
from service.jobs.operations.remote_searching import Search
from service.jobs.operations.remote_submitting import Submission
from service.jobs.plans import RemoteJob, RemoteOrder
from service.kit.database import Scope, transaction
from service.kit.work import Claim, LeaseLost, Work
from service.settings import settings
from worker.app import Running, task, unit_of_work
from worker.providers.remote import AccessRefused, Ambiguous, Gone, Refused, Remote, RemoteError, Unavailable
from worker.tasks.remote_reaching import Unreachable, cancel_extra, reaching, wait
from worker.tasks.remote_results import bring_results
from worker.tasks.remote_uploads import with_files

_log = logging.getLogger(__name__)
Told = TypeVar("Told")
_NEWEST = 100
_WITHOUT_TWINS = frozenset({"bedrock"})
"""A key names one job there, however often it is ordered; and to list jobs costs a request for each that runs."""
_TWINS_PAUSE = timedelta(seconds=2)


# -- sending ---------------------------------------------------------------------------------------------------

@task(Work.SUBMIT_JOB)
def submit(running: Running) -> timedelta | None:
    """Send a queued job to its server, or find out what became of a request that got no answer."""
    with unit_of_work(running.claim) as session:
        step = remote_submitting.next_step(session, running.claim.subject)
    if step is None:
        return None
    if isinstance(step, Search) and step.wait > timedelta(0):
        return step.wait
    try:
        return _look(running, step) if isinstance(step, Search) else _send(running, step)
    except Unreachable as trouble:
        return wait(running, step.attempt_id, trouble)


@submit.abandoned
def give_up(session: Session, claim: Claim, cause: str) -> None:
    _log.error("job %s is not sent: %s", claim.subject, cause)
    remote_submitting.record_given_up(session, claim.subject)


def _look(running: Running, step: Search) -> timedelta:
    """Look for what may have been made, and keep the best of it."""
    with reaching(running, step.credential_id) as server:
        try:
            found = server.find(step.key)
        except (Ambiguous, Refused, Gone) as odd:  # an answer that says neither yes nor no
            raise Unavailable(str(odd)) from odd
        with unit_of_work(running.claim) as session:
            extra = remote_searching.record_search(session, step.attempt_id,
                                                   remote_searching.best_first(found))
        for remote_id in extra:
            cancel_extra(server, remote_id)
    return timedelta(0)


def _send(running: Running, step: Submission) -> timedelta | None:
    with reaching(running, step.credential_id) as server:
        try:
            was_there, order = with_files(running, server, step)
        except Refused as refused:
            _fail(running, step, refused)
            return None
        with unit_of_work(running.claim) as session:
            if not remote.mark_sending(session, step.attempt_id):
                return timedelta(0)
        since = time.monotonic()
        running.advance("sending")
        return _create(running, server, step, order, since=since, may_resend=was_there)


def _create(running: Running, server: Remote, step: Submission, order: RemoteOrder, *, since: float,
            may_resend: bool) -> timedelta | None:
    """The one request that may cost money. Whatever comes of it is written down; if not, it is looked for."""
    if time.monotonic() - since > settings().lease_seconds:
        raise LeaseLost(f"{running.claim.subject}: stood still before it was sent")
    try:
        made = server.create(order)
    except Refused as refused:
        if may_resend and refused.param in {"training_file", "validation_file"}:
            return _send_files_again(running, step)
        _fail(running, step, refused)
        return None
    except (Unavailable, AccessRefused):
        with unit_of_work(running.claim) as session:
            remote.record_not_made(session, step.attempt_id)
        raise
    except (Ambiguous, Gone) as lost:
        _log.warning("job %s: no answer to its creation: %s", step.order.job_id, lost)
        with unit_of_work(running.claim) as session:
            return remote.record_ambiguous(session, step.attempt_id)
    _keep(running, server, step, made)
    return None


def _keep(running: Running, server: Remote, step: Submission, made: RemoteJob) -> None:
    """Write down what was made. A worker that was replaced meanwhile gives it to its successor, or ends it."""
    try:
        with unit_of_work(running.claim) as session:
            remote.record_made(session, step.attempt_id, made)
    except LeaseLost:
        with transaction(Scope.project(running.claim.project_id)) as session:
            is_extra = remote.record_stray(session, step.attempt_id, made.id)
        if is_extra:
            cancel_extra(server, made.id)
        raise


def _fail(running: Running, step: Submission, refused: Refused) -> None:
    with unit_of_work(running.claim) as session:
        remote_submitting.record_refused(session, step.attempt_id, refused.code, str(refused), refused.param)


def _send_files_again(running: Running, step: Submission) -> timedelta:
    """Files that were at the server already may be gone there: once, they are not taken for granted."""
    with unit_of_work(running.claim) as session:
        for file in step.files:
            remote_files.forget(session, file.file_id, step.credential_id)
        remote.record_not_made(session, step.attempt_id)
    return timedelta(0)


# -- following -------------------------------------------------------------------------------------------------

@task(Work.FOLLOW_JOB)
def follow(running: Running) -> timedelta | None:
    """Pass on what was asked of a job, and bring home what its server says of it."""
    with unit_of_work(running.claim) as session:
        duty = remote_following.duty(session, running.claim.subject)
    if duty is None:
        return None
    try:
        with reaching(running, duty.credential_id) as server:
            found, is_another = _end_twins(running, server, duty) if duty.is_young else (False, False)
            if is_another:
                return _TWINS_PAUSE
            again = _ask(running, server, duty)
            return _TWINS_PAUSE if found else again
    except Unreachable as trouble:
        return wait(running, duty.attempt_id, trouble)


def _ask(running: Running, server: Remote, duty: Duty) -> timedelta | None:
    """Its state first, then its log: so the log of a job that has ended is whole."""
    try:
        _pass_on(running, server, duty)
        seen = server.retrieve(duty.remote_id)
        running.advance(f"{duty.remote_id}:{seen.status}")
    except Gone:
        with unit_of_work(running.claim) as session:
            return remote_following.record_missing(session, duty.attempt_id)
    except (Ambiguous, Refused) as odd:
        raise Unavailable(str(odd)) from odd
    lines = _if_told(lambda: server.events(duty.remote_id, until=duty.until))
    checkpoints = _if_told(lambda: server.checkpoints(duty.remote_id))
    results = bring_results(running, server, duty, seen)
    with unit_of_work(running.claim) as session:
        return remote_following.record_followed(session, duty.attempt_id, seen, lines=lines, checkpoints=checkpoints,
                                                result_files=results)


def _end_twins(running: Running, server: Remote, duty: Duty) -> tuple[bool, bool]:
    """Cancel what else was made under the job's key, while it still waits: a box in between may repeat our request.

    A look at the newest page; what it does not show is found by a sweep. Returns whether anything was found, and
    whether another one than the duty's is followed now: else that is followed all the same, however long twins take.
    """
    if not settings().remote_sweep or duty.provider in _WITHOUT_TWINS:
        return False, False
    try:
        newest = server.jobs(limit=_NEWEST).items[:_NEWEST]
    except RemoteError as trouble:
        _log.info("no look for twins of %s: %s", duty.remote_id, trouble)
        return False, False
    same = [job for job in newest if job.key == duty.key]
    if all(job.id == duty.remote_id for job in same):
        return False, False
    with unit_of_work(running.claim) as session:
        doomed = remote_sweeping.judge(session, running.claim.project_id, duty.house, same)
        is_another = not remote.follows(session, duty.attempt_id, duty.remote_id)
    for remote_id in doomed:
        running.advance(f"cancel:{remote_id}")
        cancel_extra(server, remote_id)
    return bool(doomed), is_another


def _if_told(ask: Callable[[], tuple[Told, ...]]) -> tuple[Told, ...]:
    """What not every server tells: nothing, where it is not told."""
    try:
        return ask()
    except (Refused, Gone) as untold:
        _log.info("not told: %s", untold)
        return ()
    except Ambiguous as odd:
        raise Unavailable(str(odd)) from odd


def _pass_on(running: Running, server: Remote, duty: Duty) -> None:
    """What was asked of the job here. A second time it does no harm: what the server says of it decides."""
    if duty.wish is None:
        return
    try:
        {"cancel": server.cancel, "pause": server.pause, "resume": server.resume}[duty.wish](duty.remote_id)
    except Refused as refused:
        with unit_of_work(running.claim) as session:
            remote_following.record_refusal(session, duty.attempt_id, duty.wish, str(refused))
    except (Ambiguous, Gone) as lost:  # what it says of the job next tells more
        _log.warning("%s of %s got no answer: %s", duty.wish, duty.remote_id, lost)
