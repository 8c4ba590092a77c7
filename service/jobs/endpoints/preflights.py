"""HTTP face of pre-flights: what a job would be, told before it is started."""

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from sqlalchemy.orm import Session

from service.jobs import operations, queries
from service.jobs.schemas import preflights as schemas
from service.kit.pagination import After, page_of
from service.kit.schemas import PlainStr
from service.tenants.access import Caller, CurrentProject, ProjectSession, in_transaction

router = APIRouter(prefix="/v1/fine_tuning/preflights", tags=["Fine-tuning"])
PreflightId = Annotated[PlainStr, Path(max_length=256, description="Id of the pre-flight: preflight_…")]
Wait = Annotated[float, Query(ge=0, le=60, allow_inf_nan=False,
                              description="How long to wait for the verdict, in seconds.")]
_FIRST_LOOK, _LATER_LOOK = 0.2, 1.0


@router.post("", operation_id="createPreflight", response_model=schemas.Preflight)
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


@router.get("", operation_id="listPreflights")
def list_preflights(session: ProjectSession, after: After = None,
                    limit: Annotated[int, Query(ge=1, le=100)] = 20) -> schemas.PreflightList:
    """List the project's pre-flights, newest first."""
    rows, more = queries.preflights(session, after=after, limit=limit)
    told = [operations.shown(session, row) for row in rows]
    return schemas.PreflightList.model_validate(page_of(told, has_more=more))


@router.get("/{preflight_id}", operation_id="retrievePreflight")
def retrieve_preflight(preflight_id: PreflightId, session: ProjectSession) -> schemas.Preflight:
    """Retrieve one pre-flight; once completed, it never changes."""
    return operations.retrieve_preflight(session, preflight_id)
