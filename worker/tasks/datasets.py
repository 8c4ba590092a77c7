"""Reads files that were uploaded for training, line by line, and records what is wrong with them."""

from sqlalchemy.orm import Session

from service.datasets import operations as datasets
from service.datasets.validation.examination import examine
from service.files import operations as files
from service.files import queries as file_queries
from service.kit.storage import ObjectMissing, StorageUnavailable, storage
from service.kit.work import Claim, Work
from worker.app import Running, Transient, task, unit_of_work

_LOST = "The bytes of this file are gone from the object store. Upload it again."


@task(Work.VALIDATE_FILE)
def validate(running: Running) -> None:
    """Read one file to its end; reading it twice records the same."""
    claim = running.claim
    with unit_of_work(claim) as session:
        file = file_queries.find(session, claim.subject)
    if file is None:  # deleted meanwhile
        return
    try:
        seen = examine(storage().read(file.object_key), running.advance)
    except ObjectMissing:
        with unit_of_work(claim) as session:
            files.mark_validated(session, file.id, problem=_LOST)
        return
    except StorageUnavailable as unavailable:
        raise Transient(unavailable.message) from unavailable
    with unit_of_work(claim) as session:
        datasets.record_report(session, file.id, seen, project_id=claim.project_id)


@validate.abandoned
def _cannot_be_read(session: Session, claim: Claim, cause: str) -> None:
    files.mark_validated(session, claim.subject, problem=f"The file could not be validated: {cause}")
