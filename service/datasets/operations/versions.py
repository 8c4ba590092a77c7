"""Data sets and their versions: made, found, listed."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.datasets.tables.versions import DatasetVersion
from service.kit.errors import NotFound


class NoSuchVersion(NotFound):
    code = "version_not_found"


def find_version(session: Session, dataset_id: str, version: str) -> DatasetVersion:
    """A version by its id or its number."""
    same = DatasetVersion.number == int(version) if version.isdecimal() and len(version) < 9 else \
        DatasetVersion.id == version
    found = session.scalar(select(DatasetVersion).where(DatasetVersion.dataset_id == dataset_id, same))
    if found is None:
        raise NoSuchVersion(f"No version found with id '{version}' of data set '{dataset_id}'.", param="version")
    return found
