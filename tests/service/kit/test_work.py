"""Work items: asked for once, claimed by one, fenced, capped, and never forgotten."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from service.kit import work
from service.kit.database import DISPATCH, transaction
from service.kit.work import Claim, LeaseLost, Work
from service.settings import settings
from tests.fixtures.api import Tenant

LEASE = timedelta(seconds=30)
STALL = timedelta(seconds=60)


def ask(tenant: Tenant, subject: str = "file-1") -> str:
    """Enqueue, and return the item's id."""
    with transaction(tenant.scope) as session:
        work.enqueue(session, Work.VALIDATE_FILE, subject, project_id=tenant.project_id)
        found: str = session.execute(text("select id from work_items where subject = :s"), {"s": subject}).scalar_one()
    return found


def claim(item_id: str, lease: timedelta = LEASE) -> Claim | None:
    with transaction(DISPATCH) as session:
        return work.claim(session, item_id, owner="test", lease=lease)


def must_claim(item_id: str, lease: timedelta = LEASE) -> Claim:
    claimed = claim(item_id, lease)
    assert claimed is not None
    return claimed


def finish(tenant: Tenant, mine: Claim) -> None:
    with transaction(tenant.scope) as session:
        work.finish(session, mine)


def row(item_id: str) -> Any:
    with transaction(DISPATCH) as session:
        return session.execute(text("select * from work_items where id = :id"), {"id": item_id}).one_or_none()


class TestEnqueue:
    def test_asking_twice_is_asking_once(self, tenant: Tenant) -> None:
        assert ask(tenant) == ask(tenant)

    def test_many_are_asked_for_at_once_and_each_is_one(self, tenant: Tenant) -> None:
        with transaction(tenant.scope) as session:
            work.enqueue(session, Work.PREFLIGHT, "b", project_id=tenant.project_id)
            work.enqueue_all(session, Work.PREFLIGHT, ["c", "a", "b", "a"], project_id=tenant.project_id)
            work.enqueue_all(session, Work.PREFLIGHT, [], project_id=tenant.project_id)
        with transaction(tenant.scope) as session:
            items = session.execute(text("select subject, state from work_items where kind = :kind order by subject"),
                                    {"kind": Work.PREFLIGHT.value}).all()
        assert items == [("a", "pending"), ("b", "pending"), ("c", "pending")]

    def test_work_asked_for_while_it_runs_runs_again(self, tenant: Tenant) -> None:
        item = ask(tenant)
        mine = must_claim(item)
        ask(tenant)
        with transaction(tenant.scope) as session:
            work.finish(session, mine)
        assert row(item).state == "pending"
        second = must_claim(item)
        with transaction(tenant.scope) as session:
            work.finish(session, second)
        assert row(item) is None

    def test_a_failed_item_starts_afresh(self, tenant: Tenant) -> None:
        item = ask(tenant)
        mine = must_claim(item)
        with transaction(tenant.scope) as session:
            work.give_up(session, mine, error="no")
        assert claim(item) is None
        ask(tenant)
        assert must_claim(item).failures == 0

    def test_another_project_cannot_be_given_work(self, tenant: Tenant, stranger: Tenant) -> None:
        with pytest.raises(Exception, match="row-level security"), transaction(tenant.scope) as session:
            work.enqueue(session, Work.VALIDATE_FILE, "file-1", project_id=stranger.project_id)


class TestFinish:
    def test_it_calls_the_relay_when_more_of_the_project_waits(self, tenant: Tenant) -> None:
        first, second = must_claim(ask(tenant)), must_claim(ask(tenant, "file-2"))
        waiting = ask(tenant, "file-3")
        with psycopg.connect(settings().database_url.get_secret_value(), autocommit=True) as listener:
            listener.execute(f"listen {work.CHANNEL}")
            finish(tenant, first)
            assert [call.payload for call in listener.notifies(timeout=5, stop_after=1)] == ["datasets"]
            must_claim(waiting)
            finish(tenant, second)
            assert list(listener.notifies(timeout=0.2)) == [], "nothing is left to be sent"


class TestClaim:
    def test_eight_workers_race_and_one_wins(self, tenant: Tenant) -> None:
        item = ask(tenant)
        with ThreadPoolExecutor(8) as pool:
            claims = list(pool.map(claim, [item] * 8))
        assert sum(each is not None for each in claims) == 1

    def test_an_expired_lease_is_taken_over_and_counts_as_a_crash(self, tenant: Tenant) -> None:
        item = ask(tenant)
        first = must_claim(item, lease=timedelta(seconds=-1))
        second = must_claim(item)
        assert (second.fence, second.crashes) == (first.fence + 1, 1)

    def test_the_sixth_death_is_one_too_many(self, tenant: Tenant) -> None:
        item = ask(tenant)
        claims = [must_claim(item, lease=timedelta(seconds=-1)) for _ in range(work.MAX_CRASHES + 2)]
        assert [each.spent for each in claims] == [False] * (work.MAX_CRASHES + 1) + [True]

    def test_work_that_gets_on_between_deaths_may_outlive_any_number_of_workers(self, tenant: Tenant) -> None:
        item = ask(tenant)
        for _ in range(2 * work.MAX_CRASHES):
            mine = must_claim(item, lease=timedelta(seconds=-1))
            assert not mine.spent
            with transaction(tenant.scope) as session:
                work.note_headway(session, mine)

    def test_whoever_was_passed_made_no_headway(self, tenant: Tenant) -> None:
        item = ask(tenant)
        dead = must_claim(item, lease=timedelta(seconds=-1))
        must_claim(item, lease=timedelta(seconds=-1))
        with transaction(tenant.scope) as session:
            work.note_headway(session, dead)
        assert must_claim(item).crashes == 2


class TestFence:
    def test_whoever_was_passed_writes_nothing(self, tenant: Tenant) -> None:
        item = ask(tenant)
        dead = must_claim(item, lease=timedelta(seconds=-1))
        must_claim(item)
        for act in (work.guard, work.finish):
            with pytest.raises(LeaseLost), transaction(tenant.scope) as session:
                act(session, dead)
        with pytest.raises(LeaseLost), transaction(tenant.scope) as session:
            work.postpone(session, dead, timedelta(0))

    def test_a_heartbeat_without_progress_ends(self, tenant: Tenant) -> None:
        mine = must_claim(ask(tenant))
        with transaction(DISPATCH) as session:
            work.heartbeat(session, mine, progress="1", lease=LEASE, stall=timedelta(0))
        with transaction(DISPATCH) as session:
            work.heartbeat(session, mine, progress="2", lease=LEASE, stall=timedelta(0))
        with pytest.raises(LeaseLost), transaction(DISPATCH) as session:
            work.heartbeat(session, mine, progress="2", lease=LEASE, stall=timedelta(0))
        with transaction(DISPATCH) as session:
            work.heartbeat(session, mine, progress="2", lease=LEASE, stall=STALL)


class TestPostpone:
    def test_waiting_costs_nothing_and_failing_counts(self, tenant: Tenant) -> None:
        item = ask(tenant)
        with transaction(tenant.scope) as session:
            work.postpone(session, must_claim(item), timedelta(0))
        assert row(item).failures == 0
        with transaction(tenant.scope) as session:
            work.postpone(session, must_claim(item), timedelta(hours=1), failed=True, error="busy")
        assert (row(item).failures, row(item).last_error) == (1, "busy")
        assert claim(item) is None, "it is not due for an hour"
