"""Wire shapes of webhook endpoints, and of what was delivered to them."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field

from service.events.naming import EventName, EventNames
from service.kit.schemas import Answer, PlainStr, Request, Timestamp

Name = Annotated[PlainStr, Field(min_length=1, max_length=256)]
URL = Annotated[PlainStr, Field(min_length=1, max_length=2048)]
Payload = Annotated[Literal["thin", "full"], Field(description=(
    "What `data` of an event is: `thin`, the subject's id, or `full`, also what the event tells of it. Not a field of"
    " OpenAI's."))]
Kind = Annotated[Literal["webhook", "slack"], Field(description=(
    "What is sent: `webhook`, signed events, or `slack`, the messages that Slack and what is compatible with it take at"
    " an incoming webhook; `payload` is then of no account. Not a field of OpenAI's."))]
Listened = Annotated[EventNames, Field(description=(
    "Types of events, groups of them such as `fine_tuning.job.*`, or `*` for all. Types that come later belong to their"
    " groups too. Groups are not OpenAI's."))]
State = Literal["pending", "delivered", "failed"]
LATEST = 253_402_300_799
"""The last second of the year 9999, which is as far as dates reach."""
Moment = Annotated[int, Field(ge=0, le=LATEST)]


def beginning(second: int) -> datetime:
    """When a second of Unix time begins."""
    return datetime.fromtimestamp(second, UTC)


def end(second: int) -> datetime:
    """When it ends, to the microsecond."""
    return beginning(second).replace(microsecond=999_999)


class EndpointCreate(Request):
    name: Name
    url: URL
    event_types: Listened
    payload: Payload = "thin"
    kind: Kind = "webhook"


class EndpointUpdate(Request):
    """Fields that are left out stay as they are."""

    name: Name | None = None
    url: URL | None = None
    event_types: Listened | None = None
    payload: Payload | None = None
    kind: Kind | None = None


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
    payload: str
    kind: str
    created_at: Timestamp
    updated_at: Timestamp
    status: Literal["enabled", "failing", "disabled"]
    """`failing`: the last deliveries failed; it is disabled after five days of that. Not a field of OpenAI's."""
    failing_since: Timestamp | None
    """When the first of the failures came that no success has followed. Not a field of OpenAI's."""
    disabled_at: Timestamp | None
    """When the receiver answered 410 Gone, or had failed for five days; an update of any kind takes deliveries up
    again. Not a field of OpenAI's."""
    disabled_reason: str | None
    """One sentence. Not a field of OpenAI's."""
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


class EventTypeDescription(Answer):
    """What a type of event says."""

    type: str
    when: str
    subject: str
    """What `data.id` is the id of."""
    data: dict[str, str]
    """The other fields of `data` in full payloads and in GET /v1/events."""
    snapshot: str | None
    """Whose answer's fields stand in `data` beside these, as they were in that moment."""


class EventTypeList(Answer):
    object: Literal["list"] = "list"
    data: list[str]
    groups: list[str]
    """What endpoints can listen to beside: several types at once. Not a field of OpenAI's."""
    descriptions: list[EventTypeDescription]
    """What each of them says. Not a field of OpenAI's."""


class Delivery(Answer):
    """One event for one endpoint."""

    id: str
    """The `webhook-id` of every attempt, resends and replays too."""
    object: Literal["webhook_delivery"] = "webhook_delivery"
    webhook_endpoint_id: str = Field(validation_alias=AliasChoices("endpoint_id"))
    event_id: str
    event_type: str
    state: State
    attempts: int
    created_at: Timestamp
    next_attempt_at: Timestamp | None = Field(validation_alias=AliasChoices("due_at"))
    """Null where no attempt is to come, and while one is being made."""
    delivered_at: Timestamp | None
    status_code: int | None
    """Of the last attempt, as are the fields below; null where no answer came."""
    latency_ms: int | None
    error: str | None
    error_class: str | None
    """dns, forbidden_address, connect, tls, timeout, reset, malformed, redirect, gone, throttled, client_error,
    server_error, endpoint_disabled, endpoint_deleted or invalid_url; null where none failed."""
    response_body: str | None
    """The first 4 kB."""


class Attempt(Answer):
    """One try of a delivery, as it went over the wire."""

    id: str
    object: Literal["webhook_attempt"] = "webhook_attempt"
    webhook_delivery_id: str = Field(validation_alias=AliasChoices("delivery_id"))
    number: int
    """1, 2, 3, … of the delivery."""
    started_at: Timestamp
    status_code: int | None
    latency_ms: int | None
    error: str | None
    error_class: str | None
    request_headers: dict[str, Any]
    response_headers: dict[str, Any] | None
    """At most 50 of them and 8 kB; null where no answer came."""
    response_body: str | None
    """The first 4 kB."""


class ReplayCreate(Request):
    """Which events are delivered to the endpoint once more."""

    since: Moment
    """The first second, Unix time, in which the events happened."""
    until: Moment | None = None
    """The last one; now, if it is left out."""
    state: Literal["failed", "undelivered", "all"] = "failed"
    """`failed`: what was given up. `undelivered`: also what happened while the endpoint was disabled, or before it
    listened. `all`: what was delivered, too."""
    event_types: EventNames | None = None
    dry_run: bool = False
    """Only count."""
    after: Annotated[PlainStr, Field(max_length=256)] | None = None
    """`last_event_id` of the answer before, when there was more to do than one request does."""


class Replay(Answer):
    object: Literal["webhook_endpoint.replay"] = "webhook_endpoint.replay"
    webhook_endpoint_id: str
    matched: int
    """Deliveries that the request can send again, the ones that it queues among them."""
    pending: int
    """Those of the same time and types that are on their way already: not counted in `matched`, and left alone."""
    queued: int
    """So many of them are sent again now; 0 in a dry run."""
    has_more: bool
    last_event_id: str | None
    """Where to go on, if there is more."""
    dry_run: bool


class Latency(Answer):
    p50: int | None
    p99: int | None


class Counts(Answer):
    pending: int
    delivered: int
    failed: int


class Stats(Answer):
    object: Literal["webhook_endpoint.stats"] = "webhook_endpoint.stats"
    webhook_endpoint_id: str
    deliveries: Counts
    """All that are kept, by state."""
    since: Timestamp
    """A day ago: when the time begins that the rest tells of, looking at the last 10,000 deliveries."""
    attempts: int
    error_classes: dict[str, int]
    """Attempts that failed, by why they did."""
    latency_ms: Latency
    """Of the attempts that were answered."""
