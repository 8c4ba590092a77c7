"""HTTP face of the spend ledger."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from service.kit.pagination import After, page_of
from service.kit.schemas import PlainStr
from service.tenants.access import CurrentProject, ProjectSession
from service.usage import queries, schemas

router = APIRouter(prefix="/v1/usage", tags=["Usage"])
Limit = Annotated[int, Query(ge=1, le=1000, description="How many to return, at most.")]
JobId = Annotated[PlainStr | None, Query(max_length=256, description="Only what this job moved.")]


@router.get("/ledger", operation_id="listLedgerEntries", response_model=schemas.LedgerEntryList)
def list_entries(session: ProjectSession, after: After = None, limit: Limit = 20,
                 fine_tuning_job_id: JobId = None) -> dict[str, Any]:
    """List what was held, settled and released for training at servers that take money, newest first."""
    rows, more = queries.entries(session, job_id=fine_tuning_job_id, after=after, limit=limit)
    return page_of(rows, has_more=more)


@router.get("/spending", operation_id="retrieveSpending", response_model=schemas.Spending)
def retrieve_spending(session: ProjectSession, caller: CurrentProject) -> dict[str, Any]:
    """Retrieve what the project has spent in this month, what is reserved, and at which sums others are told."""
    found = queries.spending(session, caller.project_id)
    return {"project_id": caller.project_id, "month": found.month, "settled_micro_dollars": found.settled,
            "held_micro_dollars": found.held, "spent_micro_dollars": found.settled + found.held,
            "spend_thresholds": queries.spend_thresholds(session, caller.project_id)}
