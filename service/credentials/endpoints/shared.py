"""Credentials of the whole organization: every project may use them, and an admin key manages them."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from sqlalchemy.orm import Session

from service.credentials import operations, queries, schemas
from service.credentials.endpoints.addresses import look_at
from service.credentials.endpoints.projects import Limit
from service.credentials.operations.sealing import Owner
from service.credentials.tables import Credential
from service.kit.pagination import After, Page, page_of
from service.kit.schemas import PlainStr
from service.tenants.access import AdminSession, Caller, CurrentAdmin, in_transaction

router = APIRouter(prefix="/organization/credentials")
SharedID = Annotated[PlainStr, Path(max_length=256)]


@router.post("", response_model=schemas.Credential, operation_id="createOrganizationCredential")
async def create(caller: CurrentAdmin, body: schemas.CredentialCreate) -> Credential:
    """Store a key to another server for all projects, encrypted. It is checked at once, and never shown again."""
    await look_at(body.base_url)
    owner = Owner(caller.organization_id, None)
    return await in_transaction(caller, operations.create, owner, body, by=caller.key_id)


@router.get("", response_model=Page[schemas.CredentialSummary], operation_id="listOrganizationCredentials")
def list_credentials(session: AdminSession, after: After = None, limit: Limit = 20,
                     provider: schemas.Provider | None = None) -> dict[str, Any]:
    """List the organization's own credentials, newest first."""
    rows, more = queries.credentials(session, shared_only=True, provider=provider, after=after, limit=limit)
    return page_of(rows, has_more=more)


@router.get("/{shared_credential_id}", response_model=schemas.Credential,
            operation_id="retrieveOrganizationCredential")
def retrieve(session: AdminSession, shared_credential_id: SharedID) -> Credential:
    """Retrieve one of them, with the models that its server lists."""
    return queries.shared_credential(session, shared_credential_id)


@router.post("/{shared_credential_id}", response_model=schemas.Credential,
             operation_id="updateOrganizationCredential")
async def update(caller: CurrentAdmin, shared_credential_id: SharedID, body: schemas.CredentialUpdate) -> Credential:
    """Change one of them, for instance to a new secret; it is checked again."""
    await look_at(body.base_url)
    return await in_transaction(caller, _update, caller, shared_credential_id, body)


def _update(session: Session, caller: Caller, credential_id: str, body: schemas.CredentialUpdate) -> Credential:
    """The work item of its check is locked before it is, as the check's worker does."""
    operations.ask_for_check(session, queries.shared_credential(session, credential_id))
    row = queries.shared_credential(session, credential_id, lock=True)
    return operations.update(session, row, body, by=caller.key_id)


@router.post("/{shared_credential_id}/check", response_model=schemas.Credential,
             operation_id="checkOrganizationCredential")
def check(session: AdminSession, shared_credential_id: SharedID) -> Credential:
    """Have a worker ask the server whether it takes the credential, and what models it lists."""
    row = queries.shared_credential(session, shared_credential_id)
    operations.ask_for_check(session, row)
    return row
