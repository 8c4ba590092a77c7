"""Versions: made from files or from other versions, looked at, downloaded, compared."""

from typing import Annotated, Any
from urllib.parse import quote

import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse

from service.datasets.endpoints.datasets import DatasetID
from service.datasets.errors import NoSuchVersion
from service.datasets.operations import building, comparison, previews, versions
from service.datasets.queries import versions as queries
from service.datasets.schemas import versions as schemas
from service.datasets.tables.versions import DatasetVersion
from service.files.tables import File
from service.kit.pagination import After, Order, Page, page_of
from service.kit.schemas import PlainStr
from service.kit.storage import ObjectMissing, storage
from service.settings import MiB
from service.tenants.access import CurrentProject, ProjectSession, in_transaction

router = APIRouter(prefix="/v1/datasets/{dataset_id}/versions", tags=["Datasets"])
VersionName = Annotated[PlainStr, Path(max_length=256, description="Id of the version (dsver_…), or its number.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many to return, at most.")]
_DOWNLOAD_BYTES = MiB // 2
_one_at_a_time = CapacityLimiter(1)
"""Comparing takes seconds of one core; other requests must not wait for two of them."""


@router.post("", operation_id="createDatasetVersion")
def create_version(dataset_id: DatasetID, body: schemas.VersionCreate, caller: CurrentProject,
                   session: ProjectSession) -> schemas.MadeVersion | schemas.MadeVersions:
    """Make a version from a file, or from other versions by a transformation; a worker builds it.

    The answer is the version, `building` at first; a split answers a list of the two that it makes. A source that was
    built in this data set before answers that version, with `existing` true. POST /v1/datasets/previews shows what a
    file would become.
    """
    made = building.create_versions(session, dataset_id, body, by=caller.actor)
    return made[0] if len(made) == 1 else schemas.MadeVersions(data=made)


@router.get("", operation_id="listDatasetVersions", response_model=Page[schemas.Version])
def list_versions(dataset_id: DatasetID, session: ProjectSession, limit: Limit = 20, order: Order = "desc",
                  after: After = None) -> dict[str, Any]:
    """List the versions of a data set, newest first."""
    versions.find_dataset(session, dataset_id)
    rows, more = queries.versions(session, dataset_id, after=after, limit=limit, order=order)
    return page_of(rows, has_more=more)


@router.get("/{version}", operation_id="retrieveDatasetVersion", response_model=schemas.Version)
def retrieve_version(dataset_id: DatasetID, version: VersionName, session: ProjectSession) -> DatasetVersion:
    """Retrieve one version, by its id or its number."""
    return versions.find_version(session, dataset_id, version)


@router.get("/{version}/content", operation_id="downloadDatasetVersion", response_class=StreamingResponse,
            responses={200: {"content": {"application/jsonl": {"schema": {"type": "string", "format": "binary"}}}}})
async def download_version(dataset_id: DatasetID, version: VersionName, caller: CurrentProject) -> StreamingResponse:
    """Download the bytes of a version: JSON Lines, one example in each."""
    found, file = await in_transaction(caller, _ready, dataset_id, version)
    try:
        size, chunks = await storage().open_async(file.object_key, chunk=_DOWNLOAD_BYTES)
    except ObjectMissing as erased:
        raise NoSuchVersion(version) from erased
    return StreamingResponse(chunks, media_type="application/jsonl", headers={
        "content-length": str(size), "x-content-type-options": "nosniff", "etag": f'"{found.sha256}"',
        "content-disposition": f"attachment; filename*=UTF-8''{quote(file.filename, safe='')}"})


def _ready(session: ProjectSession, dataset_id: str, version: str) -> tuple[DatasetVersion, File]:
    found = versions.find_version(session, dataset_id, version)
    return found, previews.ready_file(session, found)


@router.get("/{version}/lineage", operation_id="retrieveDatasetVersionLineage")
def retrieve_lineage(dataset_id: DatasetID, version: VersionName, session: ProjectSession) -> schemas.Lineage:
    """Retrieve what a version was made from, down to files, and what was made from it."""
    return versions.lineage(session, versions.find_version(session, dataset_id, version))


@router.get("/{version}/compare/{other}", operation_id="compareDatasetVersions")
async def compare_versions(dataset_id: DatasetID, version: VersionName,
                           other: Annotated[PlainStr, Path(max_length=256, description="Another version of the data"
                                                                                       " set: its id or number.")],
                           caller: CurrentProject) -> schemas.Comparison:
    """Compare a version with another: lines added, removed and kept, and what became of tokens and score.

    Up to 64 MiB and a million lines each are compared while you wait; larger ones are refused.
    """
    one, two = await in_transaction(caller, comparison.sides, dataset_id, version, other)
    try:
        found = await anyio.to_thread.run_sync(comparison.compare, one, two, limiter=_one_at_a_time)
    except ObjectMissing as erased:
        raise NoSuchVersion(version) from erased
    return await in_transaction(caller, comparison.with_reports, found, one, two)
