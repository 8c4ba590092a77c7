"""Deleting credentials: refused while a server may train for one, for without it nobody here could end that.

The credential's row is locked first, and whoever is about to send a job holds it too: so no job is sent unseen.
"""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.credentials import operations as credentials
from service.credentials import queries as credential_queries
from service.credentials.errors import CredentialInUse
from service.credentials.schemas import DeletedCredential
from service.credentials.tables import Credential
from service.jobs import queries
from service.jobs.tables import RemoteAttempt
from service.kit.database import DISPATCH, Scope, within

_NAMED = 5
_LISTED = 100


@dataclass(frozen=True, slots=True)
class Left:
    """What a server has of ours that is reached with one credential: project and id of jobs, its names of files."""

    jobs: list[tuple[str, str]]
    files: list[str]


def delete_credential(session: Session, credential_id: str, *, force: bool, by: str) -> DeletedCredential:
    """Delete one of the project's. Raises CredentialNotFound, SharedCredential, or without `force` CredentialInUse."""
    row = credential_queries.own_credential(session, credential_id, lock=True)
    left = Left(list(queries.at_servers(session, row.id)), list(queries.copies(session, row.id)))
    return _delete(session, row, left, _few([job_id for _, job_id in left.jobs]), force=force, by=by)


def delete_shared_credential(session: Session, credential_id: str, *, force: bool, by: str) -> DeletedCredential:
    """Delete one of the organization's, for an administrator. Raises as the other does."""
    row = credential_queries.shared_credential(session, credential_id, lock=True)
    left = _left_of_all(session, row.id)
    projects = list(dict.fromkeys(project_id for project_id, _ in left.jobs))
    return _delete(session, row, left, "of " + _few(projects), force=force, by=by)


def _left_of_all(session: Session, credential_id: str) -> Left:
    """In every project that trained with it, which an administrator's own walls hide."""
    with within(session, DISPATCH):
        jobs = queries.at_servers(session, credential_id)
        used_by = session.scalars(select(RemoteAttempt.project_id).where(
            RemoteAttempt.credential_id == credential_id).distinct()).all()
    files: list[str] = []
    for project_id in sorted(used_by):
        with within(session, Scope.project(project_id)):
            files += queries.copies(session, credential_id)
    return Left(list(jobs), files)


def _few(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _delete(session: Session, row: Credential, left: Left, which: str, *, force: bool, by: str) -> DeletedCredential:
    if left.jobs and not force:
        raise CredentialInUse(row.name, len(left.jobs), which)
    told = {"jobs_left": len(left.jobs), "files_left": len(left.files), "remote_file_ids": left.files[:_LISTED]}
    credentials.delete(session, row, by=by, left=told | {"force": force})
    return DeletedCredential.model_validate(told | {"id": row.id})
