"""Reading subscriptions and mails; deleted subscriptions are seen only by what ends them."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import Session

from service.events.tables import Event
from service.kit.pagination import paginate
from service.mail.errors import SubscriptionNotFound
from service.mail.tables import Mail, MailNotice, MailSubscription
from service.tenants.tables import Project


def _present() -> Select[MailSubscription]:
    return select(MailSubscription).where(MailSubscription.deleted_at.is_(None))


def subscription(session: Session, subscription_id: str, *, lock: bool = False) -> MailSubscription:
    """The subscription with this id. Raises SubscriptionNotFound."""
    query = _present().where(MailSubscription.id == subscription_id)
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    found = session.scalar(query)
    if found is None:
        raise SubscriptionNotFound(subscription_id)
    return found


def subscriptions(session: Session, *, after: str | None, limit: int) -> tuple[Sequence[MailSubscription], bool]:
    """One page of subscriptions, newest first, and whether more follow."""
    return paginate(session, _present(), MailSubscription, after=after, limit=limit)


def mails(session: Session, subscription_id: str, *, after: str | None, limit: int) -> tuple[Sequence[Mail], bool]:
    """One page of a subscription's mails, newest first, and whether more follow."""
    found = subscription(session, subscription_id)
    return paginate(session, select(Mail).where(Mail.subscription_id == found.id), Mail, after=after, limit=limit)


def count(session: Session, status: str | None = None) -> int:
    query = select(func.count()).select_from(MailSubscription).where(MailSubscription.deleted_at.is_(None))
    return session.scalar(query if status is None else query.where(MailSubscription.status == status)) or 0


def of_address(session: Session, address: str) -> MailSubscription | None:
    """The subscription that mail to an address would be doubled by."""
    return session.scalar(_present().where(
        func.lower(MailSubscription.address) == address.lower()).order_by(MailSubscription.position.desc()).limit(1))


def mails_since(session: Session, subscription_id: str, kinds: Sequence[str], hours: float) -> int:
    """How many mails of these kinds were made in the last hours."""
    return session.scalar(select(func.count()).select_from(Mail).where(
        Mail.subscription_id == subscription_id, Mail.kind.in_(kinds),
        Mail.created_at > func.now() - timedelta(hours=hours))) or 0


def confirmations_lately(session: Session, address: str) -> int:
    """How often an address was asked to confirm in the last day, by any tenant of the house."""
    found: int = session.execute(text("select mail_confirmations_lately(:address)"), {"address": address}).scalar_one()
    return found


def project_behind(session: Session, subscription_id: str) -> str | None:
    """Whose a subscription is that a link in a mail names; its signature is still to be checked."""
    found: str | None = session.execute(text("select mail_subscription_project(:id)"),
                                        {"id": subscription_id}).scalar()
    return found


def project_name(session: Session, project_id: str) -> str:
    return session.scalar(select(Project.name).where(Project.id == project_id)) or ""


def waiting(session: Session, subscription_id: str, *, most: int) -> Sequence[MailNotice]:
    """What is planned for a subscription and in no mail yet, in the order of planning."""
    return session.scalars(select(MailNotice).where(
        MailNotice.subscription_id == subscription_id, MailNotice.mail_id.is_(None))
        .order_by(MailNotice.position).limit(most)).all()


def told_by(session: Session, mail_id: str, *, most: int) -> tuple[Sequence[Event], int]:
    """The first events of a mail, in the order in which they happened, and how many there are."""
    mine = select(MailNotice.event_id).where(MailNotice.mail_id == mail_id)
    total = session.scalar(select(func.count()).select_from(mine.subquery())) or 0
    return session.scalars(select(Event).where(Event.id.in_(mine)).order_by(
        Event.transaction_id, Event.position).limit(most)).all(), total


def declined_lately(session: Session, address: str, *, days: int) -> bool:
    """Whether whoever reads an address has ended a subscription of this project, and has taken none up since."""
    return bool(session.scalar(select(func.count()).select_from(MailSubscription).where(
        func.lower(MailSubscription.address) == address.lower(), MailSubscription.status == "unsubscribed",
        MailSubscription.unsubscribed_at > func.now() - timedelta(days=days))))


def confirmations_asked(session: Session) -> int:
    """How many confirmations the project has asked for in the last day."""
    return session.scalar(select(func.count()).select_from(Mail).where(
        Mail.kind == "confirmation", Mail.created_at > func.now() - timedelta(days=1))) or 0


def asked_lately(session: Session, address: str) -> bool:
    """Whether the project had this address asked within the last day."""
    return bool(session.scalar(select(func.count()).select_from(Mail).where(
        Mail.kind == "confirmation", func.lower(Mail.address) == address.lower(),
        Mail.created_at > func.now() - timedelta(days=1))))
