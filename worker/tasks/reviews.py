"""Chooses the examples that a review puts before people."""

import tempfile
from datetime import timedelta
from typing import IO

from sqlalchemy.orm import Session

from service.datasets.analysis.suspicion import NoColumns, load, suspects
from service.datasets.operations import reviews
from service.datasets.operations.places import columns_key
from service.kit.storage import ObjectMissing, StorageUnavailable, storage
from service.kit.work import Claim, Work
from worker.app import Running, Transient, task, unit_of_work

_NOT_ANALYSED = ("The examples of this version could not be looked up: its analysis failed, or its columns are gone."
                 " See GET /v1/files/{}/validation.")


@task(Work.PREPARE_REVIEW)
def prepare(running: Running) -> timedelta | None:
    """Choose once the file of the version is analysed; choosing twice chooses the same and records it once."""
    claim = running.claim
    with unit_of_work(claim) as session:
        asked = reviews.begin_preparation(session, claim.subject)
    if not isinstance(asked, reviews.Preparation):
        return asked
    with tempfile.TemporaryFile() as file:
        try:
            _fetch(running, columns_key(claim.project_id, asked.file_id), file)
            examples = load(file)
        except (ObjectMissing, NoColumns):
            with unit_of_work(claim) as session:
                reviews.record_failure(session, claim.subject, _NOT_ANALYSED.format(asked.file_id))
            return None
        except StorageUnavailable as unavailable:
            raise Transient(unavailable.message) from unavailable
    chosen = suspects(examples, asked.wanted, without=asked.reviewed)
    with unit_of_work(claim) as session:
        reviews.record_items(session, claim.subject, chosen, lines=len(examples))
    return None


def _fetch(running: Running, key: str, file: IO[bytes]) -> None:
    for chunk in storage().read(key):
        file.write(chunk)
        running.advance(file.tell())
    file.seek(0)


@prepare.abandoned
def _cannot_be_prepared(session: Session, claim: Claim, cause: str) -> None:
    reviews.record_failure(session, claim.subject, f"The examples could not be chosen: {cause}")
