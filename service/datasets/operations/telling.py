"""Tells other services of files, versions and reviews: how they stand, in figures, and nothing of what they hold."""

from typing import Any

from sqlalchemy.orm import Session

from service.datasets.queries import reports, versions
from service.datasets.queries import reviews as queries
from service.datasets.tables.reviews import Review
from service.datasets.tables.versions import Dataset, DatasetVersion
from service.events import operations as events
from service.events.types import EventType
from service.files import schemas
from service.files.tables import File

_FIGURES = ("verdict", "format", "score", "lines", "examples", "errors", "warnings")
_UNREAD: dict[str, Any] = dict.fromkeys(_FIGURES)


def validated(session: Session, file: File) -> None:
    """A file was read, or could not be; so the version whose file it is was read, too."""
    figures = _figures(session, file)
    shown = schemas.File.model_validate(file).model_dump(mode="json", exclude={"id", "status_details"})
    events.append(session, EventType.FILE_VALIDATED, file.id, project_id=file.project_id, data=shown | figures)
    version = versions.version_of_file(session, file.id)
    if version is not None and version.deleted_at is None:
        _version(session, version, figures)


def unbuildable(session: Session, version: DatasetVersion) -> None:
    """There is no file to be read, and never will be."""
    if version.deleted_at is None:
        _version(session, version, _UNREAD)


def _figures(session: Session, file: File) -> dict[str, Any]:
    report = reports.report(session, file.id)
    if report is None or report.status != "completed":
        return _UNREAD
    return {name: getattr(report, name) for name in _FIGURES}


def _version(session: Session, version: DatasetVersion, figures: dict[str, Any]) -> None:
    events.append(session, EventType.DATASET_VALIDATED, version.id, project_id=version.project_id, data={
        "dataset_id": version.dataset_id, "name": session.get_one(Dataset, version.dataset_id).name,
        "number": version.number, "file_id": version.ready_file, "status": version.status, **figures})


def needed(session: Session, review: Review) -> None:
    """Its examples are there for people to decide on."""
    _review(session, EventType.REVIEW_NEEDED, review)


def closed(session: Session, review: Review) -> None:
    counts = queries.counts(session, [review.id])[review.id]
    _review(session, EventType.REVIEW_DONE, review, approved=review.approved, closed_by=review.closed_by,
            decided=sum(counts[status] for status in queries.DECIDED))


def _review(session: Session, type_: EventType, review: Review, **more: Any) -> None:
    version = session.get_one(DatasetVersion, review.version_id)
    events.append(session, type_, review.id, project_id=review.project_id, data={
        "name": review.name, "status": review.status, "dataset_id": version.dataset_id,
        "dataset": session.get_one(Dataset, version.dataset_id).name, "version_id": version.id,
        "version": version.number, "items": queries.counts(session, [review.id])[review.id].total(),
        "reviewers_per_item": review.reviewers_per_item, "created_by": review.created_by, **more})
