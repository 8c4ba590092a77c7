"""Every move between two states is allowed or refused as the table says, in memory and through the one door."""

import itertools

import pytest
from sqlalchemy import select

from service.events.tables import Event
from service.jobs import operations
from service.jobs.errors import InvalidTransition, JobNotFound
from service.jobs.operations.transitions import Line
from service.jobs.states import TRANSITIONS, JobStatus
from service.kit.database import transaction
from service.kit.work import Work, WorkItem
from tests.fixtures.api import Tenant
from tests.service.jobs.building import PATHS, make_file, make_job, messages, reload

ENDS = {JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED}
ALLOWED = {
    ("validating_files", "queued"), ("validating_files", "failed"), ("validating_files", "cancelled"),
    ("queued", "running"), ("queued", "paused"), ("queued", "failed"), ("queued", "cancelled"),
    ("running", "succeeded"), ("running", "failed"), ("running", "cancelled"), ("running", "paused"),
    ("paused", "queued"), ("paused", "running"), ("paused", "failed"), ("paused", "cancelled"),
}


def test_the_table_allows_these_moves_and_no_others() -> None:
    pairs = itertools.product(JobStatus, JobStatus)
    assert {(str(start), str(to)) for start, to in pairs if start.may_become(to)} == ALLOWED
    assert {status for status in JobStatus if status.is_terminal} == ENDS


def test_every_state_can_be_reached_and_left() -> None:
    reached = {JobStatus.VALIDATING_FILES}
    for _ in JobStatus:
        reached |= {to for start in reached for to in TRANSITIONS[start]}
    assert reached == set(JobStatus)


def test_the_door_keeps_to_the_table(tenant: Tenant) -> None:
    file_id = make_file(tenant)
    for start, to in itertools.product(JobStatus, JobStatus):
        job_id = make_job(tenant, start, training_file=file_id)
        if (start, to) in ALLOWED:
            with transaction(tenant.scope) as session:
                operations.transition(session, job_id, to, because=Line("moved"))
        else:
            with pytest.raises(InvalidTransition), transaction(tenant.scope) as session:
                operations.transition(session, job_id, to, because=Line("moved"))
        moved = (start, to) in ALLOWED
        job = reload(tenant, job_id)
        assert job.status is (to if moved else start)
        assert ("moved" in messages(tenant, job_id)) == moved
        assert (job.finished_at is not None) == (job.status in ENDS)
        assert (job.started_at is not None) == (start in {"running", "paused", "succeeded"} or job.status == "running")


def test_every_move_is_told_once_and_a_queue_is_worked(tenant: Tenant) -> None:
    file_id = make_file(tenant)
    jobs = {status: make_job(tenant, status, training_file=file_id) for status in JobStatus}
    with transaction(tenant.scope) as session:
        told = [(event.subject, event.type.rpartition(".")[2])
                for event in session.scalars(select(Event).where(Event.type.like("fine_tuning.job.%")))]
        queued = set(session.scalars(select(WorkItem.subject).where(WorkItem.kind == Work.TRAIN_JOB.value)))
    assert sorted(told) == sorted((job_id, word) for status, job_id in jobs.items()
                                  for word in ("created", *PATHS[status]))
    assert queued == {jobs[status] for status in (JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.PAUSED,
                                                  JobStatus.SUCCEEDED)}


def test_the_door_does_not_open_for_strangers(tenant: Tenant, stranger: Tenant) -> None:
    job_id = make_job(tenant)
    with pytest.raises(JobNotFound), transaction(stranger.scope) as session:
        operations.transition(session, job_id, JobStatus.FAILED, because=Line("mine"))
