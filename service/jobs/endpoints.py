"""HTTP face of fine-tuning jobs."""

import asyncio
import re
import time
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy.orm import Session

from service.jobs import operations, queries, schemas, tables
from service.jobs.errors import InvalidMetadataFilter
from service.kit.pagination import After, page_of
from service.kit.schemas import PlainStr
from service.tenants.access import Caller, CurrentProject, ProjectSession, in_transaction

router = APIRouter(prefix="/v1/fine_tuning/jobs", tags=["Fine-tuning"])
policies = APIRouter(prefix="/v1/fine_tuning/policy", tags=["Fine-tuning"])
erasure = APIRouter(prefix="/v1/datasets", tags=["Datasets"])
preflights = APIRouter(prefix="/v1/fine_tuning/preflights", tags=["Fine-tuning"])
PreflightId = Annotated[PlainStr, Path(max_length=256, description="Id of the pre-flight: preflight_…")]
Wait = Annotated[float, Query(ge=0, le=60, allow_inf_nan=False,
                              description="How long to wait for the verdict, in seconds.")]
_FIRST_LOOK, _LATER_LOOK = 0.2, 1.0
JobId = Annotated[PlainStr, Path(max_length=256, description="Id of the job: ftjob-…")]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many to return, at most.")]
_PAIR = re.compile(r"^metadata\[(.*)\]$", re.DOTALL)
_METADATA_PARAMETER: dict[str, Any] = {"parameters": [{
    "name": "metadata", "in": "query", "style": "deepObject", "explode": True,
    "schema": {"type": "object", "additionalProperties": {"type": "string"}},
    "description": "Only jobs that carry these pairs: metadata[key]=value. `metadata=null`: jobs without metadata."}]}


@router.post("", operation_id="createFineTuningJob", response_model=schemas.Job)
def create_job(body: schemas.JobCreate, caller: CurrentProject, session: ProjectSession) -> tables.Job:
    """Start fine-tuning a model on an uploaded file."""
    return operations.create(session, caller, body)


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
def retrieve_job(fine_tuning_job_id: JobId, session: ProjectSession) -> tables.Job:
    """Retrieve one job."""
    return operations.retrieve(session, fine_tuning_job_id)


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
    operations.retrieve(session, fine_tuning_job_id)
    rows, more = queries.events(session, fine_tuning_job_id, after=after, limit=limit)
    return page_of(rows, has_more=more)


@router.get("/{fine_tuning_job_id}/checkpoints", operation_id="listFineTuningJobCheckpoints",
            response_model=schemas.CheckpointList)
def list_checkpoints(fine_tuning_job_id: JobId, session: ProjectSession, after: After = None,
                     limit: Limit = 10) -> dict[str, Any]:
    """List a job's checkpoints, newest first; the last three are kept."""
    operations.retrieve(session, fine_tuning_job_id)
    rows, more = queries.checkpoints(session, fine_tuning_job_id, after=after, limit=limit)
    return page_of(rows, has_more=more)


@policies.get("", operation_id="retrieveTrainingPolicy", response_model=schemas.Policy)
def retrieve_policy(caller: CurrentProject, session: ProjectSession) -> dict[str, Any]:
    """Retrieve what the project demands of data before a job may train on it; administrators set it on the project.

    A job whose data does not meet it is refused, or fails with the code training_policy.
    """
    return {"project_id": caller.project_id,
            "training_policy": queries.training_policy(session, caller.project_id)}


# -- deleting data, which is refused while jobs used it: so it is here and not in the slice below ------------

DatasetId = Annotated[PlainStr, Path(max_length=256, description="Id of the data set: ds_…")]
VersionName = Annotated[PlainStr, Path(max_length=256, description="Id of the version (dsver_…), or its number.")]
Erase = Annotated[bool, Query(description="Delete also what jobs used. Models that were tuned on it are listed, and"
                                          " stay until they are deleted themselves.")]
DryRun = Annotated[bool, Query(description="Delete nothing, and list what is reached.")]


@erasure.delete("/{dataset_id}", operation_id="deleteDataset")
def delete_dataset(dataset_id: DatasetId, session: ProjectSession, *, erase: Erase = False,
                   dry_run: DryRun = False) -> schemas.DatasetDeletion:
    """Delete a data set and the bytes of all its versions; refused while jobs used one, unless erasure is asked for."""
    return operations.delete_dataset(session, dataset_id, erase=erase, dry_run=dry_run)


@erasure.delete("/{dataset_id}/versions/{version}", operation_id="deleteDatasetVersion")
def delete_version(dataset_id: DatasetId, version: VersionName, session: ProjectSession, *, erase: Erase = False,
                   dry_run: DryRun = False) -> schemas.VersionDeletion:
    """Delete a version with its bytes, findings, previews and reviews; refused while jobs used it, unless erasure is
    asked for.

    The answer lists what was made from it (versions, jobs, tuned models) and what still exists of that, so that a
    person can decide what is to go besides.
    """
    return operations.delete_version(session, dataset_id, version, erase=erase, dry_run=dry_run)


@preflights.post("", operation_id="createPreflight", response_model=schemas.Preflight)
async def create_preflight(body: schemas.PreflightCreate, caller: CurrentProject, wait: Wait = 20.0) -> Any:
    """Tell what a job would be before it is started: what is wrong, what it costs, how long it takes, where it fits.

    The answer is `pending`, with what is known so far, when the files are not read after `wait` seconds.
    """
    deadline = time.monotonic() + wait
    preflight_id = await in_transaction(caller, _create_preflight, caller, body)
    pause = _FIRST_LOOK
    while not await in_transaction(caller, _is_completed, preflight_id):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        await asyncio.sleep(min(pause, left))
        pause = min(_LATER_LOOK, pause * 1.5)
    return await in_transaction(caller, operations.retrieve_preflight, preflight_id)


def _create_preflight(session: Session, caller: Caller, body: schemas.PreflightCreate) -> str:
    return operations.create_preflight(session, caller, body).id


def _is_completed(session: Session, preflight_id: str) -> bool:
    row = queries.preflight(session, preflight_id)
    return row is None or row.status == "completed"


@preflights.get("", operation_id="listPreflights")
def list_preflights(session: ProjectSession, after: After = None,
                    limit: Annotated[int, Query(ge=1, le=100)] = 20) -> schemas.PreflightList:
    """List the project's pre-flights, newest first."""
    rows, more = queries.preflights(session, after=after, limit=limit)
    told = [operations.shown(session, row) for row in rows]
    return schemas.PreflightList.model_validate(page_of(told, has_more=more))


@preflights.get("/{preflight_id}", operation_id="retrievePreflight")
def retrieve_preflight(preflight_id: PreflightId, session: ProjectSession) -> schemas.Preflight:
    """Retrieve one pre-flight; once completed, it never changes."""
    return operations.retrieve_preflight(session, preflight_id)
