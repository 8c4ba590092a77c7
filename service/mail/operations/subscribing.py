"""What owners do with their subscriptions. Nobody can have others mailed: an address is asked first, and seldom."""

from collections.abc import Sequence

from sqlalchemy import text
from sqlalchemy.orm import Session

from service.events.types import EventType
from service.kit.database import database_now
from service.kit.identifiers import new_id
from service.kit.work import Work, enqueue
from service.mail import queries, schemas, tokens
from service.mail.addresses import InvalidAddress, normal
from service.mail.errors import (
    AddressDeclined,
    AddressTaken,
    ConfirmedAlready,
    MailedLately,
    MailNotSetUp,
    NotConfirmed,
    TooManySubscriptions,
    UnusableAddress,
)
from service.mail.servers import NotSetUp, server
from service.mail.tables import Mail, MailSubscription

DEFAULTS = (EventType.JOB_SUCCEEDED, EventType.JOB_FAILED, EventType.JOB_CANCELLED, EventType.SPEND_THRESHOLD,
            EventType.ENDPOINT_DISABLED, EventType.REVIEW_NEEDED)
_MOST, _MOST_UNCONFIRMED = 200, 20
_DECLINED_DAYS = 30
_ASKED_A_DAY = 20
"""Confirmations that one project may ask for in a day, of whomever."""
_TESTS_AN_HOUR = 5


def create(session: Session, project_id: str, body: schemas.SubscriptionCreate) -> MailSubscription:
    """A subscription that its address is asked to confirm."""
    _require_server()
    address = _usable(body.address)
    _one_at_a_time(session, project_id)
    _check_room(session)
    known = queries.of_address(session, address)
    if known is not None and known.status != "unsubscribed":
        raise AddressTaken(address, known.id)
    if queries.declined_lately(session, address, days=_DECLINED_DAYS):
        raise AddressDeclined(address)
    _check_asked(session, address)
    made = MailSubscription(id=new_id("nsub_"), project_id=project_id, name=body.name, address=address,
                            event_types=_events(body.event_types), digest=body.digest, secret=tokens.new_secret())
    session.add(made)
    session.flush()
    post(session, made, "confirmation")
    return made


def update(session: Session, subscription_id: str, body: schemas.SubscriptionUpdate) -> MailSubscription:
    """Change what is given. One that its refusals disabled is taken up again; one that a person ended is not."""
    found = queries.subscription(session, subscription_id, lock=True)
    if body.name is not None:
        found.name = body.name
    if body.event_types is not None:
        found.event_types = _events(body.event_types)
    if body.digest is not None and body.digest != found.digest:
        found.digest = body.digest
        enqueue(session, Work.GATHER_MAIL, found.id, project_id=found.project_id)  # what waited for the former one
    if found.status == "disabled":
        found.status, found.bounces, found.disabled_at, found.disabled_reason = "active", 0, None, None
    found.updated_at = database_now(session)
    session.flush()
    return found


def delete(session: Session, subscription_id: str) -> MailSubscription:
    """Nothing more is sent, not even what waits; its links stay valid for whoever wants no mail."""
    found = queries.subscription(session, subscription_id, lock=True)
    found.deleted_at = database_now(session)
    return found


def confirm_again(session: Session, subscription_id: str) -> MailSubscription:
    """Ask the address once more, a day after it was asked last."""
    found = queries.subscription(session, subscription_id, lock=True)
    _require_server()
    if found.status != "unconfirmed":
        raise ConfirmedAlready(found.status)
    _one_at_a_time(session, found.project_id)
    _check_asked(session, found.address)
    post(session, found, "confirmation")
    return found


def test(session: Session, subscription_id: str) -> Mail:
    """A mail that shows what others will look like; only to an address that has confirmed."""
    found = queries.subscription(session, subscription_id, lock=True)
    _require_server()
    if found.status != "active":
        raise NotConfirmed(found.status)
    if queries.mails_since(session, found.id, ["test"], 1) >= _TESTS_AN_HOUR:
        raise MailedLately(f"A subscription is tested {_TESTS_AN_HOUR} times an hour at most.", 3600)
    return post(session, found, "test")


def post(session: Session, subscription: MailSubscription, kind: str) -> Mail:
    """A mail, and the work of sending it."""
    mail = Mail(id=new_id("mail_"), project_id=subscription.project_id, subscription_id=subscription.id, kind=kind,
                address=subscription.address)
    session.add(mail)
    session.flush()
    enqueue(session, Work.SEND_MAIL, mail.id, project_id=mail.project_id)
    return mail


def _usable(address: str) -> str:
    try:
        return normal(address)
    except InvalidAddress as refused:
        raise UnusableAddress(str(refused)) from None


def _events(given: str | Sequence[str]) -> list[str]:
    return [each.value for each in DEFAULTS] if isinstance(given, str) else list(given)


def _require_server() -> None:
    try:
        server()
    except NotSetUp as unset:
        raise MailNotSetUp(str(unset)) from None


def _one_at_a_time(session: Session, project_id: str) -> None:
    """Whoever counts what there is, and then makes one more, waits for others who do."""
    session.execute(text("select pg_advisory_xact_lock(hashtextextended(:key, 0))"),
                    {"key": f"mail_subscriptions {project_id}"})


def _check_room(session: Session) -> None:
    if queries.count(session) >= _MOST:
        raise TooManySubscriptions(_MOST)
    if queries.count(session, "unconfirmed") >= _MOST_UNCONFIRMED:
        raise TooManySubscriptions(_MOST_UNCONFIRMED, unconfirmed=True)


def _check_asked(session: Session, address: str) -> None:
    if queries.asked_lately(session, address):
        raise MailedLately("The address was asked to confirm within the last day.", 24 * 3600)
    if queries.confirmations_asked(session) >= _ASKED_A_DAY:
        raise MailedLately(f"A project has at most {_ASKED_A_DAY} addresses asked a day.", 24 * 3600)
