"""What surrounds every task: outcomes, retries, giving up, and losing the item."""

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from service.kit import work
from service.kit.database import DISPATCH, transaction
from service.kit.work import Claim, Work
from service.settings import settings
from tests.fixtures.api import Tenant
from tests.fixtures.database import begin_anew
from worker import app as framework
from worker.app import Running, Task, Transient, unit_of_work


@pytest.fixture
def item(tenant: Tenant) -> str:
    with transaction(tenant.scope) as session:
        work.enqueue(session, Work.EXPIRE_UPLOAD, "upload_1", project_id=tenant.project_id)
        found: str = session.execute(text("select id from work_items")).scalar_one()
    return found


def row(item: str) -> Any:
    with transaction(DISPATCH) as session:
        return session.execute(text("select *, run_at > now() as waits from work_items where id = :id"),
                               {"id": item}).one_or_none()


def make_due(item: str, **values: int) -> None:
    with transaction(DISPATCH) as session:
        session.execute(text("update work_items set run_at = now(), lease_until = now() - interval '1 s'"
                             " where id = :id"), {"id": item})
        for column, value in values.items():
            session.execute(text(f"update work_items set {column} = :value"), {"value": value})


def failing(trouble: Exception) -> Task:
    def handler(_: Running) -> timedelta | None:
        raise trouble
    return Task(Work.EXPIRE_UPLOAD, handler)


def test_work_that_is_done_leaves_no_row(item: str) -> None:
    framework.run(Task(Work.EXPIRE_UPLOAD, lambda _: None), item)
    assert row(item) is None


def test_a_message_for_work_that_is_done_does_nothing(item: str) -> None:
    calls: list[Running] = []
    entry = Task(Work.EXPIRE_UPLOAD, calls.append)
    framework.run(entry, item)
    framework.run(entry, item)
    assert len(calls) == 1


def test_a_handler_may_ask_to_be_run_later(item: str) -> None:
    framework.run(Task(Work.EXPIRE_UPLOAD, lambda _: timedelta(hours=1)), item)
    assert (row(item).state, row(item).failures, row(item).waits) == ("pending", 0, True)


@pytest.mark.parametrize("trouble", [Transient("busy", retry_after=120), RuntimeError("a bug")])
def test_trouble_is_tried_again_later_and_counted(item: str, trouble: Exception) -> None:
    framework.run(failing(trouble), item)
    assert (row(item).state, row(item).failures, row(item).waits) == ("pending", 1, True)
    assert row(item).last_error == str(trouble)


@pytest.mark.parametrize("spent", [{"failures": work.MAX_FAILURES}, {"crashes": work.MAX_CRASHES + 1}])
def test_when_the_attempts_are_spent_the_subject_is_told(item: str, spent: dict[str, int]) -> None:
    make_due(item, **spent)
    told: list[tuple[str, str]] = []
    entry = failing(Transient("busy"))

    @entry.abandoned
    def _(session: Session, claim: Claim, cause: str) -> None:
        session.execute(text("select 1"))
        told.append((claim.subject, cause))
    framework.run(entry, item)
    assert [subject for subject, _ in told] == ["upload_1"]
    assert row(item).state == "failed"


def test_whoever_lost_the_item_records_nothing(item: str) -> None:
    def handler(running: Running) -> timedelta | None:
        make_due(item)
        with transaction(DISPATCH) as session:
            assert work.claim(session, item, owner="another", lease=timedelta(seconds=30)) is not None
        with unit_of_work(running.claim):
            pytest.fail("the fence was passed and the transaction began all the same")
        return None
    framework.run(Task(Work.EXPIRE_UPLOAD, handler), item)
    assert (row(item).state, row(item).lease_owner) == ("running", "another")


def test_the_heartbeat_keeps_the_lease_and_ends_with_the_handler(
        item: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEWORKS_LEASE_SECONDS", "0.6")
    settings.cache_clear()

    def handler(running: Running) -> timedelta | None:
        first = row(item).lease_until
        renewed = threading.Event()
        while not renewed.wait(0.05):
            running.advance("moving")
            if row(item).lease_until > first:
                renewed.set()
        raise RuntimeError("the handler dies")
    framework.run(Task(Work.EXPIRE_UPLOAD, handler), item)
    assert not [thread for thread in threading.enumerate() if thread.name == "heartbeat"]
    settings.cache_clear()


@pytest.mark.parametrize("trouble", [None, Transient("busy")])
def test_an_outcome_waits_for_a_database_that_starts_anew(
        item: str, trouble: Exception | None, monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(framework, "_RESTART_PAUSES", (0.05,) * 100)
    at_home = settings().database_url.get_secret_value()

    def move(url: str) -> None:
        monkeypatch.setenv("TUNEWORKS_DATABASE_URL", url)
        begin_anew()

    back = threading.Timer(0.5, move, [at_home])

    def handler(_: Running) -> timedelta | None:
        move("postgresql://127.0.0.1:1/nobody")
        back.start()
        if trouble is not None:
            raise trouble
        return timedelta(hours=1)

    framework.run(Task(Work.EXPIRE_UPLOAD, handler), item)
    back.join()
    assert (row(item).state, row(item).crashes, row(item).failures) == ("pending", 0, int(trouble is not None))
    assert any("the database is away" in record.message for record in caplog.records)


def test_every_kind_of_work_has_a_task() -> None:
    for module in framework.HANDLER_MODULES:
        __import__(module)
    assert set(framework.TASKS) == set(Work)
    assert {kind for kind, entry in framework.TASKS.items() if entry.abandon is None} == {
        Work.ERASE_OBJECT, Work.EXPIRE_UPLOAD, Work.FOLLOW_JOB, Work.SWEEP_CREDENTIAL,
        Work.ANNOUNCE_RETIREMENT, Work.FORGET_KEY, Work.GATHER_MAIL}, (
        "only these may be given up without a word: they are asked for again, or nobody misses them")


class TestTimeLimits:
    def test_work_that_grows_with_a_file_is_bounded_by_its_progress(self) -> None:
        for module in framework.HANDLER_MODULES:
            __import__(module)
        limits = {kind: framework.app.tasks[kind.value].time_limit for kind in Work}
        assert limits[Work.TRAIN_JOB] is None
        assert {kind for kind, limit in limits.items() if limit is not None and limit > 3600} == {
            Work.VALIDATE_FILE, Work.ANALYSE_SEGMENT, Work.COUNT_TOKENS, Work.BUILD_VERSION, Work.SUBMIT_JOB,
            Work.IMPORT_ESTATE}
        longest = settings().stall_seconds
        assert all(limit > longest for limit in limits.values() if limit is not None and limit > 600)

    def test_work_that_stands_still_loses_its_lease_however_long_it_may_take(
            self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TUNEWORKS_LEASE_SECONDS", "0.3")
        monkeypatch.setenv("TUNEWORKS_STALL_SECONDS", "0.5")
        settings.cache_clear()
        with transaction(tenant.scope) as session:
            work.enqueue(session, Work.BUILD_VERSION, "dsver_1", project_id=tenant.project_id)
            found: str = session.execute(text("select id from work_items")).scalar_one()
        ended: list[bool] = []

        def handler(running: Running) -> timedelta | None:
            begun = time.monotonic()
            while not running.lost and time.monotonic() < begun + 10:
                time.sleep(0.05)
            ended.append(running.lost)
            running.advance("too late")
            return None
        framework.run(Task(Work.BUILD_VERSION, handler), found)
        settings.cache_clear()
        assert ended == [True]
        assert row(found).state == "running", "another worker takes it over when the lease has run out"


def test_a_cause_that_postgres_cannot_hold_is_written_all_the_same(
        item: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the item would be started for ever: neither put off nor given up."""
    monkeypatch.setattr(framework._log, "disabled", True)  # what is logged here cannot travel between test processes
    framework.run(failing(ValueError("a\x00b\ud800" + "c" * 100_000)), item)
    assert (row(item).state, row(item).failures) == ("pending", 1)
    assert row(item).last_error.startswith("a\N{REPLACEMENT CHARACTER}b?c")
    assert len(row(item).last_error) < 10_000
