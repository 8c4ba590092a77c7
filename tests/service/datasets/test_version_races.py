"""Data sets, versions, counts and jobs at the same moment, with real transactions: nobody waits in a circle."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from sqlalchemy import text

from service.datasets.analysis.segments import Range
from service.datasets.operations import readings
from service.datasets.operations import reports as report_operations
from service.datasets.queries import counts as count_queries
from service.datasets.queries import reports as report_queries
from service.datasets.queries import versions as version_queries
from service.jobs import operations as jobs
from service.jobs.operations import asking
from service.jobs.schemas.jobs import JobCreate
from service.kit.database import transaction
from tests.fixtures.api import Tenant
from tests.service.datasets.analysed import analysed, different
from tests.service.datasets.making import DATASETS, ask, built, chats, dataset, upload
from tests.service.datasets.reviewing import make_version
from tests.service.jobs.building import BASE

_PAUSE = 0.4
"""Long enough for the other side to come to where it has to wait."""


def wait_until_somebody_waits(tenant: Tenant) -> None:
    for _ in range(100):
        with transaction(tenant.scope) as session:
            if session.execute(text("select 1 from pg_locks where not granted")).first():
                return
        time.sleep(0.05)


def both(*acts: Callable[[], Any]) -> list[Any]:
    """What each came to: an answer, or the exception."""
    def run(act: Callable[[], Any]) -> Any:
        try:
            return act()
        except Exception as wrong:  # noqa: BLE001 - it is what the test is about
            return wrong
    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def test_the_same_source_asked_for_at_once_is_one_version(tenant: Tenant) -> None:
    dataset_id, file_id = dataset(tenant), upload(tenant, chats(12))
    source = {"type": "file", "file_id": file_id}
    answers = both(*[lambda: ask(tenant, dataset_id, source).json() for _ in range(6)])
    assert len({answer["id"] for answer in answers}) == 1
    assert sorted(answer["existing"] for answer in answers) == [False] + [True] * 5


def test_a_job_of_two_versions_and_the_deletion_of_their_data_set_do_not_wait_in_a_circle(
        tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset_id = dataset(tenant)
    older, newer = built(tenant, dataset_id, chats(12)), built(tenant, dataset_id, chats(15))
    one_held = Event()
    real = asking.asked_file

    def slow(session: Any, param: str, name: str) -> Any:
        found = real(session, param, name)
        if param == "training_file":
            one_held.set()
            wait_until_somebody_waits(tenant)
        return found
    monkeypatch.setattr(asking, "asked_file", slow)

    def create() -> str:
        with transaction(tenant.scope) as session:
            return jobs.create(session, tenant.caller, JobCreate(
                model=BASE, training_file=newer["id"], validation_file=older["id"])).id

    def erase() -> int:
        one_held.wait(10)
        return tenant.client.delete(f"{DATASETS}/{dataset_id}").status_code
    made, deleted = both(create, erase)
    assert (str(made)[:6], deleted) == ("ftjob-", 409)


def test_a_version_deleted_while_its_report_is_recorded_does_not_wait_in_a_circle(
        tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    version = make_version(tenant, [0] * 12)
    file_held = Event()
    real = report_queries.lock_report

    def slow(session: Any, file_id: str) -> Any:
        file_held.set()
        wait_until_somebody_waits(tenant)
        return real(session, file_id)
    monkeypatch.setattr(report_queries, "lock_report", slow)

    def record() -> bool:
        with transaction(tenant.scope) as session:
            return report_operations.record_report(session, version.file_id, analysed(different(12)))

    def delete() -> int:
        file_held.wait(10)
        return tenant.client.delete(f"{DATASETS}/{version.dataset_id}/versions/1").status_code
    assert both(record, delete) == [True, 200]


def test_a_count_asked_for_at_once_is_one_count(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    file_id = upload(tenant, chats(12))
    real = count_queries.number_of_counts

    def slow(session: Any, of: str) -> int:
        time.sleep(_PAUSE)
        return real(session, of)
    monkeypatch.setattr(count_queries, "number_of_counts", slow)
    url = f"/v1/files/{file_id}/validation/tokens?tokenizer=cl100k_base"
    assert both(*[lambda: tenant.client.get(url).status_code for _ in range(4)]) == [200] * 4


def test_a_version_deleted_after_it_was_found_is_not_taken_for_alive(tenant: Tenant) -> None:
    version = make_version(tenant, [0] * 12)
    with transaction(tenant.scope) as session:
        found = version_queries.version_by_id(session, version.version_id)
        assert found is not None
        assert tenant.client.delete(f"{DATASETS}/{version.dataset_id}/versions/1").status_code == 200
        held = version_queries.version_of_file(session, version.file_id, share=True)
        assert held is found
        assert held.deleted_at is not None


def test_the_last_segment_and_a_reading_that_is_begun_again_do_not_wait_in_a_circle(
        tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that takes a reading over meets the one that ends the last segment."""
    file_id = upload(tenant, chats(12))
    with transaction(tenant.scope) as session:
        [(item, )] = session.execute(text("select id from work_items where kind = 'datasets.validate'")).all()
        reading = readings.begin(session, file_id)
        assert reading is not None
        half = reading.size // 2
        readings.split(session, file_id, [Range(0, 0, half), Range(1, half, reading.size)],
                       format="chat")
        segments = [each for (each,) in session.execute(text("select id from dataset_segments order by number"))]
    report_held = Event()
    real = report_queries.lock_report

    def slow(session: Any, of: str) -> Any:
        held = real(session, of)
        report_held.set()
        time.sleep(_PAUSE)
        return held
    monkeypatch.setattr(report_queries, "lock_report", slow)

    def finish(segment: str) -> bool:
        with transaction(tenant.scope) as session:
            session.execute(text("select 1 from work_items where subject = :id for update"), {"id": segment})
            piece = readings.piece(session, segment)
            assert piece is not None
            return readings.finish_piece(session, piece, f"key of {segment}")

    def begin() -> str:
        with transaction(tenant.scope) as session:
            session.execute(text("select 1 from work_items where id = :id for update"), {"id": item})
            report_held.wait(_PAUSE)
            again = readings.begin(session, file_id)
            assert again is not None
            return again.step
    assert finish(segments[0])
    report_held.clear()
    last, step = both(lambda: finish(segments[1]), begin)
    assert last is True
    assert step in {"split", "merge"}


