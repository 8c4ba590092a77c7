"""Erases bytes that nobody needs any more: of deleted and expired files, and of uploads that are closed."""

from datetime import timedelta

from service.datasets import operations as datasets
from service.files import operations as files
from service.files.contents import upload_prefix
from service.kit.storage import StorageUnavailable, storage
from service.kit.work import Work
from worker.app import Running, Transient, task, unit_of_work


@task(Work.ERASE_OBJECT)
def erase(running: Running) -> timedelta | None:
    """Erase a file that is deleted, expired, or was never finished, with all that reading it told.

    One that expires later is waited for. A subject that ends in "/" is no file's id but a prefix, such as a deleted
    model's, and all under it goes.
    """
    claim = running.claim
    if claim.subject.endswith("/"):
        _erase_prefix(claim.subject)
        return None
    with unit_of_work(claim) as session:
        key, wait = files.retire(session, claim.subject, project_id=claim.project_id)
        if key is not None:
            datasets.forget(session, claim.subject)
    if key is not None:
        try:
            storage().delete(key)
        except StorageUnavailable as unavailable:
            raise Transient(unavailable.message) from unavailable
        _erase_prefix(datasets.analysis_prefix(claim.project_id, claim.subject))
    return wait


@task(Work.EXPIRE_UPLOAD)
def expire_upload(running: Running) -> timedelta | None:
    """Close an upload whose time is up, and erase the parts of one that is closed."""
    claim = running.claim
    with unit_of_work(claim) as session:
        wait = files.expire_upload(session, claim.subject)
    if wait is None:
        _erase_prefix(upload_prefix(claim.project_id, claim.subject))
    return wait


def _erase_prefix(prefix: str) -> None:
    try:
        storage().delete_prefix(prefix)
    except StorageUnavailable as unavailable:
        raise Transient(unavailable.message) from unavailable
