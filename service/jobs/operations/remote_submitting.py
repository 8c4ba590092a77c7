"""What is next for a job that a server is to train: sent, looked for, or neither."""

import dataclasses
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from service.catalog import operations as catalog
from service.catalog.base_models import BaseModelEntry
from service.catalog.errors import ModelNotFound
from service.jobs import queries
from service.jobs.operations import remote
from service.jobs.operations.remote import Search
from service.jobs.operations.remote_files import FileToSend
from service.jobs.operations.remote_words import plain
from service.jobs.operations.transitions import Line, fail, log, move
from service.jobs.plans import RemoteOrder
from service.jobs.states import JobStatus
from service.jobs.tables import Job, RemoteAttempt
from service.kit.database import database_now
from service.kit.schemas import JSONObject
from service.kit.work import Work, enqueue
from service.settings import settings


@dataclass(frozen=True, slots=True)
class Submission:
    """An attempt that may be sent once its files are at the server."""

    attempt_id: str
    credential_id: str
    files: tuple[FileToSend, ...]
    order: RemoteOrder
    "With our ids in the place of the server's ids of files."

    def with_files(self, remote_ids: dict[str, str]) -> RemoteOrder:
        """The order with the server's ids of files, by the parameter that each is for."""
        return dataclasses.replace(self.order, training_file=remote_ids["training_file"],
                                   validation_file=remote_ids.get("validation_file"))


def next_step(session: Session, job_id: str) -> Submission | Search | None:
    """What SUBMIT_JOB has to do; None when there is nothing. A stop that was asked for before is granted here."""
    job = queries.lock(session, job_id)
    attempt = queries.open_attempt(session, job_id) if job is not None else None
    if job is None or (attempt is not None and attempt.state == "live"):
        return None
    if attempt is not None and attempt.state != "intended":
        return remote.search(session, attempt)
    if job.status is not JobStatus.QUEUED:
        if attempt is not None:
            remote.release(session, attempt, f"the job is {job.status}")
        return None
    return None if _stops(session, job) else _submission(session, job, attempt)


def _stops(session: Session, job: Job) -> bool:
    """Grant a stop; the job was not sent."""
    if queries.is_archived(session, job.project_id):
        to, why = JobStatus.CANCELLED, Line("The job was cancelled: its project is archived", key="cancelled")
    elif job.cancel_requested_at is not None:
        to, why = JobStatus.CANCELLED, Line("The job was cancelled", key="cancelled")
    elif job.pause_requested_at is not None:
        to, why = JobStatus.PAUSED, Line("The job was paused")
    else:
        return False
    remote.withdraw(session, job, f"the job is {to} before it was sent")
    move(session, job, to, why)
    return True


def _submission(session: Session, job: Job, attempt: RemoteAttempt | None) -> Submission | None:
    """Everything that the server must be told; None after failing the job because something is gone."""
    files = [_file(session, job, param) for param in ("training_file", "validation_file") if getattr(job, param)]
    if None in files:
        return None
    try:
        model = catalog.resolve(session, job.model)
    except ModelNotFound:
        _fail(session, job, "model_not_found", f"The model {job.model}, from which this job was to go on, was deleted.",
              "model")
        return None
    if job.credential_id is None:
        _fail(session, job, "no_credential", "The job has no credential to pay with. Create it again.", "credential")
        return None
    if attempt is None:
        attempt = remote.intend(session, job, job.credential_id)
        sweep_later(session, job.project_id, job.credential_id)
    order = RemoteOrder(
        job_id=job.id, key=attempt.key, house=job.organization_id, model=model.remote_name or server_name(model.base),
        training_file=job.training_file, validation_file=job.validation_file, method=_method(job), suffix=job.suffix,
        seed=job.seed, metadata={str(name): str(value) for name, value in (job.metadata_ or {}).items()})
    return Submission(attempt.id, attempt.credential_id, tuple(file for file in files if file is not None), order)


def _file(session: Session, job: Job, param: str) -> FileToSend | None:
    file_id = getattr(job, param)
    file = queries.usable_file(session, file_id)
    if file is None:
        _fail(session, job, f"deleted_{param}", f"The {param.replace('_', ' ')} {file_id} was deleted or expired before"
              " it could be sent. Upload it again and create the job again.", param)
        return None
    return FileToSend(param=param, file_id=file.id, project_id=file.project_id, object_key=file.object_key,
                      filename=file.filename, size=file.bytes, sha256=file.sha256)


def _fail(session: Session, job: Job, code: str, message: str, param: str | None) -> None:
    if not job.status.is_terminal:
        remote.withdraw(session, job, code)
        fail(session, job, code, message, param)


def server_name(base: BaseModelEntry) -> str:
    """What the server calls a base model; ours may have the provider's or the credential's name before it."""
    return base.id.partition("/")[2] or base.id


def _method(job: Job) -> JSONObject:
    """As the wire has it, without what only this house knows."""
    kind: str = job.method["type"]
    return {"type": kind, kind: {name: value for name, value in job.method[kind].items() if name != "tuning"}}


def sweep_later(session: Session, project_id: str, credential_id: str) -> None:
    """Have it looked, from now and then on, whether the server trains anything that nobody waits for."""
    later = database_now(session) + timedelta(seconds=settings().remote_sweep_seconds)
    enqueue(session, Work.SWEEP_CREDENTIAL, credential_id, project_id=project_id, run_at=later)


def record_refused(session: Session, attempt_id: str, code: str, message: str, param: str | None) -> None:
    """The server said no and made nothing: so the job fails, in its words."""
    job, attempt = remote.locked(session, attempt_id)
    if job is None or attempt is None or attempt.state not in {"intended", "sending"}:
        return
    remote.release(session, attempt, f"refused: {code}")
    if not job.status.is_terminal:
        fail(session, job, code, message, param)


def record_waiting(session: Session, attempt_id: str, why: str, told: str = "") -> None:
    """Tell, once for each reason, why a job is not sent or followed yet, with what its server told first."""
    job, attempt = remote.locked(session, attempt_id)
    if job is not None and attempt is not None and not job.status.is_terminal:
        words = f"{why} It says: {plain(told, 500)}" if told else why
        log(session, job, [Line(words, key=f"waiting:{attempt.id}:{why}"[:200], level="warn")])


def record_locked_out(session: Session, attempt_id: str) -> None:
    """Its credential was deleted, so nobody can ask after it any more: it ends here, whatever becomes of it there."""
    job, attempt = remote.locked(session, attempt_id)
    if job is None or attempt is None or attempt.state in {"ended", "released"}:
        return
    was_sent = attempt.state != "intended"
    attempt.next_follow_at = None
    remote.release(session, attempt, "its credential was deleted; what it cost, if anything, is not known here")
    if not job.status.is_terminal:
        there = f" as {attempt.remote_id}" if attempt.remote_id else ""
        still = f" {job.provider} may train it{there} and charge for it: look at that account." if was_sent else ""
        fail(session, job, "credential_deleted", f"The credential that pays for the job was deleted.{still} Create the"
             " job again with another credential.", "credential")


def record_given_up(session: Session, job_id: str) -> None:
    """The tries are spent. A job of which the server has nothing fails; one that may be there is still looked for."""
    job = queries.lock(session, job_id)
    attempt = queries.open_attempt(session, job_id) if job is not None else None
    if job is None or (attempt is not None and attempt.state == "live"):
        return
    if attempt is not None and attempt.state != "intended":
        remote.search(session, attempt)  # by the sweep of its credential, which asks for this again
        return
    _fail(session, job, "server_error", "The job could not be sent: it was tried several times and each try was cut"
          " short. Create it again; if that fails too, ask your platform team.", None)
