"""Puts what waits for a subscription into mails: one for each event, or one for all that have come together."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from service.kit.database import among
from service.mail import queries
from service.mail.operations.subscribing import post
from service.mail.tables import MailNotice, MailSubscription

_AT_ONCE = 5000
_SEPARATELY = 5
"""So many events that come at once are told by a mail each; more are told by one."""
_AN_HOUR = 30
"""So many mails an hour are sent to an address; then what happens is collected,"""
_PATIENCE = timedelta(minutes=10)
"""for so long at a time."""


def gather(session: Session, subscription_id: str) -> timedelta | None:
    """Make the mails of what waits. Returns when to come again, if there is more than may be sent now."""
    found = session.execute(select(MailSubscription).where(MailSubscription.id == subscription_id).with_for_update(
        key_share=True)).scalar_one_or_none()
    if found is None or found.status != "active" or found.deleted_at is not None:
        session.execute(delete(MailNotice).where(
            MailNotice.subscription_id == subscription_id, MailNotice.mail_id.is_(None)))
        return None
    waiting = queries.waiting(session, subscription_id, most=_AT_ONCE)
    if not waiting:
        return None
    if found.digest == "immediate" and queries.mails_since(session, found.id, ["event", "digest"], 1) >= _AN_HOUR:
        return _PATIENCE
    if found.digest == "immediate" and len(waiting) <= _SEPARATELY:
        for notice in waiting:
            _tell(session, found, "event", [notice])
    else:
        _tell(session, found, "digest", waiting)
    return timedelta() if len(waiting) == _AT_ONCE else None


def _tell(session: Session, subscription: MailSubscription, kind: str, notices: Sequence[MailNotice]) -> None:
    mail = post(session, subscription, kind)
    session.execute(update(MailNotice).where(among(MailNotice.id, [each.id for each in notices])).values(
        mail_id=mail.id).execution_options(synchronize_session=False))
