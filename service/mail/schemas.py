"""Wire shapes of notification subscriptions and of their mails."""

from typing import Annotated, Literal

from pydantic import Field

from service.events.naming import EventNames
from service.kit.schemas import Answer, PlainStr, Request, Timestamp

Name = Annotated[PlainStr, Field(min_length=1, max_length=256)]
Address = Annotated[PlainStr, Field(min_length=3, max_length=254, description="A plain e-mail address.")]
Events = Annotated[Literal["defaults"] | EventNames, Field(description=(
    "Types of events and groups of them, or `defaults`: a job ended, a spend threshold was reached, a webhook endpoint"
    " was disabled, a review is wanted."))]
Digest = Annotated[Literal["immediate", "hourly", "daily"], Field(description=(
    "`immediate`: a mail for each event, or one for several that come at once. `hourly`, `daily`: one mail for all of"
    " an hour or, at 7:00 UTC, of a day; none when nothing happened."))]


class SubscriptionCreate(Request):
    name: Name
    address: Address
    event_types: Events = "defaults"
    digest: Digest = "immediate"


class SubscriptionUpdate(Request):
    """Fields that are left out stay as they are. For another address, make another subscription."""

    name: Name | None = None
    event_types: Events | None = None
    digest: Digest | None = None


class Subscription(Answer):
    id: str
    object: Literal["notification_subscription"] = "notification_subscription"
    name: str
    address: str
    event_types: list[str]
    digest: str
    status: Literal["unconfirmed", "active", "unsubscribed", "disabled"]
    """Mail of events goes out only while it is `active`. `disabled`: the address refused mail again and again; an
    update takes it up again."""
    created_at: Timestamp
    updated_at: Timestamp
    confirmed_at: Timestamp | None
    unsubscribed_at: Timestamp | None
    disabled_at: Timestamp | None
    disabled_reason: str | None


class DeletedSubscription(Answer):
    id: str
    object: Literal["notification_subscription.deleted"] = "notification_subscription.deleted"
    deleted: Literal[True] = True


class Mail(Answer):
    id: str
    object: Literal["notification_mail"] = "notification_mail"
    subscription_id: str
    kind: Literal["confirmation", "test", "event", "digest"]
    state: Literal["pending", "sent", "failed", "dropped"]
    """`dropped`: nobody wanted it any more when its turn came."""
    attempts: int
    error: str | None
    """Why it was not taken at the last try: a sentence, with the mail server's own reply if there was one."""
    created_at: Timestamp
    sent_at: Timestamp | None
