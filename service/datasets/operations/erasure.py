"""Deleting versions: their bytes, and every row that tells what is in them.

Whether jobs used a version is the jobs' business, which know data sets and are not known here; the routes that delete
are theirs (service/jobs/endpoints/erasure).
"""

from functools import cache

from sqlalchemy import ColumnElement, Table, delete, select
from sqlalchemy.orm import Session

from service.datasets.tables.versions import Dataset, DatasetVersion
from service.files import operations as files
from service.files.tables import File
from service.kit.database import Base, database_now

_OURS = "service.datasets.tables"


def delete_version(session: Session, version: DatasetVersion) -> None:
    """Take a locked version off every list, and erase its bytes and what is known of them: findings, previews, reviews.

    Its row stays as the memory of lineage: number, digest and source.
    """
    version.deleted_at = version.deleted_at or database_now(session)
    session.flush()
    _forget(session, _table(DatasetVersion), version.id)
    _forget(session, _table(File), version.file_id)
    files.discard(session, version.file_id, project_id=version.project_id)


def delete_dataset(session: Session, dataset: Dataset) -> None:
    """Take a data set off every list; its versions are deleted before."""
    dataset.deleted_at = database_now(session)
    session.flush()


def _forget(session: Session, parent: Table, identifier: str) -> None:
    """Delete every row of this slice that hangs on one row of `parent`, with what hangs on those."""
    for table, column in _hanging_on(parent):
        _delete(session, table, column == identifier)


def _delete(session: Session, table: Table, condition: ColumnElement[bool]) -> None:
    for child, column in _hanging_on(table, besides_cascades=True):
        _delete(session, child, column.in_(select(table.c.id).where(condition)))
    session.execute(delete(table).where(condition))


def _hanging_on(parent: Table, *, besides_cascades: bool = False) -> list[tuple[Table, ColumnElement[str]]]:
    """Tables of this slice that point to `parent`, by which column; versions themselves outlive everything.

    `besides_cascades` leaves out what the database deletes with the parent, which it may do where we may not: what
    reviewers decided and said is only ever added to.
    """
    return [(table, key.parent) for table in _our_tables() for key in table.foreign_keys
            if key.column.table is parent and table is not parent
            and not (besides_cascades and (key.ondelete or "").lower() == "cascade")]


@cache
def _our_tables() -> tuple[Table, ...]:
    return tuple(_table(mapper.class_) for mapper in Base.registry.mappers
                 if mapper.class_.__module__.startswith(_OURS) and mapper.class_ not in {Dataset, DatasetVersion})


def _table(mapped: type[Base]) -> Table:
    table = mapped.__table__
    assert isinstance(table, Table)
    return table
