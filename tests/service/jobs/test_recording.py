"""What workers record happens once however often it is told, and never to a job that has ended."""

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from threading import Event as Flag
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.catalog.tables import TunedModel
from service.events.tables import Event
from service.jobs import operations, queries
from service.jobs.errors import WrongState
from service.jobs.states import JobStatus
from service.kit.database import transaction
from service.kit.work import Claim, Work, WorkItem, claim, guard
from tests.fixtures.api import Tenant
from tests.service.jobs.building import BASE, checkpoint, make_job, messages, reload, running_job


def step(number: int, **values: Any) -> dict[str, Any]:
    return {"step": number, "total_steps": 100, "train_loss": 0.421, "train_mean_token_accuracy": 0.9, **values}


def record(tenant: Tenant, operation: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    with transaction(tenant.scope) as session:
        return operation(session, *args, **kwargs)


def test_each_step_is_logged_once_with_its_numbers(tenant: Tenant) -> None:
    job_id = running_job(tenant)
    record(tenant, operations.record_metrics, job_id, [step(2, valid_loss=0.5), step(1)])
    record(tenant, operations.record_metrics, job_id, [step(2, train_loss=9.0), step(3, train_loss=math.nan)])
    page = tenant.client.get(f"/v1/fine_tuning/jobs/{job_id}/events", params={"limit": 3}).json()["data"]
    assert [event["message"] for event in page] == [
        "Step 3/100: no loss", "Step 2/100: training loss=0.42, validation loss=0.50",
        "Step 1/100: training loss=0.42"]
    assert {event["type"] for event in page} == {"metrics"}
    assert page[2]["data"] == step(1)
    with transaction(tenant.scope) as session:
        assert [row["step"] for row in queries.metrics(session, job_id)] == [1, 2, 3]
    assert reload(tenant, job_id).last_step == 3


def test_progress_says_when_it_will_be_over(tenant: Tenant) -> None:
    job_id = running_job(tenant)
    record(tenant, operations.record_progress, job_id, total_steps=50, seconds_left=None)
    assert tenant.client.get(f"/v1/fine_tuning/jobs/{job_id}").json()["estimated_finish"] is None
    for left in (60.0, math.inf, math.nan, 1e300):
        record(tenant, operations.record_progress, job_id, total_steps=50, seconds_left=left)
    shown = tenant.client.get(f"/v1/fine_tuning/jobs/{job_id}").json()
    assert shown["estimated_finish"] > shown["created_at"]


def test_the_last_three_checkpoints_are_kept_and_the_rest_erased(tenant: Tenant) -> None:
    job_id = running_job(tenant)
    for number in (1, 2, 2, 3, 4, 4, 1):
        checkpoint(tenant, job_id, number)
    with transaction(tenant.scope) as session:
        assert [kept.step_number for kept in queries.kept_checkpoints(session, job_id)] == [4, 3, 2]
        erased = session.scalars(select(WorkItem.subject).where(WorkItem.kind == Work.ERASE_OBJECT.value)).all()
        alive = session.scalars(select(TunedModel.step).where(TunedModel.deleted_at.is_(None))).all()
    assert erased == [f"artifacts/{job_id}/1/"]
    assert sorted(alive) == [2, 3, 4]
    assert [line for line in messages(tenant, job_id) if line.startswith("Checkpoint")] == [
        f"Checkpoint created at step {number}" for number in (1, 2, 3, 4)]


def test_a_success_names_the_last_checkpoint(tenant: Tenant) -> None:
    job_id = running_job(tenant, suffix="mail")
    for number in (10, 20):
        checkpoint(tenant, job_id, number)
    for _ in range(2):
        record(tenant, operations.record_success, job_id, trained_tokens=5070, result_file="file-result")
    job = tenant.client.get(f"/v1/fine_tuning/jobs/{job_id}").json()
    name = f"ft:{BASE}:{tenant.slug}:mail:{reload(tenant, job_id).model_code}"
    assert job["status"] == "succeeded"
    assert job["fine_tuned_model"] == name
    assert (job["trained_tokens"], job["result_files"], job["error"]) == (5070, ["file-result"], {})
    assert job["finished_at"] >= job["created_at"]
    newest, older = tenant.client.get(f"/v1/fine_tuning/jobs/{job_id}/checkpoints").json()["data"]
    assert newest["fine_tuned_model_checkpoint"] == name
    assert older["fine_tuned_model_checkpoint"].endswith(":ckpt-step-10")
    for each in (newest, older):
        assert tenant.client.get(f"/v1/models/{each['fine_tuned_model_checkpoint']}").status_code == 200
    assert messages(tenant, job_id)[-2:] == [f"New fine-tuned model created: {name}",
                                             "The job has successfully completed"]


def test_a_success_without_a_model_is_a_failure(tenant: Tenant) -> None:
    job_id = running_job(tenant)
    record(tenant, operations.record_success, job_id, trained_tokens=1, result_file="file-result")
    job = reload(tenant, job_id)
    assert job.status is JobStatus.FAILED
    assert job.error is not None
    assert job.error["code"] == "server_error"


def test_a_failure_shows_its_cause(tenant: Tenant) -> None:
    job_id = running_job(tenant)
    record(tenant, operations.record_failure, job_id, "out_of_memory", "No memory.", "method")
    shown = tenant.client.get(f"/v1/fine_tuning/jobs/{job_id}").json()
    assert shown["status"] == "failed"
    assert shown["error"] == {"code": "out_of_memory", "message": "No memory.", "param": "method"}
    event = tenant.client.get(f"/v1/fine_tuning/jobs/{job_id}/events").json()["data"][0]
    assert (event["level"], event["message"]) == ("error", "No memory.")
    assert event["data"] == {"error_code": "out_of_memory", "error_param": "method"}


@pytest.mark.parametrize("status", [JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED])
def test_an_ended_job_stays_as_it_is(tenant: Tenant, status: JobStatus) -> None:
    job_id = make_job(tenant, status)
    before, told = messages(tenant, job_id), count_events(tenant)
    record(tenant, operations.record_handle, job_id, {"pid": 1})
    record(tenant, operations.record_note, job_id, "note")
    record(tenant, operations.record_metrics, job_id, [step(1)])
    record(tenant, operations.record_progress, job_id, total_steps=1, seconds_left=1.0)
    checkpoint(tenant, job_id, 1)
    record(tenant, operations.record_success, job_id, trained_tokens=1, result_file="file-result")
    record(tenant, operations.record_failure, job_id, "server_error", "no", None)
    record(tenant, operations.record_cancelled, job_id)
    record(tenant, operations.record_paused, job_id)
    assert reload(tenant, job_id).status is status
    assert reload(tenant, job_id).handle is None
    assert messages(tenant, job_id) == before
    assert count_events(tenant) == told
    with transaction(tenant.scope) as session:
        assert session.scalar(select(func.count()).select_from(TunedModel)) == 0


def count_events(tenant: Tenant) -> int:
    with transaction(tenant.scope) as session:
        return session.scalar(select(func.count()).select_from(Event)) or 0


def test_a_note_is_written_once(tenant: Tenant) -> None:
    job_id = running_job(tenant)
    for _ in range(2):
        record(tenant, operations.record_note, job_id, "loading the model")
    assert messages(tenant, job_id).count("loading the model") == 1


def test_a_cancel_that_meets_a_pause_wins(tenant: Tenant) -> None:
    job_id = running_job(tenant)
    record(tenant, operations.pause, job_id)
    record(tenant, operations.cancel, job_id)
    assert record(tenant, operations.stop_requested, job_id) == "cancel"
    record(tenant, operations.record_paused, job_id)
    assert reload(tenant, job_id).status is JobStatus.CANCELLED


def test_nothing_asked_means_nothing_to_stop(tenant: Tenant) -> None:
    job_id = running_job(tenant)
    assert record(tenant, operations.stop_requested, job_id) is None


def race(tenant: Tenant, contenders: list[Callable[[Session], object]]) -> None:
    """All at once, each in a transaction and a thread of its own."""
    start = Barrier(len(contenders))

    def run(contender: Callable[[Session], object]) -> None:
        start.wait()
        with transaction(tenant.scope) as session:
            contender(session)

    with ThreadPoolExecutor(len(contenders)) as pool:
        for result in [pool.submit(run, contender) for contender in contenders]:
            result.result()


def test_of_eight_ends_at_once_one_wins_and_is_told_once(tenant: Tenant) -> None:
    for _ in range(10):
        job_id = running_job(tenant)
        checkpoint(tenant, job_id, 1)

        def succeed(session: Session, job_id: str = job_id) -> None:
            operations.record_success(session, job_id, trained_tokens=1, result_file="file-result")

        def end(session: Session, job_id: str = job_id) -> None:
            operations.record_cancelled(session, job_id)

        def lose(session: Session, job_id: str = job_id) -> None:
            operations.record_failure(session, job_id, "server_error", "lost", None)

        race(tenant, [succeed, end, lose, succeed, end, lose, succeed, end])
        job = reload(tenant, job_id)
        assert job.status.is_terminal
        with transaction(tenant.scope) as session:
            told = session.scalars(select(Event.type).where(Event.subject == job_id).order_by(Event.position)).all()
        assert told == [f"fine_tuning.job.{each}" for each in (
            "created", "queued", "running", "checkpoint.created", job.status)]
        assert (job.error is None) == (job.status is not JobStatus.FAILED)
        assert (job.fine_tuned_model is None) == (job.status is not JobStatus.SUCCEEDED)


def test_a_cancel_and_a_start_at_once_agree(tenant: Tenant) -> None:
    for _ in range(10):
        job_id = make_job(tenant)
        record(tenant, operations.prepare, job_id)
        plans: list[object] = []

        def begin(session: Session, job_id: str = job_id, plans: list[object] = plans) -> None:
            plans.append(operations.begin(session, job_id))

        def stop(session: Session, job_id: str = job_id) -> None:
            try:
                operations.cancel(session, job_id)
            except WrongState:
                assert reload(tenant, job_id).status is JobStatus.CANCELLED

        race(tenant, [begin, stop, begin, stop, begin, stop, begin, stop])
        job = reload(tenant, job_id)
        assert job.status in {JobStatus.RUNNING, JobStatus.CANCELLED}
        if job.status is JobStatus.RUNNING:
            assert job.cancel_requested_at is not None
            assert any(plans)


def test_an_owner_and_a_worker_that_meet_do_not_lock_each_other_out(tenant: Tenant) -> None:
    for request in (operations.cancel, operations.pause):
        job_id = running_job(tenant)
        with transaction(tenant.scope) as session:
            item_id = session.scalars(select(WorkItem.id).where(WorkItem.subject == job_id,
                                                                WorkItem.kind == Work.TRAIN_JOB.value)).one()
            mine = claim(session, item_id, owner="test", lease=timedelta(minutes=1))
        assert mine is not None
        item_held = Flag()

        def work(_: Session, mine: Claim = mine, job_id: str = job_id, item_held: Flag = item_held) -> None:
            with transaction(tenant.scope) as session:
                guard(session, mine)
                item_held.set()
                time.sleep(0.3)  # the owner takes meanwhile whatever it takes first
                operations.record_metrics(session, job_id, [step(1)])

        def ask(session: Session, job_id: str = job_id, item_held: Flag = item_held,
                request: Callable[..., Any] = request) -> None:
            item_held.wait()
            request(session, job_id)

        race(tenant, [work, ask])
        assert "Step 1/100: training loss=0.42" in messages(tenant, job_id)
        assert record(tenant, operations.stop_requested, job_id) is not None
