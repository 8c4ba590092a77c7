"""HTTP face of subscriptions: /v1/notification_subscriptions."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from service.kit.pagination import After, Page, page_of
from service.kit.schemas import PlainStr
from service.mail import operations, queries, schemas
from service.mail.tables import Mail, MailSubscription
from service.tenants.access import CurrentProject, ProjectSession

router = APIRouter(prefix="/v1/notification_subscriptions", tags=["Notifications"])
SubscriptionID = Annotated[PlainStr, Path(max_length=256)]
Limit = Annotated[int, Query(ge=1, le=100)]


@router.post("", response_model=schemas.Subscription, operation_id="createNotificationSubscription")
def create(caller: CurrentProject, session: ProjectSession, body: schemas.SubscriptionCreate) -> MailSubscription:
    """Have an address told of events by mail, once whoever reads it has confirmed that."""
    return operations.create(session, caller.project_id, body)


@router.get("", response_model=Page[schemas.Subscription], operation_id="listNotificationSubscriptions")
def list_subscriptions(session: ProjectSession, after: After = None, limit: Limit = 20) -> dict[str, Any]:
    """List the project's subscriptions, newest first."""
    rows, more = queries.subscriptions(session, after=after, limit=limit)
    return page_of(rows, has_more=more)


@router.get("/{notification_subscription_id}", response_model=schemas.Subscription,
            operation_id="retrieveNotificationSubscription")
def retrieve(session: ProjectSession, notification_subscription_id: SubscriptionID) -> MailSubscription:
    """Retrieve one subscription."""
    return queries.subscription(session, notification_subscription_id)


@router.post("/{notification_subscription_id}", response_model=schemas.Subscription,
             operation_id="updateNotificationSubscription")
def update(session: ProjectSession, notification_subscription_id: SubscriptionID,
           body: schemas.SubscriptionUpdate) -> MailSubscription:
    """Change a subscription's name, event types or digest; one that refusals disabled is taken up again."""
    return operations.update(session, notification_subscription_id, body)


@router.delete("/{notification_subscription_id}", response_model=schemas.DeletedSubscription,
               operation_id="deleteNotificationSubscription")
def delete(session: ProjectSession, notification_subscription_id: SubscriptionID) -> MailSubscription:
    """Delete a subscription; nothing more is sent to its address."""
    return operations.delete(session, notification_subscription_id)


@router.post("/{notification_subscription_id}/confirmation", response_model=schemas.Subscription,
             operation_id="confirmNotificationSubscription")
def confirm_again(session: ProjectSession, notification_subscription_id: SubscriptionID) -> MailSubscription:
    """Ask an address again that has not confirmed yet; a day after it was asked last, at the earliest."""
    return operations.confirm_again(session, notification_subscription_id)


@router.post("/{notification_subscription_id}/test", response_model=schemas.Mail,
             operation_id="testNotificationSubscription")
def test(session: ProjectSession, notification_subscription_id: SubscriptionID) -> Mail:
    """Send a sample mail to an address that has confirmed; the list of mails tells what came of it."""
    return operations.test(session, notification_subscription_id)


@router.get("/{notification_subscription_id}/mails", response_model=Page[schemas.Mail],
            operation_id="listNotificationMails")
def mails(session: ProjectSession, notification_subscription_id: SubscriptionID, after: After = None,
          limit: Limit = 20) -> dict[str, Any]:
    """List a subscription's mails, newest first, with what the mail server said of those that it did not take."""
    rows, more = queries.mails(session, notification_subscription_id, after=after, limit=limit)
    return page_of(rows, has_more=more)
