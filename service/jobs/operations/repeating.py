"""What was told of jobs that are trained again, kept for those who ask once more: its words, with the jobs as they are.

Of the new jobs only the ids are kept, for they move on.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from service.jobs import queries
from service.jobs.schemas.retraining import Retrained, RetrainedMany
from service.jobs.tables import Job
from service.kit.schemas import JSONObject


def remember_retrained(told: Retrained) -> JSONObject:
    kept = told.model_dump(mode="json", exclude={"successor"})
    return kept | {"successor": told.successor.id if told.successor is not None else None}


def remember_retrained_many(told: RetrainedMany) -> JSONObject:
    return told.model_dump(mode="json", exclude={"data"}) | {"data": [remember_retrained(each) for each in told.data]}


def recall_retrained(session: Session, kept: JSONObject) -> Retrained:
    return _with_job(kept, queries.jobs_named(session, [kept["successor"]]))


def recall_retrained_many(session: Session, kept: JSONObject) -> RetrainedMany:
    jobs = queries.jobs_named(session, [each["successor"] for each in kept["data"] if each["successor"] is not None])
    return RetrainedMany.model_validate(kept | {"data": [_with_job(each, jobs) for each in kept["data"]]})


def _with_job(kept: JSONObject, jobs: Mapping[Any, Job]) -> Retrained:
    return Retrained.model_validate(kept | {"successor": jobs.get(kept["successor"])})
