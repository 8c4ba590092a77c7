"""Deleting credentials: refused while a server may train for one, for without it nobody here could end that.

Work items of its jobs are locked first, then the credential, as a worker does who is about to send a job: so no job is
sent unseen. Jobs that wait for the credential wait no longer: they end, each with its reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.orm import Session

from service.catalog import queries as catalog_queries
from service.credentials import operations as credentials
from service.credentials import queries as credential_queries
from service.credentials.errors import CredentialInUse
from service.credentials.schemas import DeletedCredential
from service.credentials.tables import Credential
from service.jobs import queries
from service.jobs.queries import OpenAttempt
from service.kit.database import DISPATCH, Scope, within
from service.kit.work import Work, enqueue_all
from service.tenants import queries as tenants

_NAMED = 5
_LISTED = 100


@dataclass(slots=True)
class Left:
    """What a server has of ours that is reached with one credential: jobs, its names of files, how many models."""

    jobs: list[OpenAttempt] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    models: int = 0


def delete_credential(session: Session, credential_id: str, *, force: bool, by: str) -> DeletedCredential:
    """Delete one of the project's. Raises CredentialNotFound, SharedCredential, or without `force` CredentialInUse."""
    credential_queries.own_credential(session, credential_id)
    _wake(session, queries.open_attempts(session, credential_id))
    row = credential_queries.own_credential(session, credential_id, lock=True)
    left = Left([each for each in queries.open_attempts(session, row.id) if each.is_at_server])
    _add_copies(session, left, row.id)
    return _delete(session, row, left, _few([job.job_id for job in left.jobs]), force=force, by=by)


def delete_shared_credential(session: Session, credential_id: str, *, force: bool, by: str) -> DeletedCredential:
    """Delete one of the organization's, for an administrator. Raises as the other does."""
    credential_queries.shared_credential(session, credential_id)
    _wake_all(session, credential_id)
    row = credential_queries.shared_credential(session, credential_id, lock=True)
    left = _left_of_all(session, row.id)
    projects = list(dict.fromkeys(job.project_id for job in left.jobs))
    return _delete(session, row, left, "of " + _few(projects), force=force, by=by)


def _wake(session: Session, attempts: Sequence[OpenAttempt]) -> None:
    """Those of one project, whose workers find the credential gone."""
    for kind, is_live in ((Work.FOLLOW_JOB, True), (Work.SUBMIT_JOB, False)):
        jobs = [each for each in attempts if (each.state == "live") is is_live]
        if jobs:
            enqueue_all(session, kind, [each.job_id for each in jobs], project_id=jobs[0].project_id)


def _wake_all(session: Session, credential_id: str) -> None:
    with within(session, DISPATCH):
        attempts = queries.open_attempts(session, credential_id)
    for project_id in sorted({each.project_id for each in attempts}):
        with within(session, Scope.project(project_id)):
            _wake(session, [each for each in attempts if each.project_id == project_id])


def _left_of_all(session: Session, credential_id: str) -> Left:
    """In every project of the organization, whose rows an administrator's own walls hide."""
    projects = tenants.project_ids(session)
    with within(session, DISPATCH):
        left = Left([each for each in queries.open_attempts(session, credential_id) if each.is_at_server])
    for project_id in projects:
        with within(session, Scope.project(project_id)):
            _add_copies(session, left, credential_id)
    return left


def _add_copies(session: Session, left: Left, credential_id: str) -> None:
    left.files += queries.copies(session, credential_id)
    left.models += catalog_queries.led_to(session, credential_id)


def _few(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _delete(session: Session, row: Credential, left: Left, which: str, *, force: bool, by: str) -> DeletedCredential:
    if left.jobs and not force:
        raise CredentialInUse(row.name, len(left.jobs), which)
    there = [job.remote_id for job in left.jobs if job.remote_id is not None]
    told = {"jobs_left": len(left.jobs), "remote_job_ids": there[:_LISTED], "files_left": len(left.files),
            "remote_file_ids": left.files[:_LISTED], "models_left": left.models}
    credentials.delete(session, row, by=by, left=told | {"force": force})
    return DeletedCredential.model_validate(told | {"id": row.id})
