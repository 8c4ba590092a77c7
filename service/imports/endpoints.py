"""HTTP face of imports: a whole estate comes home with one request."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from service.imports import operations, queries, schemas
from service.imports.tables import Import
from service.kit.pagination import After, page_of
from service.kit.repetitions import OnceOnly
from service.kit.schemas import PlainStr
from service.tenants.access import CurrentProject, ProjectSession

router = APIRouter(prefix="/v1/imports", tags=["Imports"])
ImportId = Annotated[PlainStr, Path(max_length=256, description="Id of the import: import_…")]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many to return, at most.")]


def _shown(row: Import) -> schemas.Import:
    fields = {name: getattr(row, name) for name in (
        "id", "created_at", "provider", "credential_id", "status", "status_details", "stage", "dry_run", "counts",
        "error", "started_at", "finished_at")}
    return schemas.Import.model_validate(fields | {"percent": schemas.percent(row)})


@router.post("", operation_id="createImport")
def create_import(body: schemas.ImportCreate, caller: CurrentProject, session: ProjectSession,
                  once: OnceOnly) -> schemas.Import:
    """Bring everything home that a server keeps: files, jobs with their events, checkpoints and results, models.

    Nothing is changed there. What comes is found under its old id; what is here already is not read again.
    """
    return _shown(once.do(
        session, body, lambda: operations.create(session, caller, body), remember=lambda made: {"id": made.id},
        recall=lambda made: operations.retrieve(session, made["id"])))


@router.get("", operation_id="listImports")
def list_imports(session: ProjectSession, after: After = None, limit: Limit = 20) -> schemas.ImportList:
    """List the project's imports, newest first."""
    rows, more = queries.page(session, after=after, limit=limit)
    return schemas.ImportList.model_validate(page_of([_shown(row) for row in rows], has_more=more))


@router.get("/{import_id}", operation_id="retrieveImport")
def retrieve_import(import_id: ImportId, session: ProjectSession) -> schemas.Import:
    """Retrieve one import, with how far it is."""
    return _shown(operations.retrieve(session, import_id))


@router.post("/{import_id}/cancel", operation_id="cancelImport")
def cancel_import(import_id: ImportId, session: ProjectSession) -> schemas.Import:
    """End an import; what it brought stays."""
    return _shown(operations.cancel(session, import_id))


@router.post("/{import_id}/resume", operation_id="resumeImport")
def resume_import(import_id: ImportId, session: ProjectSession) -> schemas.Import:
    """Go on with an import that failed or was cancelled, where it stopped.

    What could not be read for trouble that passes (the code unreadable) is tried again.
    """
    return _shown(operations.resume(session, import_id))


@router.get("/{import_id}/problems", operation_id="listImportProblems", response_model=schemas.ProblemList)
def list_problems(import_id: ImportId, session: ProjectSession,
                  kind: Annotated[schemas.Kind | None, Query(description="Only problems with these.")] = None,
                  after: After = None, limit: Limit = 100) -> dict[str, Any]:
    """List what was not brought home, or not whole, and why."""
    operations.retrieve(session, import_id)
    rows, more = queries.problems(session, import_id, kind=kind, after=after, limit=limit)
    return page_of(rows, has_more=more)
