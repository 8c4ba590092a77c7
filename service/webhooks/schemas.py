"""Wire shapes of webhook endpoints."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticKnownError

from service.events.types import EventType
from service.kit.schemas import Answer, PlainStr, Request, Timestamp

_KNOWN = tuple(each.value for each in EventType)


def _known(value: str) -> str:
    if value not in _KNOWN:
        raise PydanticKnownError("literal_error", {"expected": ", ".join(f"'{each}'" for each in _KNOWN)})
    return value


def _distinct(values: list[str]) -> list[str]:
    return list(dict.fromkeys(values))


EventName = Annotated[PlainStr, AfterValidator(_known), Field(json_schema_extra={"enum": list(_KNOWN)})]
EventNames = Annotated[list[EventName], Field(min_length=1, max_length=100), AfterValidator(_distinct)]
Name = Annotated[PlainStr, Field(min_length=1, max_length=256)]
URL = Annotated[PlainStr, Field(min_length=1, max_length=2048)]


class EndpointCreate(Request):
    name: Name
    url: URL
    event_types: EventNames


class EndpointUpdate(Request):
    """Fields that are left out stay as they are."""

    name: Name | None = None
    url: URL | None = None
    event_types: EventNames | None = None


class SecretRotate(Request):
    keep_old_secret_active_for_24_hours: bool = False


class EndpointTest(Request):
    event_type: EventName


class Endpoint(Answer):
    id: str
    object: Literal["webhook_endpoint"] = "webhook_endpoint"
    name: str
    url: str
    event_types: list[str]
    created_at: Timestamp
    updated_at: Timestamp
    disabled_at: Timestamp | None
    """When the receiver answered 410 Gone; an update takes deliveries up again. Not a field of OpenAI's."""
    signing_secret_hint: str


class EndpointWithSecret(Endpoint):
    signing_secret: str
    """Shown here and never again."""


class DeletedEndpoint(Answer):
    id: str
    object: Literal["webhook_endpoint.deleted"] = "webhook_endpoint.deleted"
    deleted: Literal[True] = True


class EndpointTestResult(Answer):
    object: Literal["webhook_endpoint.test"] = "webhook_endpoint.test"
    webhook_endpoint_id: str
    event_type: str
    status_code: int
    success: Literal[True] = True


class EventTypeList(Answer):
    object: Literal["list"] = "list"
    data: list[str]
