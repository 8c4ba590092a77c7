"""The judge of what was told of jobs finds each fault that there can be, and none where there is none."""

import pytest
from sqlalchemy import text

from service.jobs import operations
from service.jobs.operations.transitions import Line
from service.jobs.states import JobStatus
from service.kit.database import DISPATCH, transaction
from service.settings import settings
from tests.fixtures.api import Tenant
from tests.service.jobs.building import make_job, running_job
from tests.system import telling


def faults(ended: dict[str, str], **wanted: int) -> list[str]:
    return telling.faults(ended, settings().database_url.get_secret_value(), **wanted)


def trained(tenant: Tenant) -> str:
    job_id = running_job(tenant)
    with transaction(tenant.scope) as session:
        operations.record_metrics(session, job_id, [{"step": step, "total_steps": 10} for step in range(1, 11)])
        operations.transition(session, job_id, JobStatus.SUCCEEDED, because=Line("done"))
    return job_id


def test_jobs_of_which_all_is_told_are_well(tenant: Tenant) -> None:
    ended = {trained(tenant): "succeeded", make_job(tenant, JobStatus.FAILED): "failed",
             make_job(tenant, JobStatus.CANCELLED): "cancelled"}
    assert faults(ended, milestones=10) == []


@pytest.mark.parametrize(("harm", "word"), [
    ("delete from events where type like '%.succeeded'", "ended as succeeded"),
    ("delete from events where type like '%.created'", "created 0 times"),
    ("delete from events where type like '%.running'", "numbers"),
    ("delete from events where dedupe_key like '%milestone%' and sequence = 8", "9 milestones"),
])
def test_what_is_missing_is_found(tenant: Tenant, harm: str, word: str) -> None:
    job_id = trained(tenant)
    with transaction(DISPATCH) as session:
        session.execute(text(harm))
    assert any(word in fault for fault in faults({job_id: "succeeded"}, milestones=10))


def test_another_end_than_the_jobs_own_is_found(tenant: Tenant) -> None:
    assert faults({trained(tenant): "cancelled"})
    assert faults({make_job(tenant, JobStatus.RUNNING): "succeeded"})
