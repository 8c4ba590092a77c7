"""The audit log: who administered what, and when."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from service.kit.pagination import After, Page, page_of
from service.kit.schemas import PlainStr
from service.tenants import queries, schemas
from service.tenants.access import AdminSession
from service.tenants.endpoints.projects import Limit
from service.tenants.operations import CLI
from service.tenants.queries import AuditFilter
from service.tenants.tables import AuditEntry

router = APIRouter(prefix="/audit_logs", tags=["Audit logs"])
Values = list[Annotated[PlainStr, Field(max_length=256)]]
_END = 2**40
Second = Annotated[int | None, Field(ge=0, le=_END)]


def chosen_range(gte: Annotated[Second, Query(alias="effective_at[gte]")] = None,
                 lte: Annotated[Second, Query(alias="effective_at[lte]")] = None,
                 gt: Annotated[Second, Query(alias="effective_at[gt]")] = None,
                 lt: Annotated[Second, Query(alias="effective_at[lt]")] = None) -> tuple[int, int]:
    """The first and the last second asked for, both within."""
    return max(gte or 0, 0 if gt is None else gt + 1), min(_END if lte is None else lte, _END if lt is None else lt - 1)


@router.get("", response_model=Page[schemas.AuditLog], operation_id="listAuditLogs")
def list_entries(
        session: AdminSession, effective_at: Annotated[tuple[int, int], Depends(chosen_range)],
        after: After = None, limit: Limit = 20, *,
        event_types: Annotated[Values, Query(alias="event_types[]", max_length=100)] = [],
        project_ids: Annotated[Values, Query(alias="project_ids[]", max_length=100)] = [],
        actor_ids: Annotated[Values, Query(alias="actor_ids[]", max_length=100)] = [],
        resource_ids: Annotated[Values, Query(alias="resource_ids[]", max_length=100)] = [],
        ) -> dict[str, Any]:
    """List what was administered, newest first."""
    wanted = AuditFilter(tuple(event_types), tuple(project_ids), tuple(actor_ids), tuple(resource_ids), *effective_at)
    rows, more = queries.audit_entries(session, wanted, after=after, limit=limit)
    return page_of(rows, has_more=more) | {"data": [_shown(row) for row in rows]}


def _shown(entry: AuditEntry) -> dict[str, Any]:
    by_cli = entry.actor == CLI
    return {"id": entry.id, "type": entry.action, "effective_at": entry.created_at,
            "actor": {"type": "cli", "api_key": None} if by_cli else
                     {"type": "api_key", "api_key": {"id": entry.actor}},
            "project": {"id": entry.project_id} if entry.project_id else None,
            entry.action: {"id": entry.subject, **entry.details}}
