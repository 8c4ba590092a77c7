"""Service accounts: what a team's programs call as; each has one or more keys."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path

from service.kit.pagination import After, Page, page_of
from service.kit.schemas import PlainStr
from service.tenants import operations, queries, schemas
from service.tenants.access import AdminSession, CurrentAdmin, RevokingSession
from service.tenants.endpoints.projects import Limit, ProjectID
from service.tenants.errors import KeyForNobody
from service.tenants.tables import APIKey, ServiceAccount

router = APIRouter(prefix="/projects/{project_id}/service_accounts", tags=["Service accounts"])
AccountID = Annotated[PlainStr, Path(max_length=256)]


@router.post("", response_model=schemas.NewServiceAccount, operation_id="createProjectServiceAccount")
def create(session: AdminSession, caller: CurrentAdmin, project_id: ProjectID,
           body: schemas.ServiceAccountCreate) -> dict[str, Any]:
    """Make a service account with its first key, which is shown here only."""
    if body.create_service_account_only and body.expires_in_seconds:
        raise KeyForNobody
    account, key, plain = operations.create_service_account(
        session, queries.active_project(session, project_id), body.name, by=caller.key_id,
        with_key=not body.create_service_account_only, expires_in=_life(body.expires_in_seconds))
    return {"id": account.id, "name": account.name, "role": account.role, "created_at": account.created_at,
            "api_key": _shown(key, plain) if key else None}


@router.get("", response_model=Page[schemas.ServiceAccount], operation_id="listProjectServiceAccounts")
def list_service_accounts(session: AdminSession, project_id: ProjectID, after: After = None,
                          limit: Limit = 20) -> dict[str, Any]:
    """List a project's service accounts, newest first."""
    rows, more = queries.service_accounts(session, project_id, after=after, limit=limit)
    return page_of(rows, has_more=more)


@router.get("/{service_account_id}", response_model=schemas.ServiceAccount,
            operation_id="retrieveProjectServiceAccount")
def retrieve(session: AdminSession, project_id: ProjectID, service_account_id: AccountID) -> ServiceAccount:
    """Retrieve one service account."""
    return queries.service_account(session, project_id, service_account_id)


@router.post("/{service_account_id}", response_model=schemas.ServiceAccount,
             operation_id="updateProjectServiceAccount")
def update(session: AdminSession, caller: CurrentAdmin, project_id: ProjectID, service_account_id: AccountID,
           body: schemas.ServiceAccountUpdate) -> ServiceAccount:
    """Change a service account's name or role."""
    return operations.update_service_account(session, project_id, service_account_id, name=body.name, role=body.role,
                                             by=caller.key_id)


@router.delete("/{service_account_id}", response_model=schemas.DeletedServiceAccount,
               operation_id="deleteProjectServiceAccount")
def delete(session: RevokingSession, caller: CurrentAdmin, project_id: ProjectID,
           service_account_id: AccountID) -> ServiceAccount:
    """Delete a service account; its keys stop working."""
    return operations.delete_service_account(session, project_id, service_account_id, by=caller.key_id)


@router.post("/{service_account_id}/api_keys", response_model=schemas.NewKey,
             operation_id="createProjectServiceAccountAPIKey")
def create_key(session: AdminSession, caller: CurrentAdmin, project_id: ProjectID, service_account_id: AccountID,
               body: schemas.KeyCreate | None = None) -> dict[str, Any]:
    """Give a service account another key, which is shown here only; delete the old one when it is out of use."""
    queries.active_project(session, project_id)
    account = queries.service_account(session, project_id, service_account_id)
    wanted = body or schemas.KeyCreate()
    key, plain = operations.create_account_key(session, account, wanted.name or account.name, by=caller.key_id,
                                               expires_in=_life(wanted.expires_in_seconds))
    return _shown(key, plain)


def _life(seconds: int | None) -> timedelta | None:
    return timedelta(seconds=seconds) if seconds else None


def _shown(key: APIKey, plain: str) -> dict[str, Any]:
    return {"id": key.id, "name": key.name, "value": plain, "created_at": key.created_at,
            "expires_at": key.expires_at}
