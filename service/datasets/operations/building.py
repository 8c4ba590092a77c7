"""Builds the bytes of a version, and records how that ended."""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.datasets.tables.versions import DatasetVersion
from service.files import operations as files
from service.kit.identifiers import new_id


def request_build(session: Session, parent: DatasetVersion, spec: dict[str, Any], *, by: str) -> DatasetVersion:
    """A version to be built from another by one transformation. Here only its row; the bytes are another's part."""
    number = session.scalar(select(func.max(DatasetVersion.number)).where(
        DatasetVersion.dataset_id == parent.dataset_id)) or 0
    version = DatasetVersion(id=new_id("dsver_"), project_id=parent.project_id, dataset_id=parent.dataset_id,
                             number=number + 1, file_id=files.reserve(session, parent.project_id), created_by=by,
                             source={"type": "transformation", "transformation": spec, "versions": [parent.id]},
                             parents=[parent.id], recipe=new_id(""))
    session.add(version)
    session.flush()
    return version
