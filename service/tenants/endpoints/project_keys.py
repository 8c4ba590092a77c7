"""The keys of a project, without their values."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path

from service.kit.pagination import After, Page, page_of
from service.kit.schemas import PlainStr
from service.tenants import operations, queries, schemas
from service.tenants.access import AdminSession, CurrentAdmin, RevokingSession
from service.tenants.endpoints.projects import Limit, ProjectID
from service.tenants.tables import APIKey

router = APIRouter(prefix="/projects/{project_id}/api_keys", tags=["Project API keys"])
KeyID = Annotated[PlainStr, Path(max_length=256)]


@router.get("", response_model=Page[schemas.ProjectKey], operation_id="listProjectAPIKeys")
def list_keys(session: AdminSession, project_id: ProjectID, after: After = None, limit: Limit = 20,
              owner_project_access: Literal["active", "inactive", "any"] = "any") -> dict[str, Any]:
    """List a project's keys, newest first."""
    rows, more = queries.project_keys(session, project_id, access=owner_project_access, after=after, limit=limit)
    return page_of(rows, has_more=more)


@router.get("/{api_key_id}", response_model=schemas.ProjectKey, operation_id="retrieveProjectAPIKey")
def retrieve(session: AdminSession, project_id: ProjectID, api_key_id: KeyID) -> APIKey:
    """Retrieve one key of a project."""
    return queries.project_key(session, project_id, api_key_id)


@router.delete("/{api_key_id}", response_model=schemas.DeletedProjectKey, operation_id="deleteProjectAPIKey")
def delete(session: RevokingSession, caller: CurrentAdmin, project_id: ProjectID, api_key_id: KeyID) -> APIKey:
    """Delete a key; it stops working."""
    return operations.delete_project_key(session, project_id, api_key_id, by=caller.key_id)
