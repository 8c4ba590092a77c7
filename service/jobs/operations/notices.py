"""What the headers of an answer tell of a job's model: when it ends, and whether it stands in for another."""

from sqlalchemy.orm import Session

from service.catalog import mappings, offers, retirement
from service.jobs.tables import Job


def headers(session: Session, job: Job, *, asked: str | None = None) -> dict[str, str]:
    """`asked`: the model that the request named, for a new job."""
    base = offers.base_model(session, job.base_model)
    told = retirement.headers(base) if base is not None else {}
    if asked is not None and mappings.stand_in(session, asked) != asked:
        told |= mappings.answered_by(job.model)
    return told
