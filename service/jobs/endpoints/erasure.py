"""HTTP face of deleting data sets: refused while jobs used one, so it is here and not in the slice below."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from service.jobs import operations
from service.jobs.schemas import erasure as schemas
from service.kit.schemas import PlainStr
from service.tenants.access import ProjectSession

router = APIRouter(prefix="/v1/datasets", tags=["Datasets"])
DatasetId = Annotated[PlainStr, Path(max_length=256, description="Id of the data set: ds_…")]
VersionName = Annotated[PlainStr, Path(max_length=256, description="Id of the version (dsver_…), or its number.")]
Erase = Annotated[bool, Query(description="Delete also what jobs used. Models that were tuned on it are listed, and"
                                          " stay until they are deleted themselves.")]
DryRun = Annotated[bool, Query(description="Delete nothing, and list what is reached.")]


@router.delete("/{dataset_id}", operation_id="deleteDataset")
def delete_dataset(dataset_id: DatasetId, session: ProjectSession, *, erase: Erase = False,
                   dry_run: DryRun = False) -> schemas.DatasetDeletion:
    """Delete a data set and the bytes of all its versions; refused while jobs used one, unless erasure is asked for."""
    return operations.delete_dataset(session, dataset_id, erase=erase, dry_run=dry_run)


@router.delete("/{dataset_id}/versions/{version}", operation_id="deleteDatasetVersion")
def delete_version(dataset_id: DatasetId, version: VersionName, session: ProjectSession, *, erase: Erase = False,
                   dry_run: DryRun = False) -> schemas.VersionDeletion:
    """Delete a version with its bytes, findings, previews and reviews; refused while jobs used it, unless erasure is
    asked for.

    The answer lists what was made from it (versions, jobs, tuned models) and what still exists of that, so that a
    person can decide what is to go besides.
    """
    return operations.delete_version(session, dataset_id, version, erase=erase, dry_run=dry_run)
