"""/v1/webhook_endpoints, wire-exact with OpenAI's SDK."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from service.events.naming import GROUPS
from service.events.types import DESCRIPTIONS, EventType
from service.kit.addresses import ForbiddenAddress, InvalidURL
from service.kit.connections import check_early
from service.kit.pagination import After, Page, page_of
from service.kit.schemas import PlainStr
from service.settings import settings
from service.tenants.access import CurrentProject, ProjectSession, in_transaction
from service.webhooks import operations, queries, schemas
from service.webhooks.errors import TestNotAnswered, UnusableURL
from service.webhooks.sending import destinations, send
from service.webhooks.tables import WebhookEndpoint

router = APIRouter(prefix="/v1")
EndpointID = Annotated[PlainStr, Path(max_length=256)]


@router.post("/webhook_endpoints", response_model=schemas.EndpointWithSecret, operation_id="createWebhookEndpoint")
async def create(caller: CurrentProject, body: schemas.EndpointCreate) -> WebhookEndpoint:
    """Register a URL that is told about events; the signing secret is shown here only."""
    await _check(body.url)
    return await in_transaction(caller, operations.create, caller.project_id, body)


@router.get("/webhook_endpoints", response_model=Page[schemas.Endpoint], operation_id="listWebhookEndpoints")
def list_endpoints(session: ProjectSession, after: After = None,
                   limit: Annotated[int, Query(ge=1, le=100)] = 20) -> dict[str, Any]:
    """List the project's webhook endpoints, newest first."""
    rows, more = queries.endpoints(session, after=after, limit=limit)
    return page_of(rows, has_more=more)


@router.get("/webhook_endpoints/{webhook_endpoint_id}", response_model=schemas.Endpoint,
            operation_id="retrieveWebhookEndpoint")
def retrieve(session: ProjectSession, webhook_endpoint_id: EndpointID) -> WebhookEndpoint:
    """Retrieve one webhook endpoint."""
    return queries.endpoint(session, webhook_endpoint_id)


@router.post("/webhook_endpoints/{webhook_endpoint_id}", response_model=schemas.Endpoint,
             operation_id="updateWebhookEndpoint")
async def update(caller: CurrentProject, webhook_endpoint_id: EndpointID,
                 body: schemas.EndpointUpdate) -> WebhookEndpoint:
    """Change an endpoint's name, URL, event types, payload or kind; a disabled one is taken up again in any case."""
    if body.url is not None:
        await _check(body.url)
    return await in_transaction(caller, operations.update, webhook_endpoint_id, body)


@router.delete("/webhook_endpoints/{webhook_endpoint_id}", response_model=schemas.DeletedEndpoint,
               operation_id="deleteWebhookEndpoint")
def delete(session: ProjectSession, webhook_endpoint_id: EndpointID) -> WebhookEndpoint:
    """Delete an endpoint; nothing more is sent to it."""
    return operations.delete(session, webhook_endpoint_id)


@router.post("/webhook_endpoints/{webhook_endpoint_id}/rotate_secret", response_model=schemas.EndpointWithSecret,
             operation_id="rotateWebhookEndpointSecret")
def rotate_secret(session: ProjectSession, webhook_endpoint_id: EndpointID,
                  body: schemas.SecretRotate | None = None) -> WebhookEndpoint:
    """Give an endpoint a new signing secret, which is shown here only."""
    keep = body is not None and body.keep_old_secret_active_for_24_hours
    return operations.rotate_secret(session, webhook_endpoint_id, keep_old=keep)


@router.post("/webhook_endpoints/{webhook_endpoint_id}/test", response_model=schemas.EndpointTestResult,
             operation_id="testWebhookEndpoint")
async def test(caller: CurrentProject, webhook_endpoint_id: EndpointID, body: schemas.EndpointTest) -> dict[str, Any]:
    """Send a sample event to an endpoint at once and report the status it answered with."""
    message = await in_transaction(caller, operations.sample, webhook_endpoint_id, body.event_type)
    reply = await send(message)
    if reply.status is None:
        raise TestNotAnswered(message.url, reply.error or "")
    return {"webhook_endpoint_id": webhook_endpoint_id, "event_type": body.event_type, "status_code": reply.status}


@router.get("/webhook_event_types", response_model=schemas.EventTypeList, operation_id="listWebhookEventTypes")
def event_types(_: CurrentProject) -> dict[str, Any]:
    """List the types of events that endpoints can subscribe to, the groups of them, and what each type says."""
    return {"data": [each.value for each in EventType], "groups": GROUPS,
            "descriptions": [{"type": each.value, **asdict(DESCRIPTIONS[each])} for each in EventType]}


async def _check(url: str) -> None:
    """Raises UnusableURL for a URL that deliveries would refuse."""
    try:
        await check_early(url, destinations(), through_proxy=bool(settings().webhook_proxy.get_secret_value()))
    except (InvalidURL, ForbiddenAddress) as refused:
        raise UnusableURL(str(refused) if isinstance(refused, InvalidURL) else "leads to an address that is not public"
                          ) from refused
