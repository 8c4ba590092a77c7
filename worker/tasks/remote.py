"""Carries jobs to servers that train for money, and brings back what becomes of them; never pays twice.

Every request is made outside of transactions, and only with a state committed before from which its loss is found
out: see service/jobs/operations/remote.py. Trouble with a server costs no tries: its jobs wait until it is over.
"""

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

from sqlalchemy.orm import Session

from service.credentials import operations as credentials
from service.credentials.errors import CredentialNotFound
from service.jobs.operations import remote, remote_files, remote_following, remote_submitting
from service.jobs.operations.remote import Search
from service.jobs.operations.remote_files import FileToSend
from service.jobs.operations.remote_following import Duty
from service.jobs.operations.remote_submitting import Submission
from service.jobs.plans import RemoteJob, RemoteOrder
from service.kit.database import Scope, transaction
from service.kit.encryption import EncryptionUnavailable
from service.kit.storage import ObjectMissing
from service.kit.work import Claim, LeaseLost, Work
from service.settings import settings
from worker.app import Running, Transient, task, unit_of_work
from worker.providers.opening import open_remote
from worker.providers.remote import AccessRefused, Ambiguous, Gone, Refused, Remote, RemoteError, Unavailable
from worker.providers.remote import UploadProgress as Progress
from worker.tasks.remote_results import bring_results
from worker.tasks.remote_sources import StoredSource

_log = logging.getLogger(__name__)
Item = TypeVar("Item")
_TROUBLE_SECONDS = 20.0
_REFUSED_SECONDS = 300.0
"""A credential that is refused is seldom taken again a moment later."""
_LONGEST_SECONDS = 3600.0


class Unreachable(Exception):
    """The server cannot be asked now; `wait` is how long it is left alone, and the message is for the job's log.

    `reason` is what the server itself said: told with the message, once for each message.
    """

    def __init__(self, message: str, wait: timedelta, reason: str = "") -> None:
        super().__init__(message)
        self.wait, self.reason = wait, reason


class LockedOut(Exception):
    """The credential was deleted, for good: nobody can ask its server about its jobs any more."""


@contextmanager
def reaching(running: Running, credential_id: str) -> Iterator[Remote]:
    """The server that a credential opens. Raises LockedOut, and Unreachable for what is not the job's fault."""
    try:
        with unit_of_work(running.claim) as session:
            opened = credentials.open_credential(session, credential_id)
    except CredentialNotFound:
        raise LockedOut(credential_id) from None
    except EncryptionUnavailable as locked:
        raise Unreachable(f"Its credential cannot be read now: {locked}", _soon(_TROUBLE_SECONDS)) from None
    try:
        server = open_remote(opened)
        try:
            yield server
        finally:
            server.close()
    except AccessRefused as refused:
        with unit_of_work(running.claim) as session:
            credentials.failing(session, credential_id, str(refused))
        raise Unreachable("Its server refuses the credential: update it, and the job goes on.",
                          _soon(_REFUSED_SECONDS), str(refused)) from refused
    except Unavailable as trouble:
        raise Unreachable("Its server does not take requests now; it is asked again.",
                          _soon(trouble.retry_after or _TROUBLE_SECONDS), str(trouble)) from trouble


def _soon(seconds: float) -> timedelta:
    """Spread, so that jobs which failed together do not return together."""
    return timedelta(seconds=min(max(seconds, 0.0), _LONGEST_SECONDS) * random.uniform(1.0, 1.3))  # noqa: S311


def _wait(running: Running, attempt_id: str, trouble: Unreachable | LockedOut) -> timedelta | None:
    """Tell why nothing happens; how long to wait, if there is anything to wait for."""
    with unit_of_work(running.claim) as session:
        if isinstance(trouble, LockedOut):
            remote_submitting.record_locked_out(session, attempt_id)
            return None
        remote_submitting.record_waiting(session, attempt_id, str(trouble), trouble.reason)
    return trouble.wait


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
    except (Unreachable, LockedOut) as trouble:
        return _wait(running, step.attempt_id, trouble)


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
            extra = remote.record_search(session, step.attempt_id, remote.best_first(found))
        for remote_id in extra:
            cancel_extra(server, remote_id)
    return timedelta(0)


def cancel_extra(server: Remote, remote_id: str) -> None:
    """End what nobody waits for. It is written down as to be cancelled: a sweep does what fails here."""
    try:
        server.cancel(remote_id)
    except RemoteError as trouble:
        _log.warning("job %s at its server is not cancelled yet: %s", remote_id, trouble)


def _send(running: Running, step: Submission) -> timedelta | None:
    with reaching(running, step.credential_id) as server:
        try:
            was_there, order = _with_files(running, server, step)
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
            remote.record_made(session, step.attempt_id, made.id)
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


# -- files -----------------------------------------------------------------------------------------------------

def _with_files(running: Running, server: Remote, step: Submission) -> tuple[bool, RemoteOrder]:
    """The order with every file at the server, and whether any was there before."""
    ids: dict[str, str] = {}
    was_there = False
    for file in step.files:
        with unit_of_work(running.claim) as session:
            begun = remote_files.sent(session, file, step.credential_id)
        was_there = was_there or begun.file_id is not None
        ids[file.param] = begun.file_id or _upload(running, server, step, file, Progress(begun.upload_id,
                                                                                       begun.part_ids))
    return was_there, step.with_files(ids)


def _upload(running: Running, server: Remote, step: Submission, file: FileToSend, begun: Progress) -> str:
    """Send a file, part by part; each is written down before the next. Its id at the server."""
    try:
        for progress in server.upload(StoredSource(file.object_key, file.filename, file.size), begun):
            running.advance(f"{file.file_id}:{len(progress.part_ids)}")
            with unit_of_work(running.claim) as session:
                remote_files.note_sent(session, file.file_id, step.credential_id, upload_id=progress.upload_id,
                                       part_ids=progress.part_ids, remote_file_id=progress.file_id)
            if progress.file_id is not None:
                return progress.file_id
    except Gone as expired:
        with unit_of_work(running.claim) as session:
            remote_files.forget(session, file.file_id, step.credential_id)
        raise Transient(f"The upload of {file.file_id} expired at its server; it is sent anew.") from expired
    except ObjectMissing:
        raise Refused(f"deleted_{file.param}", f"The bytes of {file.file_id} are gone. Upload it again and create the"
                      " job again.", file.param) from None
    except Ambiguous as lost:  # buys nothing, so it may be tried again
        raise Transient(f"The upload of {file.file_id} got no answer: {lost}") from lost
    raise Transient(f"The upload of {file.file_id} ended without an id.")


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
            return _ask(running, server, duty)
    except (Unreachable, LockedOut) as trouble:
        return _wait(running, duty.attempt_id, trouble)


def _ask(running: Running, server: Remote, duty: Duty) -> timedelta | None:
    """Its state first, then its log: so the log of a job that has ended is whole.

    Whether the server has the job at all is for the job itself to say: some servers know fewer verbs than others.
    """
    unknown = _pass_on(running, server, duty)
    try:
        seen = server.retrieve(duty.remote_id)
    except Gone:
        with unit_of_work(running.claim) as session:
            return remote_following.record_missing(session, duty.attempt_id)
    except (Ambiguous, Refused) as odd:
        raise Unavailable(str(odd)) from odd
    running.advance(f"{duty.remote_id}:{seen.status}")
    if unknown is not None:
        _tell_unknown(running, duty, unknown)
    lines = _if_kept(lambda: server.events(duty.remote_id, until=duty.until))
    checkpoints = _if_kept(lambda: server.checkpoints(duty.remote_id))
    results = bring_results(running, server, duty, seen)
    with unit_of_work(running.claim) as session:
        return remote_following.record_followed(session, duty.attempt_id, seen, lines=lines, checkpoints=checkpoints,
                                                result_files=results)


def _if_kept(ask: Callable[[], tuple[Item, ...]]) -> tuple[Item, ...]:
    """What a server keeps beside a job; of one that keeps no such thing, nothing."""
    try:
        return ask()
    except (Gone, Refused) as unknown:
        _log.info("a server keeps none: %s", unknown)
        return ()
    except Ambiguous as odd:
        raise Unavailable(str(odd)) from odd


def _pass_on(running: Running, server: Remote, duty: Duty) -> Gone | None:
    """What was asked of the job here. A second time it does no harm: what the server says of it decides.

    Returns what it said where it knows nothing of the job, or nothing of what was asked.
    """
    if duty.wish is None:
        return None
    try:
        {"cancel": server.cancel, "pause": server.pause, "resume": server.resume}[duty.wish](duty.remote_id)
    except Gone as unknown:
        return unknown
    except Refused as refused:
        with unit_of_work(running.claim) as session:
            remote_following.record_refusal(session, duty.attempt_id, duty.wish, str(refused))
    except Ambiguous as lost:
        _log.warning("%s of %s got no answer: %s", duty.wish, duty.remote_id, lost)
    return None


def _tell_unknown(running: Running, duty: Duty, unknown: Gone) -> None:
    """It has the job, but did not do what was asked. A cancel is asked for again: a job that goes on costs money."""
    with unit_of_work(running.claim) as session:
        if duty.wish in {"pause", "resume"}:
            remote_following.record_refusal(session, duty.attempt_id, duty.wish, str(unknown))
        else:
            why = "The cancel does not reach the job at its server; it is asked for again."
            remote_submitting.record_waiting(session, duty.attempt_id, why, str(unknown))
