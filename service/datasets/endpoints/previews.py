"""Previews: examples with the tokens that training would learn from."""

from typing import Annotated, Any

from fastapi import APIRouter, Path

from service.datasets.endpoints.datasets import DatasetID
from service.datasets.endpoints.versions import Limit, VersionName
from service.datasets.operations import previews, versions
from service.datasets.queries import versions as queries
from service.datasets.schemas import previews as schemas
from service.datasets.tables.versions import DatasetPreview
from service.kit.pagination import After, Page, page_of
from service.kit.schemas import PlainStr
from service.tenants.access import ProjectSession

router = APIRouter(prefix="/v1/datasets/{dataset_id}/versions/{version}/previews", tags=["Datasets"])


@router.post("", operation_id="createDatasetPreview", response_model=schemas.Preview)
def create_preview(dataset_id: DatasetID, version: VersionName, body: schemas.PreviewCreate,
                   session: ProjectSession) -> DatasetPreview:
    """Show which tokens of some lines a model would learn; made by the training code itself, so `pending` at first."""
    return previews.create_preview(session, dataset_id, version, body)


@router.get("", operation_id="listDatasetPreviews", response_model=Page[schemas.Preview])
def list_previews(dataset_id: DatasetID, version: VersionName, session: ProjectSession, limit: Limit = 20,
                  after: After = None) -> dict[str, Any]:
    """List the previews of a version, newest first."""
    found = versions.find_version(session, dataset_id, version)
    rows, more = queries.previews(session, found.id, after=after, limit=limit)
    return page_of(rows, has_more=more)


@router.get("/{preview_id}", operation_id="retrieveDatasetPreview", response_model=schemas.Preview)
def retrieve_preview(dataset_id: DatasetID, version: VersionName, preview_id: Annotated[PlainStr, Path(max_length=256)],
                     session: ProjectSession) -> DatasetPreview:
    """Retrieve a preview: per example its runs of tokens, trained or not, and how many there are of each."""
    return previews.find_preview(session, dataset_id, version, preview_id)
