"""What whoever gets a mail does by its links: without a key, and with nothing but what the link is signed for."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.kit.database import NOBODY, Scope, database_now, transaction
from service.mail import links, queries, tokens
from service.mail.errors import InvalidLink
from service.mail.tables import MailSubscription
from service.mail.tokens import Purpose


@dataclass(frozen=True, slots=True)
class Known:
    """What a link shows of a subscription to whoever has it."""

    subscription_id: str
    scope: Scope
    project: str
    address: str
    status: str
    confirm_link: str
    unsubscribe_link: str


def recognise(given: str, purpose: Purpose) -> Known:
    """The subscription that a link is about. Raises InvalidLink for whatever was not signed for this purpose.

    One that was deleted is known as long as its rows are: who wants no mail must not be told that the link is wrong.
    """
    subscription_id = tokens.subscription_of(given)
    with transaction(NOBODY) as session:
        project_id = queries.project_behind(session, subscription_id)
    if project_id is None:
        raise InvalidLink
    scope = Scope.project(project_id)
    with transaction(scope) as session:
        found = session.get_one(MailSubscription, subscription_id)
        if not tokens.is_genuine(given, found.secret, found.id, purpose):
            raise InvalidLink
        if found.deleted_at is not None and purpose is Purpose.CONFIRM:
            raise InvalidLink
        return Known(found.id, scope, queries.project_name(session, project_id), found.address, found.status,
                     links.link(found, Purpose.CONFIRM), links.link(found, Purpose.UNSUBSCRIBE))


def confirm(known: Known) -> None:
    """Mail is wanted, for the first time or again; repeated, it changes nothing."""
    with transaction(known.scope) as session:
        found = _locked(session, known)
        if found.deleted_at is not None:
            raise InvalidLink
        if found.status in {"unconfirmed", "unsubscribed"}:
            now = database_now(session)
            found.status, found.confirmed_at, found.unsubscribed_at = "active", now, None
            found.updated_at = now


def unsubscribe(known: Known) -> None:
    """No mail is wanted; repeated, it changes nothing."""
    with transaction(known.scope) as session:
        found = _locked(session, known)
        if found.status != "unsubscribed":
            now = database_now(session)
            found.status, found.unsubscribed_at, found.updated_at = "unsubscribed", now, now


def _locked(session: Session, known: Known) -> MailSubscription:
    return session.execute(select(MailSubscription).where(MailSubscription.id == known.subscription_id)
                           .with_for_update(key_share=True).execution_options(populate_existing=True)).scalar_one()
