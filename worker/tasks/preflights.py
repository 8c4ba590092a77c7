"""Completes pre-flights: waits for their files to be read, compares them, and has the verdict given."""

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
from sqlalchemy.orm import Session

from service.datasets.analysis.columns import Columns
from service.datasets.analysis.leakage import compare
from service.jobs import operations as jobs
from service.jobs.operations import Comparison, NotCompared
from service.kit.storage import ObjectMissing, StorageUnavailable, storage
from service.kit.work import Claim, Work
from worker.app import Running, Transient, task, unit_of_work


@task(Work.PREFLIGHT)
def preflight(running: Running) -> timedelta | None:
    """Bring one pre-flight as far as it can be brought now."""
    claim = running.claim
    with unit_of_work(claim) as session:
        step = jobs.next_step(session, claim.subject)
    if isinstance(step, timedelta):
        return step
    leakage = leakage_between(step) if step is not None else None
    try:
        with unit_of_work(claim) as session:
            jobs.complete(session, claim.subject, leakage=leakage, compared=step is not None)
    except NotCompared:
        return timedelta(0)
    return None


@preflight.abandoned
def _give_verdict_without(session: Session, claim: Claim, _: str) -> None:
    """Rather a verdict on what is known than none."""
    jobs.complete(session, claim.subject)


def leakage_between(files: Comparison) -> dict[str, Any] | None:
    """What the validation file shares with the training file; None where the columns of either are not there."""
    try:
        with TemporaryDirectory() as folder:
            training, validation = (_columns(key, Path(folder) / name)
                                    for name, key in (("training", files.training), ("validation", files.validation)))
            found: dict[str, Any] = msgspec.to_builtins(compare(training, validation))
            return found
    except ObjectMissing:  # read by a version that kept none
        return None
    except StorageUnavailable as unavailable:
        raise Transient(unavailable.message) from unavailable


def _columns(key: str, path: Path) -> Columns:
    with path.open("wb") as file:
        for chunk in storage().read(key):
            file.write(chunk)
    return Columns.load(path)
