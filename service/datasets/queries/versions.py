"""Questions about data sets, their versions and previews. Only live rows are found, unless it says otherwise."""

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, Select, select, text
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.orm import Session

from service.datasets.tables.versions import Dataset, DatasetPreview, DatasetVersion
from service.kit.pagination import Order, paginate

_LARGEST_NUMBER = 2**31


def dataset(session: Session, dataset_id: str, *, lock: bool = False) -> Dataset | None:
    query = select(Dataset).where(Dataset.id == dataset_id, Dataset.deleted_at.is_(None))
    return session.scalar(query.with_for_update() if lock else query, execution_options={"populate_existing": lock})


def dataset_named(session: Session, name: str) -> Dataset | None:
    return session.scalar(select(Dataset).where(Dataset.name == name, Dataset.deleted_at.is_(None)))


def lock_names(session: Session) -> None:
    """Let only one transaction at a time choose a data set's name in this project."""
    session.execute(text("select pg_advisory_xact_lock(hashtextextended("
                         "'datasets.name' || current_setting('app.project_id'), 0))"))


def datasets(session: Session, *, name: str | None, after: str | None, limit: int,
             order: Order) -> tuple[Sequence[Dataset], bool]:
    query: Select[Dataset] = select(Dataset).where(Dataset.deleted_at.is_(None))
    if name is not None:
        query = query.where(Dataset.name == name)
    return paginate(session, query, Dataset, after=after, limit=limit, order=order)


def version(session: Session, dataset_id: str, reference: str, *, lock: bool = False) -> DatasetVersion | None:
    """A version of the data set by its id or its number."""
    query = select(DatasetVersion).where(DatasetVersion.dataset_id == dataset_id, _meant(reference),
                                         DatasetVersion.deleted_at.is_(None))
    return session.scalar(query.with_for_update() if lock else query, execution_options={"populate_existing": lock})


def _meant(reference: str) -> ColumnElement[bool]:
    if reference.isascii() and reference.isdecimal() and len(reference) < 11 and int(reference) < _LARGEST_NUMBER:
        return DatasetVersion.number == int(reference)
    return DatasetVersion.id == reference


def version_by_id(session: Session, version_id: str, *, lock: bool = False) -> DatasetVersion | None:
    """The version of this id, deleted or not."""
    query = select(DatasetVersion).where(DatasetVersion.id == version_id)
    return session.scalar(query.with_for_update() if lock else query, execution_options={"populate_existing": lock})


def version_of_file(session: Session, file_id: str, *, share: bool = False) -> DatasetVersion | None:
    """The version whose file this is or will be, deleted or not; `share` keeps it from being deleted meanwhile."""
    query = select(DatasetVersion).where(DatasetVersion.file_id == file_id)
    return session.scalar(query.with_for_update(read=True) if share else query)


def versions(session: Session, dataset_id: str, *, after: str | None, limit: int,
             order: Order) -> tuple[Sequence[DatasetVersion], bool]:
    query = select(DatasetVersion).where(DatasetVersion.dataset_id == dataset_id,
                                         DatasetVersion.deleted_at.is_(None))
    return paginate(session, query, DatasetVersion, after=after, limit=limit, order=order)


def all_versions(session: Session, dataset_id: str, *, lock: bool = False) -> Sequence[DatasetVersion]:
    query = select(DatasetVersion).where(DatasetVersion.dataset_id == dataset_id, DatasetVersion.deleted_at.is_(None))
    query = query.order_by(DatasetVersion.position)
    return session.scalars(query.with_for_update() if lock else query,
                           execution_options={"populate_existing": lock}).all()


def by_recipe(session: Session, dataset_id: str, recipe: str) -> DatasetVersion | None:
    """The version that the same recipe made, or is making."""
    return session.scalar(select(DatasetVersion).where(
        DatasetVersion.dataset_id == dataset_id, DatasetVersion.recipe == recipe, DatasetVersion.status != "failed",
        DatasetVersion.deleted_at.is_(None)).order_by(DatasetVersion.position).limit(1))


def with_bytes(session: Session, sha256: str) -> Sequence[DatasetVersion]:
    """Every version of the project that has these bytes, oldest first."""
    return session.scalars(select(DatasetVersion).where(
        DatasetVersion.sha256 == sha256, DatasetVersion.deleted_at.is_(None))
        .order_by(DatasetVersion.position)).all()


def by_ids(session: Session, ids: Iterable[str]) -> dict[str, DatasetVersion]:
    """Versions by their ids, deleted or not."""
    wanted = list(ids)
    if not wanted:
        return {}
    return {row.id: row for row in session.scalars(select(DatasetVersion).where(DatasetVersion.id.in_(wanted)))}


def children(session: Session, ids: Iterable[str]) -> Sequence[DatasetVersion]:
    """Versions made directly from any of these, deleted or not, oldest first."""
    wanted = list(ids)
    if not wanted:
        return []
    return session.scalars(select(DatasetVersion).where(
        DatasetVersion.parents.has_any(array(wanted))).order_by(DatasetVersion.position)).all()


def preview(session: Session, version_id: str, preview_id: str) -> DatasetPreview | None:
    return session.scalar(select(DatasetPreview).where(DatasetPreview.id == preview_id,
                                                       DatasetPreview.version_id == version_id))


def previews(session: Session, version_id: str, *, after: str | None,
             limit: int) -> tuple[Sequence[DatasetPreview], bool]:
    query = select(DatasetPreview).where(DatasetPreview.version_id == version_id)
    return paginate(session, query, DatasetPreview, after=after, limit=limit)
