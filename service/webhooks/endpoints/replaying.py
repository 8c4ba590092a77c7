"""Sending again: one delivery, or all of a span of time; and how an endpoint has fared."""

from fastapi import APIRouter

from service.kit.repetitions import OnceOnly
from service.kit.schemas import Request
from service.tenants.access import ProjectSession
from service.webhooks import queries, schemas
from service.webhooks.endpoints.deliveries import DeliveryID
from service.webhooks.endpoints.registration import EndpointID
from service.webhooks.operations import replaying, resending
from service.webhooks.tables import WebhookDelivery

router = APIRouter(prefix="/v1")


@router.post("/webhook_deliveries/{webhook_delivery_id}/resend", response_model=schemas.Delivery,
             operation_id="resendWebhookDelivery")
def resend(session: ProjectSession, webhook_delivery_id: DeliveryID, once: OnceOnly) -> WebhookDelivery:
    """Deliver once more, at once, under the same webhook-id: what failed, what waits and what was delivered.

    The schedule of tries begins anew. Asked twice while the delivery waits, it is sent once. Not in OpenAI's API.
    """
    return once.do(session, Request(), lambda: resending.resend(session, webhook_delivery_id),
                   remember=lambda made: {"id": made.id}, recall=lambda made: queries.delivery(session, made["id"]))


@router.post("/webhook_endpoints/{webhook_endpoint_id}/replay", response_model=schemas.Replay,
             operation_id="replayWebhookEndpoint")
def replay(session: ProjectSession, webhook_endpoint_id: EndpointID, body: schemas.ReplayCreate,
           once: OnceOnly) -> schemas.Replay:
    """Deliver once more what happened since a time: what was given up, what was missed, or everything.

    One request queues up to 10,000 deliveries, the oldest events first, and tells whether there is more. What is on
    its way already is not sent twice: `pending` counts it, `matched` does not. Not in OpenAI's API.
    """
    return once.do(session, body, lambda: replaying.replay(session, webhook_endpoint_id, body),
                   remember=lambda made: made.model_dump(mode="json"), recall=schemas.Replay.model_validate)


@router.get("/webhook_endpoints/{webhook_endpoint_id}/stats", response_model=schemas.Stats,
            operation_id="retrieveWebhookEndpointStats")
def stats(session: ProjectSession, webhook_endpoint_id: EndpointID) -> schemas.Stats:
    """Count an endpoint's deliveries by state, and its last day's attempts by how they ended. Not in OpenAI's API."""
    return queries.stats(session, webhook_endpoint_id)
