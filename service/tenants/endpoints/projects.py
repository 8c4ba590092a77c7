"""Projects: one for each product team."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from service.kit.pagination import After, Page, page_of
from service.kit.schemas import PlainStr
from service.tenants import operations, queries, schemas
from service.tenants.access import AdminSession, CurrentAdmin
from service.tenants.tables import Project

router = APIRouter(tags=["Projects"])
ProjectID = Annotated[PlainStr, Path(max_length=256)]
Limit = Annotated[int, Query(ge=1, le=100)]


@router.post("/projects", response_model=schemas.Project, operation_id="createProject")
def create(session: AdminSession, caller: CurrentAdmin, body: schemas.ProjectCreate) -> Project:
    """Make a project. Make a service account in it next, which gives the team its key."""
    return operations.create_project(session, caller.organization_id, body.name, by=caller.key_id)


@router.get("/projects", response_model=Page[schemas.Project], operation_id="listProjects")
def list_projects(session: AdminSession, after: After = None, limit: Limit = 20, *,
                  include_archived: bool = False) -> dict[str, Any]:
    """List the organization's projects, newest first; archived ones only if asked for."""
    rows, more = queries.projects(session, include_archived=include_archived, after=after, limit=limit)
    return page_of(rows, has_more=more)


@router.get("/projects/{project_id}", response_model=schemas.Project, operation_id="retrieveProject")
def retrieve(session: AdminSession, project_id: ProjectID) -> Project:
    """Retrieve one project."""
    return queries.project(session, project_id)


@router.post("/projects/{project_id}", response_model=schemas.Project, operation_id="modifyProject")
def update(session: AdminSession, caller: CurrentAdmin, project_id: ProjectID,
           body: schemas.ProjectUpdate) -> Project:
    """Rename a project (the names of its tuned models stay as they are), set what its training files must pass, or at
    which monthly spending others are told."""
    return operations.update_project(session, project_id, body, by=caller.key_id)
