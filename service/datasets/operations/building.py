"""Versions asked for, and what their builder needs to know and has to record."""

import hashlib
import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from service.datasets.errors import BadTransformation, NoSuchVersion, NotASource, UnusableVersion
from service.datasets.operations import making, telling
from service.datasets.operations.places import columns_key
from service.datasets.operations.storing import storable, storable_text
from service.datasets.operations.versions import file_of, lock_dataset, named_version
from service.datasets.queries import versions as queries
from service.datasets.schemas import versions as schemas
from service.datasets.tables.versions import Dataset, DatasetVersion
from service.files import operations as files
from service.files.contents import file_key
from service.kit.database import database_now
from service.kit.identifiers import new_id
from service.kit.work import Work, enqueue

SOURCES = frozenset({"fine-tune", "user_data"})
"""Purposes of files that versions are made from."""
_WAIT = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Input:
    """Bytes that a version is made from."""

    object_key: str
    filename: str
    columns_key: str | None = None
    "Where the columns of its analysis lie once it is complete."


@dataclass(frozen=True, slots=True)
class Build:
    """All that building a version takes."""

    version_id: str
    object_key: str
    source: dict[str, Any]
    inputs: tuple[Input, ...]


@dataclass(frozen=True, slots=True)
class Built:
    """What the builder has stored under the version's key, and what making it told."""

    sha256: str
    bytes: int
    examples: int
    counts: dict[str, Any] = field(default_factory=dict)
    detected: dict[str, Any] = field(default_factory=dict)
    "Shape and mapping of the source, where they were not given."


# -- asking ------------------------------------------------------------------------------------------------

def create_versions(session: Session, dataset_id: str, body: schemas.VersionCreate, *,
                    by: str | None) -> list[schemas.MadeVersion]:
    """Ask for the version that a source makes, or for the two that a split does.

    The same source in the same data set makes the same bytes, so that the version it made before is the answer.
    Raises NoSuchDataset, NoSuchFile, NotASource, NoSuchVersion, UnusableVersion, BadTransformation.
    """
    dataset = lock_dataset(session, dataset_id)
    if isinstance(body.source, schemas.FileSource):
        return [_from_file(session, dataset, body.source, note=body.note, by=by)]
    source = body.source
    parents = [_parent(session, name) for name in source.versions]
    try:
        spec = making.check_transformation(source.transformation, len(parents))
    except making.CannotBeMade as wrong:
        raise BadTransformation(str(wrong)) from wrong
    return [_transformed(session, dataset, parents, spec, part=part, note=body.note, by=by)
            for part in making.parts_of(spec)]


def request_build(session: Session, parent: DatasetVersion, spec: dict[str, Any], *, by: str | None,
                  note: str | None = None) -> DatasetVersion:
    """Ask for the version that one transformation makes of another, in the same data set."""
    dataset = lock_dataset(session, parent.dataset_id)
    made = _transformed(session, dataset, [parent], spec, part=None, note=note, by=by)
    version = queries.version_by_id(session, made.id)
    assert version is not None
    return version


def _from_file(session: Session, dataset: Dataset, source: schemas.FileSource, *, note: str | None,
               by: str | None) -> schemas.MadeVersion:
    file = files.get(session, source.file_id)
    if file.purpose not in SOURCES:
        raise NotASource(file.purpose)
    asked = {"type": "file", "shape": source.shape, "mapping": source.mapping}
    return _ask(session, dataset, {**asked, "file_id": file.id, "filename": file.filename, "sha256": file.sha256},
                parents=[], recipe=_digest({**asked, "sha256": file.sha256}), note=note, by=by)


def _parent(session: Session, name: str) -> DatasetVersion:
    found = named_version(session, name)
    if found is None:
        raise NoSuchVersion(name, param="source.versions")
    if found.status == "failed":
        raise UnusableVersion(found.id, found.error, param="source.versions")
    return found


def _transformed(session: Session, dataset: Dataset, parents: list[DatasetVersion], spec: dict[str, Any], *,
                 part: str | None, note: str | None, by: str | None) -> schemas.MadeVersion:
    ids = [parent.id for parent in parents]
    source = {"type": "transformation", "transformation": spec, "versions": ids, **({"part": part} if part else {})}
    return _ask(session, dataset, source, parents=ids, recipe=_digest(source), note=note, by=by)


def _digest(recipe: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()


def _ask(session: Session, dataset: Dataset, source: dict[str, Any], *, parents: list[str], recipe: str,
         note: str | None, by: str | None) -> schemas.MadeVersion:
    """A new version in a data set whose lock the transaction holds, or the one that the recipe made before."""
    existing = queries.by_recipe(session, dataset.id, recipe)
    if existing is not None:
        return schemas.MadeVersion.model_validate(existing).model_copy(update={"existing": True})
    dataset.last_number += 1
    version = DatasetVersion(
        id=new_id("dsver_"), project_id=dataset.project_id, dataset_id=dataset.id, number=dataset.last_number,
        status="building", note=note, created_by=by, source=source, parents=parents, recipe=recipe,
        file_id=files.reserve(session, dataset.project_id))
    session.add(version)
    session.flush()
    session.refresh(version)
    enqueue(session, Work.BUILD_VERSION, version.id, project_id=dataset.project_id)
    return schemas.MadeVersion.model_validate(version)


# -- building ----------------------------------------------------------------------------------------------

def begin_build(session: Session, version_id: str) -> Build | timedelta | None:
    """What to build; a time to wait for what it is made from; None when there is nothing to build (any more)."""
    version = queries.version_by_id(session, version_id, lock=True)
    if version is None or version.deleted_at is not None or version.status != "building":
        return None
    files.expect(session, version.file_id, project_id=version.project_id)
    inputs = (_file_inputs if version.source["type"] == "file" else _version_inputs)(session, version)
    if not isinstance(inputs, tuple):
        return inputs
    return Build(version.id, file_key(version.project_id, version.file_id), version.source, inputs)


def _file_inputs(session: Session, version: DatasetVersion) -> tuple[Input, ...] | timedelta | None:
    file_id = version.source["file_id"]
    file = files.find(session, file_id)
    if file is None:
        _fail(session, version, f"File {file_id} was deleted or expired before the version was built. Upload it again.")
        return None
    return (Input(file.object_key, file.filename),)


def _version_inputs(session: Session, version: DatasetVersion) -> tuple[Input, ...] | timedelta | None:
    parents = queries.by_ids(session, version.parents)
    if any(parent.status == "building" and parent.deleted_at is None for parent in parents.values()):
        return _WAIT
    inputs = []
    for parent in (parents[each] for each in version.parents):
        file = None if parent.deleted_at is not None else file_of(session, parent)
        if file is None or parent.status != "ready":
            why = "was deleted" if parent.status == "ready" else f"could not be built: {parent.error}"
            _fail(session, version, f"Version {parent.id}, from which it was to be made, {why}")
            return None
        inputs.append(Input(file.object_key, file.filename, columns_key(file.project_id, file.id)))
    return tuple(inputs)


def record_built(session: Session, version_id: str, built: Built) -> None:
    """The version is ready, its file a file like any other; twice is once. Bytes of one deleted meanwhile go."""
    version = queries.version_by_id(session, version_id, lock=True)
    if version is None or version.status != "building":
        return
    if version.deleted_at is not None:
        files.discard(session, version.file_id, project_id=version.project_id)
        return
    dataset = session.get_one(Dataset, version.dataset_id)
    files.register(
        session, project_id=version.project_id, file_id=version.file_id, bytes=built.bytes, sha256=built.sha256,
        filename=f"{dataset.name}-v{version.number}.jsonl", purpose="fine-tune",
        object_key=file_key(version.project_id, version.file_id), status=files.first_status("fine-tune"),
        kept_for=f"version {version.number} of data set {dataset.id} ({version.id})")
    version.status, version.completed_at = "ready", database_now(session)
    version.sha256, version.bytes, version.examples = built.sha256, built.bytes, built.examples
    version.counts, version.source = storable(built.counts), {**version.source, **storable(built.detected)}
    version.same_as = next((each.id for each in queries.with_bytes(session, built.sha256)
                            if each.dataset_id == version.dataset_id and each.number < version.number), None)


def record_unbuildable(session: Session, version_id: str, why: str) -> None:
    """The version failed for good, and says why."""
    version = queries.version_by_id(session, version_id, lock=True)
    if version is not None and version.status == "building":
        _fail(session, version, why)


def _fail(session: Session, version: DatasetVersion, why: str) -> None:
    version.status, version.error, version.completed_at = "failed", storable_text(why[:2000]), database_now(session)
    files.discard(session, version.file_id, project_id=version.project_id)
    session.flush()
    telling.unbuildable(session, version)
