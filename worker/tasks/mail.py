"""Sends mail: one work item puts what waits for a subscription into mails, one hands each of them over."""

from datetime import timedelta

from sqlalchemy.orm import Session

from service.kit.database import DISPATCH, database_now, transaction
from service.kit.work import Claim, Queue, Work
from service.mail import operations as mail
from service.mail.sending import Letter, send
from service.settings import settings
from worker.app import Running, daily, task, unit_of_work

_FORGOTTEN_AT_ONCE = 2000


@task(Work.GATHER_MAIL)
def gather(running: Running) -> timedelta | None:
    """What has happened since the last time, at once or at the end of a digest."""
    with unit_of_work(running.claim) as session:
        return mail.gather(session, running.claim.subject)


@task(Work.SEND_MAIL)
def deliver(running: Running) -> timedelta | None:
    """Try a mail once. A server that is down costs the work item nothing: the mail's own schedule decides."""
    mail_id = running.claim.subject
    with unit_of_work(running.claim) as session:
        begun = mail.begin(session, mail_id)
    if not isinstance(begun, Letter):
        return begun
    handover = send(begun)
    with unit_of_work(running.claim) as session:
        return mail.record(session, mail_id, handover)


@deliver.abandoned
def _(session: Session, claim: Claim, _cause: str) -> None:
    mail.abandon(session, claim.subject)


@daily(Queue.IO)
def forget_mails() -> None:
    """What is older than events are kept, page by page; what was given up over trouble of ours is asked for again."""
    with transaction(DISPATCH) as session:
        mail.plan_again(session)
    while True:
        with transaction(DISPATCH) as session:
            before = database_now(session) - timedelta(days=settings().events_days)
            if mail.forget(session, before=before, most=_FORGOTTEN_AT_ONCE) < _FORGOTTEN_AT_ONCE:
                return
