"""Credentials of a project, and those of its organization that it may use."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from sqlalchemy.orm import Session

from service.credentials import operations, queries, schemas
from service.credentials.endpoints.addresses import look_at
from service.credentials.operations.sealing import Owner
from service.credentials.tables import Credential
from service.kit.pagination import After, Page, page_of
from service.kit.schemas import PlainStr
from service.tenants.access import Caller, CurrentProject, ProjectSession, in_transaction

router = APIRouter(prefix="/credentials")
CredentialID = Annotated[PlainStr, Path(max_length=256)]
Limit = Annotated[int, Query(ge=1, le=100)]


@router.post("", response_model=schemas.Credential, operation_id="createCredential")
async def create(caller: CurrentProject, body: schemas.CredentialCreate) -> Credential:
    """Store the key to another server, encrypted. It is checked at once, and never shown again."""
    await look_at(body.base_url)
    owner = Owner(caller.organization_id, caller.project_id)
    return await in_transaction(caller, operations.create, owner, body, by=caller.key_id)


@router.get("", response_model=Page[schemas.CredentialSummary], operation_id="listCredentials")
def list_credentials(session: ProjectSession, after: After = None, limit: Limit = 20,
                     provider: schemas.Provider | None = None) -> dict[str, Any]:
    """List the credentials that the project may use, newest first."""
    rows, more = queries.credentials(session, provider=provider, after=after, limit=limit)
    return page_of(rows, has_more=more)


@router.get("/{credential_id}", response_model=schemas.Credential, operation_id="retrieveCredential")
def retrieve(session: ProjectSession, credential_id: CredentialID) -> Credential:
    """Retrieve one credential, with the models that its server lists."""
    return queries.credential(session, credential_id)


@router.post("/{credential_id}", response_model=schemas.Credential, operation_id="updateCredential")
async def update(caller: CurrentProject, credential_id: CredentialID, body: schemas.CredentialUpdate) -> Credential:
    """Change a credential, for instance to a new secret; it is checked again."""
    await look_at(body.base_url)
    return await in_transaction(caller, _update, caller, credential_id, body)


def _update(session: Session, caller: Caller, credential_id: str, body: schemas.CredentialUpdate) -> Credential:
    """The work item of its check is locked before it is, as the check's worker does."""
    operations.ask_for_check(session, queries.own_credential(session, credential_id))
    row = queries.own_credential(session, credential_id, lock=True)
    return operations.update(session, row, body, by=caller.key_id)


@router.post("/{credential_id}/check", response_model=schemas.Credential, operation_id="checkCredential")
def check(session: ProjectSession, credential_id: CredentialID) -> Credential:
    """Have a worker ask the server whether it takes the credential, and what models it lists."""
    row = queries.credential(session, credential_id)
    operations.ask_for_check(session, row)
    return row
