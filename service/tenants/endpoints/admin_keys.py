"""Admin keys: they administer the organization, and open no project."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path

from service.kit.pagination import After, Order, Page, page_of
from service.kit.schemas import PlainStr
from service.tenants import operations, queries, schemas
from service.tenants.access import AdminSession, CurrentAdmin, RevokingSession
from service.tenants.endpoints.projects import Limit
from service.tenants.tables import APIKey

router = APIRouter(prefix="/admin_api_keys", tags=["Admin API keys"])
KeyID = Annotated[PlainStr, Path(max_length=256)]


@router.post("", response_model=schemas.NewAdminKey, operation_id="createAdminAPIKey")
def create(session: AdminSession, caller: CurrentAdmin, body: schemas.AdminKeyCreate) -> dict[str, Any]:
    """Make an admin key, which is shown here only."""
    life = timedelta(seconds=body.expires_in_seconds) if body.expires_in_seconds else None
    key, plain = operations.create_admin_key(session, caller.organization_id, body.name, expires_in=life,
                                             by=caller.key_id)
    return {"id": key.id, "name": key.name, "redacted_value": key.redacted_value, "created_at": key.created_at,
            "last_used_at": key.last_used_at, "expires_at": key.expires_at, "owner": key.owner, "value": plain}


@router.get("", response_model=Page[schemas.AdminKey], operation_id="listAdminAPIKeys")
def list_keys(session: AdminSession, after: After = None, limit: Limit = 20,
              order: Order = "asc") -> dict[str, Any]:
    """List the organization's admin keys, oldest first unless asked otherwise."""
    rows, more = queries.admin_keys(session, after=after, limit=limit, order=order)
    return page_of(rows, has_more=more)


@router.get("/{key_id}", response_model=schemas.AdminKey, operation_id="retrieveAdminAPIKey")
def retrieve(session: AdminSession, key_id: KeyID) -> APIKey:
    """Retrieve one admin key."""
    return queries.admin_key(session, key_id)


@router.delete("/{key_id}", response_model=schemas.DeletedAdminKey, operation_id="deleteAdminAPIKey")
def delete(session: RevokingSession, caller: CurrentAdmin, key_id: KeyID) -> APIKey:
    """Delete an admin key; the last one that works cannot be deleted."""
    return operations.delete_admin_key(session, key_id, by=caller.key_id)
