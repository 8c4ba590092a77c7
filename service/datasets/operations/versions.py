"""Data sets and their versions: made, found, named."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from service.datasets.errors import NameTaken, NoSuchDataset, NoSuchVersion, UnusableVersion
from service.datasets.queries import versions as queries
from service.datasets.schemas import versions as schemas
from service.datasets.tables.versions import Dataset, DatasetVersion
from service.files import queries as file_queries
from service.files.tables import File
from service.kit.identifiers import new_id

_MOST_ANCESTORS = 200


def create_dataset(session: Session, project_id: str, body: schemas.DatasetCreate, *, by: str | None) -> Dataset:
    """A data set without versions. Raises NameTaken."""
    _check_name(session, body.name)
    made = Dataset(id=new_id("ds_"), project_id=project_id, name=body.name, description=body.description,
                   created_by=by, metadata_=None if body.metadata is None else dict(body.metadata))
    session.add(made)
    session.flush()
    return made


def update_dataset(session: Session, dataset_id: str, body: schemas.DatasetUpdate) -> Dataset:
    """Change what is given; its versions stay as they are. Raises NoSuchDataset, NameTaken."""
    found = lock_dataset(session, dataset_id)
    if body.name is not None and body.name != found.name:
        _check_name(session, body.name)
        found.name = body.name
    if "description" in body.model_fields_set:
        found.description = body.description
    if "metadata" in body.model_fields_set:
        found.metadata_ = None if body.metadata is None else dict(body.metadata)
    session.flush()
    return found


def _check_name(session: Session, name: str) -> None:
    # Two who choose one name at once would both pass without the lock; then the index would refuse with a fault.
    queries.lock_names(session)
    if queries.dataset_named(session, name) is not None:
        raise NameTaken(name)


def find_dataset(session: Session, dataset_id: str) -> Dataset:
    """The data set of this id. Raises NoSuchDataset."""
    return _found(queries.dataset(session, dataset_id), dataset_id)


def lock_dataset(session: Session, dataset_id: str) -> Dataset:
    """The same, held until the transaction ends."""
    return _found(queries.dataset(session, dataset_id, lock=True), dataset_id)


def _found(dataset: Dataset | None, dataset_id: str) -> Dataset:
    if dataset is None:
        raise NoSuchDataset(dataset_id)
    return dataset


def find_version(session: Session, dataset_id: str, version: str, *, lock: bool = False,
                 param: str = "version") -> DatasetVersion:
    """A version by its id or its number. Raises NoSuchDataset, NoSuchVersion."""
    find_dataset(session, dataset_id)
    found = queries.version(session, dataset_id, version, lock=lock)
    if found is None:
        raise NoSuchVersion(version, param=param)
    return found


# -- names of versions, wherever a file can be named --------------------------------------------------------

@dataclass(frozen=True, slots=True)
class ResolvedFile:
    """The file that a name stands for, and the version that it belongs to."""

    file_id: str
    version_id: str | None = None
    is_building: bool = False
    "There is no such file yet: the version that will have it is being built."


def named_version(session: Session, name: str) -> DatasetVersion | None:
    """The live version of `dsver_…`, `ds_…@number` or `<name>@number`; None when there is none."""
    if name.startswith("dsver_"):
        found = queries.version_by_id(session, name)
        return found if found is not None and found.deleted_at is None else None
    of, at, number = name.rpartition("@")
    if not at or not number.isascii() or not number.isdecimal():
        return None
    dataset = queries.dataset(session, of) if of.startswith("ds_") else queries.dataset_named(session, of)
    return queries.version(session, dataset.id, number) if dataset else None


def resolve_file(session: Session, name: str, *, param: str | None = None) -> ResolvedFile:
    """The file behind a file's id or a version's name; a name that nobody has stands for itself, as a file's id.

    Versions found cannot be deleted before the transaction ends. Raises UnusableVersion for one that failed.
    """
    named = named_version(session, name)
    version = queries.version_of_file(session, named.file_id if named else name, share=True)
    if version is None or version.deleted_at is not None:
        file = file_queries.find(session, name)
        return ResolvedFile(name if file is None else file.id)
    if version.status == "failed":
        raise UnusableVersion(version.id, version.error, param=param)
    return ResolvedFile(version.file_id, version.id, is_building=version.status == "building")


def hold(session: Session, names: Sequence[str]) -> None:
    """Keep all versions that these names stand for until the transaction ends.

    Whoever holds several takes them here, at once and in one order: one after another they could wait for somebody
    who deletes the data set and has come from the other end.
    """
    named = [named_version(session, name) for name in names]
    queries.share(session, [each.file_id if each else name for each, name in zip(named, names, strict=True)])


def unfinished(session: Session, file_id: str) -> DatasetVersion | None:
    """The live version that this will be the file of, while it is being built or after that failed."""
    version = queries.version_of_file(session, file_id)
    return version if version and version.status != "ready" and version.deleted_at is None else None


def file_of(session: Session, version: DatasetVersion) -> File | None:
    """The file of a version while its bytes are there."""
    return file_queries.find(session, version.file_id)


# -- lineage -----------------------------------------------------------------------------------------------

def lineage(session: Session, version: DatasetVersion) -> schemas.Lineage:
    """What a version was made from, down to files, and what was made from it."""
    found: dict[str, DatasetVersion] = {version.id: version}
    level = list(version.parents)
    while level and len(found) < _MOST_ANCESTORS:
        rows = queries.by_ids(session, [each for each in level if each not in found])
        found |= rows
        level = [parent for row in rows.values() for parent in row.parents]
    ancestors = list(found.values())[:_MOST_ANCESTORS]
    files = dict.fromkeys(str(row.source["file_id"]) for row in ancestors if row.source.get("type") == "file")
    children = queries.children(session, [version.id])[:_MOST_ANCESTORS]
    return schemas.Lineage(version_id=version.id, ancestors=[_ancestor(row) for row in ancestors], files=list(files),
                           children=[_ancestor(row) for row in children])


def _ancestor(row: DatasetVersion) -> schemas.Ancestor:
    return schemas.Ancestor(id=row.id, dataset_id=row.dataset_id, number=row.number, status=row.status,
                            sha256=row.sha256, examples=row.examples, source=row.source, parents=row.parents,
                            deleted=row.deleted_at is not None)


def descendants(session: Session, version_ids: list[str]) -> list[DatasetVersion]:
    """Versions made from these, from what was made from these, and so on; deleted or not, nearest first."""
    found: dict[str, DatasetVersion] = {}
    level = version_ids
    while level:
        rows = [row for row in queries.children(session, level) if row.id not in found and row.id not in version_ids]
        found |= {row.id: row for row in rows}
        level = [row.id for row in rows]
    return list(found.values())


def copies(session: Session, versions: list[DatasetVersion]) -> list[DatasetVersion]:
    """Live versions, in any data set of the project, with the very bytes of these, without these."""
    ours = {version.id for version in versions}
    found = {row.id: row for sha256 in {version.sha256 for version in versions if version.sha256}
             for row in queries.with_bytes(session, sha256) if row.id not in ours}
    return list(found.values())


def versions_of(session: Session, dataset: Dataset) -> list[DatasetVersion]:
    """All live versions of a data set, oldest first, held until the transaction ends."""
    return list(queries.all_versions(session, dataset.id, lock=True))
