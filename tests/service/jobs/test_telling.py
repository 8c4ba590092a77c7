"""Others are told of a job as it was in that moment, once of each fact, and never what its files hold."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select, text

from service.events.tables import Event
from service.events.types import DESCRIPTIONS, EventType
from service.jobs import operations
from service.jobs.operations import telling
from service.jobs.operations.transitions import Line
from service.jobs.schemas.jobs import Job as ShownJob
from service.jobs.states import JobStatus
from service.kit.database import transaction
from tests.fixtures.api import Tenant
from tests.service.jobs.building import BASE, checkpoint, make_file, make_job, reload, running_job

SHOWN = set(ShownJob.model_fields)


def told(tenant: Tenant, *types: EventType) -> list[Event]:
    with transaction(tenant.scope) as session:
        rows = session.scalars(select(Event).where(Event.type.like("fine_tuning.%")).order_by(Event.position)).all()
    return [row for row in rows if not types or row.type in types]


def train(tenant: Tenant, job_id: str, *steps: int, total: int = 20, **numbers: Any) -> None:
    with transaction(tenant.scope) as session:
        operations.record_metrics(session, job_id, [
            {"step": step, "total_steps": total, "train_loss": 1.5, **numbers} for step in steps])


def milestones(tenant: Tenant) -> list[tuple[int, int]]:
    return [(event.data["percent"], event.data["step"]) for event in told(tenant, EventType.JOB_MILESTONE)]


class TestMoves:
    def test_every_move_is_told_in_its_order_with_what_the_job_then_was(self, tenant: Tenant) -> None:
        job_id = make_job(tenant, JobStatus.SUCCEEDED, suffix="mine", metadata={"team": "red"})
        events = told(tenant)
        assert [event.type for event in events] == [
            "fine_tuning.job.created", "fine_tuning.job.queued", "fine_tuning.job.running",
            "fine_tuning.job.succeeded"]
        assert [event.sequence for event in events] == [1, 2, 3, 4]
        assert [event.data["status"] for event in events] == ["validating_files", "queued", "running", "succeeded"]
        assert {event.subject for event in events} == {job_id}
        for event in events:
            assert set(event.data) == SHOWN
            assert (event.data["id"], event.data["user_provided_suffix"]) == (job_id, "mine")
        assert events[-1].data["finished_at"] is not None
        assert {**events[-1].data, "id": job_id} == tenant.client.get(f"/v1/fine_tuning/jobs/{job_id}").json()

    def test_a_job_that_is_resumed_is_queued_again(self, tenant: Tenant) -> None:
        job_id = make_job(tenant, JobStatus.PAUSED)
        assert tenant.client.post(f"/v1/fine_tuning/jobs/{job_id}/resume").status_code == 200
        assert [event.type.rpartition(".")[2] for event in told(tenant)] == [
            "created", "queued", "running", "paused", "queued"]

    def test_a_request_tells_that_it_made_a_job_and_one_that_is_refused_tells_nothing(self, tenant: Tenant) -> None:
        made = tenant.client.post("/v1/fine_tuning/jobs", json={"model": BASE, "training_file": make_file(tenant)})
        assert made.status_code == 200, made.text
        assert tenant.client.post("/v1/fine_tuning/jobs", json={
            "model": BASE, "training_file": "file-nobody"}).status_code == 400
        assert [(event.type, event.subject) for event in told(tenant)] == [
            ("fine_tuning.job.created", made.json()["id"])]

    def test_a_job_that_trains_another_again_says_so_from_the_first(self, tenant: Tenant) -> None:
        old = make_job(tenant, JobStatus.SUCCEEDED)
        made = tenant.client.post(f"/v1/fine_tuning/jobs/{old}/retrain", json={"model": BASE})
        assert made.status_code == 200, made.text
        assert told(tenant, EventType.JOB_CREATED)[-1].data["successor_of"] == old

    def test_nothing_is_told_of_a_move_that_is_rolled_back(self, tenant: Tenant) -> None:
        job_id = make_job(tenant)
        with transaction(tenant.scope) as session:
            operations.transition(session, job_id, JobStatus.QUEUED, because=Line("to queued"))
            session.rollback()
        assert [event.type for event in told(tenant)] == ["fine_tuning.job.created"]

    def test_what_a_file_holds_stays_out_of_the_event_of_the_job_that_fails_over_it(self, tenant: Tenant) -> None:
        job_id = make_job(tenant, training_file=make_file(tenant, error="has the role 'my secret'"))
        with transaction(tenant.scope) as session:
            operations.prepare(session, job_id)
        assert "my secret" in (reload(tenant, job_id).error or {})["message"]
        [failed] = told(tenant, EventType.JOB_FAILED)
        assert failed.data["error"]["code"] == "invalid_file_format"
        assert "my secret" not in str(failed.data)

    def test_a_method_is_told_without_its_prompts(self, tenant: Tenant) -> None:
        job = reload(tenant, make_job(tenant))
        job.method = {"type": "reinforcement", "reinforcement": {
            "hyperparameters": {"n_epochs": 2}, "grader": {"input": "my secret"}, "response_format": {"a": 1}}}
        assert telling.snapshot(job)["method"] == {
            "type": "reinforcement", "reinforcement": {"hyperparameters": {"n_epochs": 2}}}


class TestMilestones:
    def test_each_tenth_is_told_by_the_step_that_reaches_it(self, tenant: Tenant) -> None:
        job_id = running_job(tenant)
        for step in range(1, 21):
            train(tenant, job_id, step)
        assert milestones(tenant) == [(5 * step, step) for step in range(2, 21, 2)]

    def test_its_data_are_the_job_and_the_numbers_of_the_step(self, tenant: Tenant) -> None:
        job_id = running_job(tenant)
        train(tenant, job_id, 2, words="my secret", lost=float("nan"), right=True, grad_norm=2)
        [event] = told(tenant, EventType.JOB_MILESTONE)
        assert set(event.data) == SHOWN | set(DESCRIPTIONS[EventType.JOB_MILESTONE].data)
        assert (event.data["percent"], event.data["step"], event.data["total_steps"]) == (10, 2, 20)
        assert event.data["metrics"] == {"train_loss": 1.5, "grad_norm": 2}
        assert event.data["status"] == "running"

    def test_steps_that_come_together_tell_every_tenth(self, tenant: Tenant) -> None:
        train(tenant, running_job(tenant), *range(1, 21))
        assert [percent for percent, _ in milestones(tenant)] == list(range(10, 101, 10))

    def test_of_several_tenths_that_one_step_reaches_the_last_is_told(self, tenant: Tenant) -> None:
        train(tenant, running_job(tenant), 1, 2, 3, total=3)
        assert milestones(tenant) == [(30, 1), (60, 2), (100, 3)]

    def test_steps_that_are_told_again_tell_nothing_more(self, tenant: Tenant) -> None:
        job_id = running_job(tenant)
        train(tenant, job_id, *range(1, 9))
        train(tenant, job_id, *range(1, 9))
        train(tenant, job_id, 9, 10)
        assert [percent for percent, _ in milestones(tenant)] == [10, 20, 30, 40, 50]

    def test_each_is_told_once_whatever_becomes_of_the_count_of_steps(self, tenant: Tenant) -> None:
        job_id = running_job(tenant)
        train(tenant, job_id, 10)
        with transaction(tenant.scope) as session:
            session.execute(text("update jobs set last_step = 0, total_steps = null"))
        train(tenant, job_id, 10)
        assert milestones(tenant) == [(50, 10)]
        assert [event.sequence for event in told(tenant)] == list(range(1, len(told(tenant)) + 1))

    def test_workers_that_tell_the_same_at_once_tell_it_once(self, tenant: Tenant) -> None:
        job_id = running_job(tenant)
        with ThreadPoolExecutor(4) as several:
            list(several.map(lambda step: train(tenant, job_id, step), [2, 2, 2, 2]))
        assert milestones(tenant) == [(10, 2)]

    @pytest.mark.parametrize("total", [0, -5, True, "20", None, 10**40])
    def test_a_total_that_is_none_tells_nothing(self, tenant: Tenant, total: Any) -> None:
        job_id = running_job(tenant)
        with transaction(tenant.scope) as session:
            operations.record_metrics(session, job_id, [{"step": 7, "total_steps": total, "train_loss": 10**30}])
        assert milestones(tenant) == []

    def test_most_steps_write_no_event(self, tenant: Tenant) -> None:
        job_id = running_job(tenant)
        before = len(told(tenant))
        train(tenant, job_id, *range(1, 100), total=1000)
        assert len(told(tenant)) == before


class TestCheckpoints:
    def test_each_is_told_once_as_it_is_listed(self, tenant: Tenant) -> None:
        job_id = running_job(tenant)
        for step in (8, 8, 16):
            checkpoint(tenant, job_id, step)
        events = told(tenant, EventType.JOB_CHECKPOINT)
        listed = tenant.client.get(f"/v1/fine_tuning/jobs/{job_id}/checkpoints").json()["data"]
        assert [event.data["checkpoint"]["id"] for event in events] == [each["id"] for each in reversed(listed)]
        assert [event.data["checkpoint"]["step_number"] for event in events] == [8, 16]
        assert set(events[0].data) == SHOWN | set(DESCRIPTIONS[EventType.JOB_CHECKPOINT].data)
        assert events[0].data["checkpoint"]["metrics"] == {"train_loss": 1.0}

    def test_one_that_was_let_go_and_is_told_again_is_no_news(self, tenant: Tenant) -> None:
        job_id = running_job(tenant)
        for step in (8, 16, 24, 32, 8):
            checkpoint(tenant, job_id, step)
        steps = [event.data["checkpoint"]["step_number"] for event in told(tenant, EventType.JOB_CHECKPOINT)]
        assert steps == [8, 16, 24, 32]
