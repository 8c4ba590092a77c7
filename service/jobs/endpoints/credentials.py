"""HTTP face of deleting credentials: refused while jobs need one, so it is here and not in the slice below."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from service.credentials.schemas import DeletedCredential
from service.jobs import operations
from service.kit.schemas import PlainStr
from service.tenants.access import AdminSession, CurrentAdmin, CurrentProject, ProjectSession

router = APIRouter(prefix="/v1", tags=["Credentials"])
CredentialID = Annotated[PlainStr, Path(max_length=256)]
Force = Annotated[bool, Query(description=(
    "Delete it though its server has jobs. For a key that does not work any more: with one that does, cancel the jobs"
    " first. They end here as failed, and nobody can end them there with it. The server may go on training them and"
    " charging for them: what they were expected to cost is booked."))]


@router.delete("/credentials/{credential_id}", operation_id="deleteCredential")
def delete_credential(session: ProjectSession, caller: CurrentProject, credential_id: CredentialID, *,
                      force: Force = False) -> DeletedCredential:
    """Delete a credential: its secret is erased. Refused while its server has jobs, unless `force` is asked for.

    Jobs that were not sent yet fail. `force` is for a key that does not work any more: with one that does, cancel the
    jobs first. Copies of files stay at the server, and the answer tells which: to have them erased, delete the files
    first, and the credential some ten minutes later. Tuned models that it led to do not answer until a credential for
    the same server is stored and checked.
    """
    return operations.delete_credential(session, credential_id, force=force, by=caller.key_id)


@router.delete("/organization/credentials/{shared_credential_id}", operation_id="deleteOrganizationCredential")
def delete_shared_credential(session: AdminSession, caller: CurrentAdmin, shared_credential_id: CredentialID, *,
                             force: Force = False) -> DeletedCredential:
    """Delete one of the organization's: its secret is erased. Refused while its server has jobs of any project, unless
    `force` is asked for.

    Jobs that were not sent yet fail. `force` is for a key that does not work any more: with one that does, cancel the
    jobs first. Copies of files stay at the server, and the answer tells which: to have them erased, delete the files
    first, and the credential some ten minutes later. Tuned models that it led to do not answer until a credential for
    the same server is stored and checked.
    """
    return operations.delete_shared_credential(session, shared_credential_id, force=force, by=caller.key_id)
