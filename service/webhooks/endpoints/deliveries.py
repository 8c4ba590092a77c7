"""What was delivered and what was not: /v1/webhook_deliveries, and the lists of an endpoint's and an event's."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query

from service.events import queries as events
from service.events.naming import EventNameOrGroup, types_among
from service.kit.pagination import After, Page, page_of
from service.kit.schemas import PlainStr
from service.tenants.access import ProjectSession
from service.webhooks import queries, schemas
from service.webhooks.endpoints.registration import EndpointID
from service.webhooks.outcomes import ErrorClass
from service.webhooks.queries import Wanted
from service.webhooks.schemas import LATEST, beginning, end
from service.webhooks.tables import WebhookDelivery

router = APIRouter(prefix="/v1")
DeliveryID = Annotated[PlainStr, Path(max_length=256)]
EventID = Annotated[PlainStr, Path(max_length=256)]
Limit = Annotated[int, Query(ge=1, le=100)]
Moment = Annotated[int | None, Query(ge=0, le=LATEST)]


def _filters(state: Annotated[schemas.State | None, Query()] = None,
             event_type: Annotated[list[EventNameOrGroup] | None, Query(
                 max_length=100, description="Types or groups of them; may be repeated.")] = None,
             error_class: Annotated[ErrorClass | None, Query(description="Of the last attempt.")] = None,
             since: Annotated[Moment, Query(description="Planned in this second, Unix time, or later.")] = None,
             until: Annotated[Moment, Query(description="Planned in this second or earlier.")] = None) -> Wanted:
    return Wanted(state=state, event_types=types_among(event_type or ()), error_class=error_class,
                  since=None if since is None else beginning(since), until=None if until is None else end(until))


Filters = Annotated[Wanted, Depends(_filters)]


@router.get("/webhook_endpoints/{webhook_endpoint_id}/deliveries", response_model=Page[schemas.Delivery],
            operation_id="listWebhookEndpointDeliveries")
def of_endpoint(session: ProjectSession, webhook_endpoint_id: EndpointID, filters: Filters, after: After = None,
                limit: Limit = 20) -> dict[str, Any]:
    """List what was and is to be delivered to an endpoint, newest first. Not in OpenAI's API."""
    queries.endpoint(session, webhook_endpoint_id)
    wanted = replace(filters, endpoint_id=webhook_endpoint_id)
    rows, more = queries.deliveries(session, wanted, after=after, limit=limit)
    return page_of(rows, has_more=more)


@router.get("/events/{event_id}/deliveries", response_model=Page[schemas.Delivery],
            operation_id="listEventDeliveries")
def of_event(session: ProjectSession, event_id: EventID, after: After = None, limit: Limit = 20) -> dict[str, Any]:
    """List the deliveries of one event to all endpoints, also to those that were deleted. Not in OpenAI's API."""
    events.event(session, event_id)
    rows, more = queries.deliveries(session, Wanted(event_id=event_id), after=after, limit=limit)
    return page_of(rows, has_more=more)


@router.get("/webhook_deliveries/{webhook_delivery_id}", response_model=schemas.Delivery,
            operation_id="retrieveWebhookDelivery")
def retrieve(session: ProjectSession, webhook_delivery_id: DeliveryID) -> WebhookDelivery:
    """Retrieve one delivery: its state, and how its last attempt ended. Not in OpenAI's API."""
    return queries.delivery(session, webhook_delivery_id)


@router.get("/webhook_deliveries/{webhook_delivery_id}/attempts", response_model=Page[schemas.Attempt],
            operation_id="listWebhookDeliveryAttempts")
def attempts(session: ProjectSession, webhook_delivery_id: DeliveryID, after: After = None,
             limit: Limit = 20) -> dict[str, Any]:
    """List a delivery's attempts, newest first, with the heads that went and came. Not in OpenAI's API."""
    known = queries.delivery(session, webhook_delivery_id)
    rows, more = queries.attempts(session, known.id, after=after, limit=limit)
    return page_of(rows, has_more=more)
