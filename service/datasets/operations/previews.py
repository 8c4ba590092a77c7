"""Previews: asked for, looked at, and recorded by the worker that has the training code make them."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from service.datasets.errors import NoSuchPreview, VersionNotReady
from service.datasets.operations.storing import storable, storable_text
from service.datasets.operations.versions import file_of, find_version
from service.datasets.queries import versions as queries
from service.datasets.schemas.previews import PreviewCreate
from service.datasets.tables.versions import DatasetPreview, DatasetVersion
from service.files.tables import File
from service.kit.database import database_now
from service.kit.identifiers import new_id
from service.kit.work import Work, enqueue


@dataclass(frozen=True, slots=True)
class PreviewPlan:
    """What making a preview takes."""

    preview_id: str
    model: str
    lines: tuple[int, ...]
    object_key: str


def ready_file(session: Session, version: DatasetVersion) -> File:
    """The file of a version that is ready. Raises VersionNotReady."""
    file = file_of(session, version) if version.status == "ready" else None
    if file is None:
        raise VersionNotReady(version.id, version.status, version.error)
    return file


def create_preview(session: Session, dataset_id: str, version: str, body: PreviewCreate) -> DatasetPreview:
    """Ask for a preview. Raises NoSuchDataset, NoSuchVersion, VersionNotReady."""
    found = find_version(session, dataset_id, version)
    ready_file(session, found)
    lines = sorted(set(body.lines)) if body.lines else list(range(1, body.limit + 1))
    preview = DatasetPreview(id=new_id("dspreview_"), project_id=found.project_id, version_id=found.id,
                             model=body.model, lines=lines)
    session.add(preview)
    session.flush()
    session.refresh(preview)
    enqueue(session, Work.MAKE_PREVIEW, preview.id, project_id=found.project_id)
    return preview


def find_preview(session: Session, dataset_id: str, version: str, preview_id: str) -> DatasetPreview:
    """The preview of this id. Raises NoSuchDataset, NoSuchVersion, NoSuchPreview."""
    found = queries.preview(session, find_version(session, dataset_id, version).id, preview_id)
    if found is None:
        raise NoSuchPreview(preview_id)
    return found


def begin_preview(session: Session, preview_id: str) -> PreviewPlan | None:
    """What to show; None when nobody waits for it any more, or nothing is there to show."""
    preview = session.get(DatasetPreview, preview_id)
    if preview is None or preview.status != "pending":
        return None
    version = queries.version_by_id(session, preview.version_id)
    file = file_of(session, version) if version is not None else None
    if file is None:
        record_preview(session, preview_id, error="The version was deleted meanwhile.")
        return None
    return PreviewPlan(preview.id, preview.model, tuple(preview.lines), file.object_key)


def record_preview(session: Session, preview_id: str, *, examples: list[dict[str, Any]] | None = None,
                   error: str | None = None) -> None:
    """How making it ended; a preview that was erased meanwhile stays erased."""
    preview = session.get(DatasetPreview, preview_id, with_for_update=True)
    if preview is None or preview.status != "pending":
        return
    preview.status = "completed" if error is None else "failed"
    preview.examples, preview.completed_at = storable(examples or []), database_now(session)
    preview.error = None if error is None else storable_text(error[:2000])
