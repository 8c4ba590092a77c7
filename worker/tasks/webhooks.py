"""Tells webhook endpoints what happened: one work item plans an event's deliveries, one carries each of them."""

import asyncio
from datetime import timedelta

from sqlalchemy.orm import Session

from service.kit.work import Claim, Work
from service.webhooks import operations as webhooks
from service.webhooks.sending import Message, send
from worker.app import Running, task, unit_of_work


@task(Work.FAN_OUT_EVENT)
def fan_out(running: Running) -> timedelta | None:
    """Plan one delivery for each endpoint that listens to the event."""
    with unit_of_work(running.claim) as session:
        webhooks.fan_out(session, running.claim.subject)
    return None


@task(Work.DELIVER_WEBHOOK)
def deliver(running: Running) -> timedelta | None:
    """Try a delivery once. A receiver that is down costs the work item nothing: its own schedule decides."""
    delivery_id = running.claim.subject
    with unit_of_work(running.claim) as session:
        begun = webhooks.begin_attempt(session, delivery_id)
    if not isinstance(begun, Message):
        return begun
    reply = asyncio.run(send(begun))
    with unit_of_work(running.claim) as session:
        return webhooks.record_attempt(session, delivery_id, reply)


@deliver.abandoned
def _(session: Session, claim: Claim, cause: str) -> None:
    webhooks.abandon(session, claim.subject, cause)
