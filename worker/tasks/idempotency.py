"""Forgets the key of a request that made something, once nobody repeats it any more."""

from service.kit import idempotency
from service.kit.work import Work
from worker.app import Running, task, unit_of_work


@task(Work.FORGET_KEY)
def forget(running: Running) -> None:
    """Its time is up when this is due."""
    with unit_of_work(running.claim) as session:
        idempotency.forget(session, running.claim.subject)
