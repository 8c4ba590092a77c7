"""HTTP face of fine-tuning jobs, their log and their checkpoints."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from service.jobs import operations, queries, tables
from service.jobs.errors import InvalidMetadataFilter
from service.jobs.schemas import jobs as schemas
from service.kit.pagination import After, page_of
from service.kit.repetitions import OnceOnly
from service.kit.schemas import PlainStr
from service.tenants.access import CurrentProject, ProjectSession

router = APIRouter(prefix="/v1/fine_tuning/jobs", tags=["Fine-tuning"])
JobId = Annotated[PlainStr, Path(max_length=256, description="Id of the job: ftjob-…")]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many to return, at most.")]
_PAIR = re.compile(r"^metadata\[(.*)\]$", re.DOTALL)
_METADATA_PARAMETER: dict[str, Any] = {"parameters": [{
    "name": "metadata", "in": "query", "style": "deepObject", "explode": True,
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
    "description": "Only jobs that carry these pairs: metadata[key]=value. `metadata=null`: jobs without metadata."}]}


@router.post("", operation_id="createFineTuningJob", response_model=schemas.Job)
def create_job(body: schemas.JobCreate, caller: CurrentProject, session: ProjectSession,
               response: Response, once: OnceOnly) -> tables.Job:
    """Start fine-tuning a model on an uploaded file; with an Idempotency-Key, once, however often it is asked for.

    Deprecation and Sunset headers tell of a model's end; where a model mapping has another one trained, the header
    x-tuneworks-answered-by names it.
    """
    job = once.do(session, body, lambda: operations.create(session, caller, body),
                  remember=lambda made: {"id": made.id}, recall=lambda made: operations.retrieve(session, made["id"]))
    response.headers.update(operations.headers(session, job, asked=body.model))
    return job


@router.get("", operation_id="listPaginatedFineTuningJobs", response_model=schemas.JobList,
            openapi_extra=_METADATA_PARAMETER)
def list_jobs(request: Request, session: ProjectSession, after: After = None, limit: Limit = 20) -> dict[str, Any]:
    """List the project's jobs, newest first."""
    metadata, without = _metadata_filter(request)
    rows, more = queries.jobs(session, metadata=metadata, without_metadata=without, after=after, limit=limit)
    return page_of(rows, has_more=more)


def _metadata_filter(request: Request) -> tuple[dict[str, str], bool]:
    """The pairs to look for, and whether jobs without metadata are meant. Raises InvalidMetadataFilter."""
    pairs: dict[str, str] = {}
    without = False
    for name, value in request.query_params.multi_items():
        pair = _PAIR.match(name)
        if "\x00" in name + value:
            raise InvalidMetadataFilter("contains a NUL character, which no metadata holds")
        if pair:
            pairs[pair[1]] = value
        elif name == "metadata" and value == "null":
            without = True
        elif name == "metadata" and value:
            raise InvalidMetadataFilter("not a filter")
    if pairs and without:
        raise InvalidMetadataFilter("both forms at once")
    return pairs, without


@router.get("/{fine_tuning_job_id}", operation_id="retrieveFineTuningJob", response_model=schemas.Job)
def retrieve_job(fine_tuning_job_id: JobId, session: ProjectSession, response: Response) -> tables.Job:
    """Retrieve one job."""
    job = operations.retrieve(session, fine_tuning_job_id)
    response.headers.update(operations.headers(session, job))
    return job


@router.post("/{fine_tuning_job_id}/cancel", operation_id="cancelFineTuningJob", response_model=schemas.Job)
def cancel_job(fine_tuning_job_id: JobId, session: ProjectSession) -> tables.Job:
    """Cancel a job; one that runs ends within seconds, and its provider decides how."""
    return operations.cancel(session, fine_tuning_job_id)


@router.post("/{fine_tuning_job_id}/pause", operation_id="pauseFineTuningJob", response_model=schemas.Job)
def pause_job(fine_tuning_job_id: JobId, session: ProjectSession) -> tables.Job:
    """Pause a job; one that runs stops within seconds at a checkpoint."""
    return operations.pause(session, fine_tuning_job_id)


@router.post("/{fine_tuning_job_id}/resume", operation_id="resumeFineTuningJob", response_model=schemas.Job)
def resume_job(fine_tuning_job_id: JobId, session: ProjectSession) -> tables.Job:
    """Put a paused job back into the queue; it goes on from its newest checkpoint."""
    return operations.resume(session, fine_tuning_job_id)


@router.get("/{fine_tuning_job_id}/events", operation_id="listFineTuningEvents",
            response_model=schemas.JobEventList)
def list_events(fine_tuning_job_id: JobId, session: ProjectSession, after: After = None,
                limit: Limit = 20) -> dict[str, Any]:
    """List a job's log, newest first."""
    job = operations.retrieve(session, fine_tuning_job_id)
    rows, more = queries.events(session, job.id, after=after, limit=limit)
    return page_of(rows, has_more=more)


@router.get("/{fine_tuning_job_id}/checkpoints", operation_id="listFineTuningJobCheckpoints",
            response_model=schemas.CheckpointList)
def list_checkpoints(fine_tuning_job_id: JobId, session: ProjectSession, after: After = None,
                     limit: Limit = 10) -> dict[str, Any]:
    """List a job's checkpoints, newest first; the last three are kept."""
    job = operations.retrieve(session, fine_tuning_job_id)
    rows, more = queries.checkpoints(session, job.id, after=after, limit=limit)
    page = page_of(rows, has_more=more)
    shown = [schemas.Checkpoint.model_validate(row) for row in rows]
    return page | {"data": [each.model_copy(update={"fine_tuning_job_id": job.shown_id}) for each in shown]}
