"""Validation: what is wrong with a file, before anybody trains on it."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from service.datasets import operations
from service.datasets.queries import reports as queries
from service.datasets.schemas import reports as schemas
from service.kit.pagination import After, Page, page_of
from service.kit.schemas import PlainStr
from service.tenants.access import ProjectSession

router = APIRouter(prefix="/v1/files/{file_id}/validation", tags=["Datasets"])
FileID = Annotated[PlainStr, Path(max_length=256)]


@router.get("", operation_id="retrieveFileValidation")
def retrieve_validation(file_id: FileID, session: ProjectSession) -> schemas.Validation:
    """Retrieve the report on a file with purpose fine-tune; `pending` until every line was read."""
    return operations.validation(session, file_id)


@router.get("/findings", operation_id="listFileValidationFindings", response_model=Page[schemas.Finding])
def list_findings(file_id: FileID, session: ProjectSession, severity: schemas.Severity | None = None,
                  kind: Annotated[PlainStr | None, Query(max_length=64)] = None,
                  limit: Annotated[int, Query(ge=1, le=1000)] = 100, after: After = None) -> dict[str, Any]:
    """List what is wrong with a file: the line, what is the matter, and how to mend it."""
    operations.validation(session, file_id)
    rows, more = queries.findings(session, file_id, severity=severity, kind=kind, after=after, limit=limit)
    return page_of(rows, has_more=more)
