"""HTTP face of archiving projects: their jobs are ended by it, so it is here and not in the slice below."""

from typing import Annotated

from fastapi import APIRouter, Path

from service.jobs import operations
from service.kit.schemas import PlainStr
from service.tenants import schemas
from service.tenants.access import CurrentAdmin, RevokingSession
from service.tenants.tables import Project

router = APIRouter(prefix="/v1/organization/projects", tags=["Projects"])
ProjectID = Annotated[PlainStr, Path(max_length=256)]


@router.post("/{project_id}/archive", response_model=schemas.Project, operation_id="archiveProject")
def archive(session: RevokingSession, caller: CurrentAdmin, project_id: ProjectID) -> Project:
    """Archive a project for good: its keys stop working, its jobs are cancelled, its data stays."""
    return operations.archive_project(session, project_id, by=caller.key_id)
