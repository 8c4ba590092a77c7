"""How a mail goes from its row to its outcome."""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.orm import Session

from service.kit.database import database_now
from service.mail import links, queries, timetable
from service.mail.rendering import Contents, Happening, letter
from service.mail.sending import Handover, Letter, Outcome
from service.mail.servers import NotSetUp, server
from service.mail.tables import Mail, MailSubscription
from service.mail.tokens import Purpose

_LISTED = 100
"""A mail tells so many events in full, and how many more there were."""
_CONFIRMATIONS_A_DAY = 5
"""An address is asked so often a day at most, by whichever tenants; further ones wait."""
_BOUNCES = 3
_PATIENCE = timedelta(hours=1)
_OURS = "The house could not send it, for a reason of its own; its operator finds that in the log."


def begin(session: Session, mail_id: str) -> Letter | timedelta | None:
    """What to send now: a letter, or how long to wait, or None when nothing is to be sent any more."""
    mail = session.get(Mail, mail_id)
    if mail is None or mail.state != "pending":
        return None
    subscription = session.get_one(MailSubscription, mail.subscription_id)
    if not _is_wanted(mail, subscription):
        mail.state = "dropped"
        return None
    if mail.kind == "confirmation" and queries.confirmations_lately(session, mail.address) >= _CONFIRMATIONS_A_DAY:
        return _wait(session, mail, "The address was asked by others lately.")
    try:
        return letter(_contents(session, mail, subscription), server().sender)
    except NotSetUp as unset:
        return _wait(session, mail, str(unset))


def _is_wanted(mail: Mail, subscription: MailSubscription) -> bool:
    needed = "unconfirmed" if mail.kind == "confirmation" else "active"
    return subscription.deleted_at is None and subscription.status == needed


def _wait(session: Session, mail: Mail, why: str) -> timedelta | None:
    """No try, but a mail that cannot be sent for days is given up all the same."""
    mail.error = why
    if database_now(session) - mail.created_at < timetable.LIFE:
        return _PATIENCE
    mail.state = "failed"
    return None


def _contents(session: Session, mail: Mail, subscription: MailSubscription) -> Contents:
    events, total = queries.told_by(session, mail.id, most=_LISTED)
    return Contents(
        mail_id=mail.id, kind=mail.kind, recipient=mail.address, made_at=mail.created_at,
        project=queries.project_name(session, mail.project_id), subscription=subscription.name,
        confirm_link=links.link(subscription, Purpose.CONFIRM),
        unsubscribe_link=links.link(subscription, Purpose.UNSUBSCRIBE),
        happenings=tuple(Happening(each.id, each.type, each.subject, each.created_at, each.data) for each in events),
        more=total - len(events))


def record(session: Session, mail_id: str, handover: Handover) -> timedelta | None:
    """Write down how a try ended. Returns the wait before the next one, or None when there is none."""
    mail = session.get_one(Mail, mail_id)
    if mail.state != "pending":
        return None
    now = database_now(session)
    mail.attempts += 1
    mail.error = handover.error or None
    if handover.outcome is Outcome.LATER:
        delay = timetable.next_try(mail.attempts, now - mail.created_at)
        if delay is None:
            mail.state = "failed"
        return delay
    subscription = session.get_one(MailSubscription, mail.subscription_id, with_for_update={"key_share": True})
    if handover.outcome is Outcome.SENT:
        mail.state, mail.sent_at, subscription.bounces = "sent", now, 0
    else:
        mail.state = "failed"
        _bounced(subscription, handover.error, now)
    return None


def _bounced(subscription: MailSubscription, error: str, now: datetime) -> None:
    subscription.bounces += 1
    if subscription.bounces >= _BOUNCES and subscription.status == "active":
        subscription.status, subscription.disabled_at, subscription.updated_at = "disabled", now, now
        subscription.disabled_reason = f"Mail was refused {_BOUNCES} times in a row. {error}"


def abandon(session: Session, mail_id: str) -> None:
    """Give a mail up for a reason on our side, which is in the log."""
    mail = session.get(Mail, mail_id)
    if mail is not None and mail.state == "pending":
        mail.state, mail.error = "failed", _OURS


_FORGET = text("""
    with old as materialized (
        select id from mails where state <> 'pending' and created_at < :before
        order by position limit :most for update skip locked
    )
    delete from mails where id in (select id from old)
""")
"""Materialized: asked again for each row, a subquery would find others each time, past those that are gone."""


def forget(session: Session, *, before: datetime, most: int) -> int:
    """Delete up to `most` mails of a time before, with what they told; how many that were."""
    done = session.execute(_FORGET, {"before": before, "most": most})
    return int(done.rowcount)  # type: ignore[attr-defined]  # a DELETE's result has it
