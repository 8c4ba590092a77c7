"""Data sets: named, with immutable versions."""

import tempfile
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.concurrency import run_in_threadpool

from service.datasets.operations import sources, versions
from service.datasets.queries import versions as queries
from service.datasets.schemas import versions as schemas
from service.datasets.tables.versions import Dataset
from service.kit.pagination import After, Order, Page, page_of
from service.kit.schemas import PlainStr
from service.tenants.access import CurrentProject, ProjectSession, in_transaction

router = APIRouter(prefix="/v1/datasets", tags=["Datasets"])
DatasetID = Annotated[PlainStr, Path(max_length=256, description="Id of the data set: ds_…")]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many to return, at most.")]


@router.post("", operation_id="createDataset", response_model=schemas.Dataset)
def create_dataset(body: schemas.DatasetCreate, caller: CurrentProject, session: ProjectSession) -> Dataset:
    """Create a data set: a name under which versions of the same data are kept."""
    return versions.create_dataset(session, caller.project_id, body, by=caller.actor)


@router.get("", operation_id="listDatasets", response_model=Page[schemas.Dataset])
def list_datasets(session: ProjectSession, name: Annotated[PlainStr | None, Query(
                      max_length=256, description="Only the data set of this name.")] = None,
                  limit: Limit = 20, order: Order = "desc", after: After = None) -> dict[str, Any]:
    """List the project's data sets, newest first."""
    rows, more = queries.datasets(session, name=name, after=after, limit=limit, order=order)
    return page_of(rows, has_more=more)


@router.post("/previews", operation_id="previewDatasetSource")
async def preview_source(body: schemas.SourcePreviewCreate, caller: CurrentProject) -> schemas.SourcePreview:
    """See what a file would become: the shape that is detected, its mapping, and the first examples. Makes nothing.

    Only the beginning of the file is read, up to 4 MiB; formats that cannot be read from there, such as Parquet, up to
    64 MiB in whole.
    """
    source = await in_transaction(caller, sources.source_of, body.source.file_id)
    with tempfile.TemporaryDirectory(prefix="tuneworks-source-") as scratch:
        return await run_in_threadpool(sources.preview, source, body, FilePath(scratch))


@router.get("/{dataset_id}", operation_id="retrieveDataset", response_model=schemas.Dataset)
def retrieve_dataset(dataset_id: DatasetID, session: ProjectSession) -> Dataset:
    """Retrieve one data set."""
    return versions.find_dataset(session, dataset_id)


@router.post("/{dataset_id}", operation_id="updateDataset", response_model=schemas.Dataset)
def update_dataset(dataset_id: DatasetID, body: schemas.DatasetUpdate, session: ProjectSession) -> Dataset:
    """Change the name, the description or the metadata of a data set."""
    return versions.update_dataset(session, dataset_id, body)
