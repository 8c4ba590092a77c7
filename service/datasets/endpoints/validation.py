"""Validation: what is wrong with a file, before anybody trains on it."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import StreamingResponse

from service.datasets import operations
from service.datasets.queries import reports as queries
from service.datasets.queries.reports import Sieve
from service.datasets.schemas import reports as schemas
from service.files import operations as files
from service.kit.database import Scope, transaction
from service.kit.pagination import After, Page, page_of
from service.kit.schemas import PlainStr
from service.tenants.access import CurrentProject, ProjectSession

router = APIRouter(prefix="/v1/files/{file_id}/validation", tags=["Datasets"])
FileID = Annotated[PlainStr, Path(max_length=256)]
Line = Annotated[int | None, Query(ge=1, le=2**40)]
_PAGE = 1000
_LINES: dict[int | str, dict[str, Any]] = {200: {"description": "One finding on each line, as the list shows it.",
                                                "content": {"application/jsonl": {"schema": {"type": "string"}}}}}


def _sieve(severity: schemas.Severity | None = None,
           kind: Annotated[PlainStr | None, Query(max_length=64)] = None,
           from_line: Line = None, to_line: Line = None) -> Sieve:
    return Sieve(severity=severity, kind=kind, first_line=from_line, last_line=to_line)


Wanted = Annotated[Sieve, Depends(_sieve)]


@router.get("", operation_id="retrieveFileValidation")
def retrieve_validation(file_id: FileID, session: ProjectSession) -> schemas.Validation:
    """Retrieve the report on a file with purpose fine-tune: the verdict and its reasons, tokens, duplicates, quality.

    Every line is read as soon as the file is uploaded; `progress` tells how far that is.
    """
    return operations.validation(session, file_id)


@router.get("/findings", operation_id="listFileValidationFindings", response_model=Page[schemas.Finding])
def list_findings(file_id: FileID, session: ProjectSession, wanted: Wanted,
                  limit: Annotated[int, Query(ge=1, le=1000)] = 100, after: After = None) -> dict[str, Any]:
    """List what is wrong with a file: the line, what is the matter, and how to mend it.

    The first 1,000 findings of each kind are kept; the report counts all of them.
    """
    operations.validation(session, file_id)
    rows, more = queries.findings(session, files.canonical(session, file_id), wanted, after=after, limit=limit)
    return page_of(rows, has_more=more)


@router.get("/findings/content", operation_id="downloadFileValidationFindings", response_class=StreamingResponse,
            responses=_LINES)
def download_findings(file_id: FileID, session: ProjectSession, caller: CurrentProject,
                      wanted: Wanted) -> StreamingResponse:
    """Download all kept findings as JSON lines, with the same filters as the list."""
    operations.validation(session, file_id)
    ours = files.canonical(session, file_id)
    return StreamingResponse(_lines(caller.scope, ours, wanted), media_type="application/jsonl", headers={
        "x-content-type-options": "nosniff", "content-disposition": "attachment; filename=findings.jsonl"})


@router.get("/tokens", operation_id="countFileTokens")
def count_tokens(file_id: FileID, session: ProjectSession, tokenizer: Annotated[PlainStr, Query(
        max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="o200k_base, cl100k_base, or the id of a base model that is trained here, whose own tokenizer,"
                    " chat template and loss mask are then used.")] = "o200k_base") -> schemas.TokenCount:
    """Count the tokens of a file by a tokenizer of your choice; `pending` until a worker has done it: ask again."""
    return operations.count_shown(session, file_id, tokenizer)


def _lines(scope: Scope, file_id: str, wanted: Sieve) -> Iterator[bytes]:
    """Page after page, each in a transaction of its own, so that none is open while somebody reads slowly."""
    after, more = None, True
    while more:
        with transaction(scope) as session:
            rows, more = queries.findings(session, file_id, wanted, after=after, limit=_PAGE)
        for row in rows:
            after = row.id
            yield schemas.Finding.model_validate(row).model_dump_json().encode() + b"\n"
