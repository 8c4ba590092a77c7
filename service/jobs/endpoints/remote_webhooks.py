"""HTTP face of other servers' webhooks: no API key, but a signature that only the provider can make."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Path, Request
from fastapi.concurrency import run_in_threadpool

from service.credentials import operations as credentials
from service.jobs.errors import ForgedWebhook, UnreadableWebhook
from service.jobs.operations import remote
from service.jobs.operations.remote_hints import look_now
from service.jobs.schemas.remote_webhooks import Received
from service.jobs.signatures import is_genuine
from service.kit.admission import admitted
from service.kit.database import DISPATCH, NOBODY, Scope, database_now, transaction
from service.kit.errors import TooLarge
from service.kit.schemas import PlainStr

router = APIRouter(prefix="/v1/credentials", tags=["Credentials"])
CredentialID = Annotated[PlainStr, Path(max_length=256)]
_LARGEST = 64 * 1024
_LONGEST_ID = 256
_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_BODY = {"requestBody": {"required": True, "content": {"application/json": {"schema": {
    "type": "object", "title": "ProviderEvent", "required": ["type", "data"], "properties": {
        "type": {"type": "string"}, "data": {"type": "object", "required": ["id"], "properties": {
            "id": {"type": "string"}}}}}}}},
    "parameters": [{"name": name, "in": "header", "required": True, "schema": {"type": "string"}} for name in _HEADERS]}


class _Data(msgspec.Struct):
    id: str


class _Event(msgspec.Struct):
    data: _Data


@router.post("/{credential_id}/webhook", operation_id="receiveProviderWebhook", openapi_extra=_BODY)
async def receive(credential_id: CredentialID, request: Request) -> Received:
    """Take a provider's webhook about one of its jobs (`fine_tuning.job.succeeded`, …), as a hint to ask it now.

    Register this address with the provider, and store the signing secret that it shows as the credential's
    `webhook_secret`. Webhooks may be lost, doubled or late: jobs are polled all the same.
    """
    body = await _read(request)
    headers = {name: request.headers.get(name, "") for name in _HEADERS}
    async with admitted():
        await run_in_threadpool(_take, credential_id, headers, body)
    return Received()


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST:
            raise TooLarge(f"A webhook is no longer than {_LARGEST} bytes.", code="request_too_large")
    return bytes(body)


def _take(credential_id: str, headers: dict[str, str], body: bytes) -> None:
    """An unknown credential, one without a secret and a wrong signature are answered alike."""
    with transaction(NOBODY) as session:
        signing = credentials.webhook_keys(session, credential_id)
        now = database_now(session).timestamp()
    message_id, timestamp, signature = (headers[name] for name in _HEADERS)
    if signing is None or not is_genuine(signing.keys, message_id=message_id, timestamp=timestamp,
                                         signature=signature, body=body, now=now):
        raise ForgedWebhook
    remote_id = _job(body)
    with transaction(DISPATCH) as session:
        found = look_now(session, credential_id, remote_id)
    for project_id, job_id in found:  # if this ends here, the pollers see to it
        with transaction(Scope.project(project_id)) as session:
            remote.wake(session, job_id)


def _job(body: bytes) -> str:
    try:
        found: Any = msgspec.json.decode(body, type=_Event).data.id
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise UnreadableWebhook from None
    if not 0 < len(found) <= _LONGEST_ID or not found.isprintable():
        raise UnreadableWebhook
    return str(found)
