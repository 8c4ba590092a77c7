"""Turns: one poller at a credential, whatever others do; a lease that ends; nothing written by who lost it."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import text

from service.kit.database import DISPATCH, transaction
from tests.fixtures.api import Tenant
from tests.worker.poller.attempts import CREDENTIAL, all_due, change, live, rows
from worker.poller import claiming
from worker.poller.claiming import Turn
from worker.poller.pacing import GRID_SECONDS, phase

LEASE = 60.0


def claim(*, room: int = 10, blocked: set[str] | None = None) -> list[Turn]:
    with transaction(DISPATCH) as session:
        return claiming.claim(session, lease=LEASE, room=room, blocked=blocked or set())


def record(turn: Turn, wait: float = 10.0) -> None:
    with transaction(DISPATCH) as session:
        claiming.record(session, turn, dict.fromkeys((job.id for job in turn.jobs), wait))


class TestClaim:
    def test_a_turn_has_all_jobs_of_a_credential_that_are_due(self, tenant: Tenant, stranger: Tenant) -> None:
        mine, theirs = live(tenant, ["a", "b"]), live(stranger, ["c"])
        [waiting] = live(tenant, ["d"])
        change(tenant, [waiting], next_poll_at="now() + interval '1 minute'")
        [turn] = claim()
        assert turn.credential_id == CREDENTIAL
        assert {job.id for job in turn.jobs} == {*mine, *theirs}
        assert {job.project_id for job in turn.jobs} == {tenant.project_id, stranger.project_id}

    def test_what_is_due_within_a_slot_is_taken_along_unless_it_could_not_be_read(self, tenant: Tenant) -> None:
        due, soon, failing = live(tenant, ["a", "b", "c"])
        change(tenant, [soon, failing], next_poll_at=f"now() + interval '{GRID_SECONDS - 1} seconds'")
        change(tenant, [failing], poll_failures="1")
        [turn] = claim()
        assert {job.id for job in turn.jobs} == {due, soon}

    def test_where_nothing_is_due_nothing_is_taken_along(self, tenant: Tenant) -> None:
        change(tenant, live(tenant, ["a"]), next_poll_at="now() + interval '5 seconds'")
        with transaction(DISPATCH) as session:
            assert claiming._take(session, CREDENTIAL, LEASE) is None

    def test_what_is_not_live_is_left_alone(self, tenant: Tenant) -> None:
        ids = live(tenant, ["a", "b"])
        change(tenant, ids[:1], state="'ended'")
        change(tenant, ids[1:], next_poll_at="null")
        assert claim() == []

    def test_the_longest_overdue_credential_comes_first(self, tenant: Tenant) -> None:
        for number in range(3):
            ids = live(tenant, [f"job-{number}"], credential_id=f"cred_{number}")
            change(tenant, ids, next_poll_at=f"now() - interval '{number + 1} minutes'")
        assert [turn.credential_id for turn in claim(room=2)] == ["cred_2", "cred_1"]

    def test_a_blocked_credential_is_passed_over(self, tenant: Tenant) -> None:
        live(tenant, ["a"], credential_id="cred_blocked")
        live(tenant, ["b"], credential_id="cred_open")
        assert [turn.credential_id for turn in claim(blocked={"cred_blocked"})] == ["cred_open"]

    def test_jobs_that_were_not_seen_for_the_longest_time_come_first(self, tenant: Tenant) -> None:
        lately, never, long_ago = live(tenant, ["a", "b", "c"])
        change(tenant, [lately], polled_at="now() - interval '1 minute'")
        change(tenant, [long_ago], polled_at="now() - interval '1 hour'")
        [turn] = claim()
        assert [job.id for job in turn.jobs] == [never, long_ago, lately]

    def test_it_tells_age_failures_and_whether_to_follow(self, tenant: Tenant) -> None:
        ids = live(tenant, ["a"], status="queued")
        change(tenant, ids, status_since="now() - interval '90 seconds'", next_follow_at="now()", poll_failures="3")
        [turn] = claim()
        [job] = turn.jobs
        assert (job.status, job.failures, job.follow, turn.failures) == ("queued", 3, True, 3)
        assert 89 < job.age < 150


class TestLease:
    def test_nobody_else_gets_a_turn_at_the_credential(self, tenant: Tenant) -> None:
        live(tenant, ["a"])
        assert len(claim()) == 1
        live(tenant, ["became-due-meanwhile"])
        assert claim() == []

    def test_pollers_that_claim_at_the_same_moment_share_no_credential(self, tenant: Tenant) -> None:
        for number in range(20):
            live(tenant, [f"job-{number}-{each}" for each in range(5)], credential_id=f"cred_{number}")
        start = threading.Barrier(6)

        def once(_: int) -> list[Turn]:
            start.wait()
            return claim(room=20)
        with ThreadPoolExecutor(6) as pool:
            turns = [turn for found in pool.map(once, range(6)) for turn in found]
        assert len({turn.credential_id for turn in turns}) == len(turns)
        assert all(len(turn.jobs) == 5 for turn in turns)
        assert len(turns) + len(claim(room=20)) == 20

    def test_a_dead_pollers_jobs_are_due_again_when_its_lease_is_over(self, tenant: Tenant) -> None:
        ids = live(tenant, ["a", "b"])
        [lost] = claim()
        assert all(LEASE - 30 < row.waits <= LEASE for row in rows().values())
        all_due()
        [taken_over] = claim()
        assert {job.id for job in taken_over.jobs} == set(ids)
        assert taken_over.id != lost.id

    def test_who_lost_the_turn_writes_nothing(self, tenant: Tenant) -> None:
        live(tenant, ["a"])
        [lost] = claim()
        all_due()
        [holder] = claim()
        before = rows()
        with transaction(DISPATCH) as session:
            ids = [job.id for job in lost.jobs]
            claiming.record(session, lost, dict.fromkeys(ids, 1.0))
            claiming.put_off(session, lost, dict.fromkeys(ids, 1.0))
            claiming.give_back(session, lost, ids)
            assert claiming.renew(session, lost, lease=LEASE) is False
            assert claiming.renew(session, holder, lease=LEASE) is True
        [row] = rows().values()
        assert (row.poll_lease, row.poll_failures) == (holder.id, 0)
        assert row.next_poll_at >= before[row.id].next_poll_at

    def test_a_lease_that_is_over_writes_nothing_even_if_nobody_took_it(self, tenant: Tenant) -> None:
        live(tenant, ["a"])
        [late] = claim()
        all_due()
        record(late)
        [row] = rows().values()
        assert row.waits < 0
        assert row.polled_at is None

    def test_a_renewed_lease_ends_later(self, tenant: Tenant) -> None:
        live(tenant, ["a"])
        [turn] = claim()
        with transaction(DISPATCH) as session:
            claiming.renew(session, turn, lease=10 * LEASE)
        [row] = rows().values()
        assert row.waits > 9 * LEASE


class TestRecord:
    def test_jobs_that_were_seen_wait_for_their_credentials_next_slot(self, tenant: Tenant) -> None:
        live(tenant, ["a", "b"])
        [turn] = claim()
        record(turn, 15.0)
        for row in rows().values():
            assert (row.poll_lease, row.poll_failures) == (None, 0)
            assert row.polled_at is not None
            assert 15 - 5 < row.waits <= 15 + GRID_SECONDS
            offset = (row.next_poll_at.timestamp() - phase(CREDENTIAL)) % GRID_SECONDS
            assert min(offset, GRID_SECONDS - offset) < 1e-3

    @pytest.mark.parametrize(("ago", "least"), [(25.0, 35.0), (50.0, 30.0), (1000.0, 30.0)])
    def test_the_wait_is_counted_from_the_turns_beginning_but_half_of_it_is_kept(self, tenant: Tenant, ago: float,
                                                                                 least: float) -> None:
        live(tenant, ["a"])
        [turn] = claim()
        record(replace(turn, began=turn.began - ago), 60.0)
        [row] = rows().values()
        assert least - 5 < row.waits <= least + GRID_SECONDS

    def test_a_hint_that_came_meanwhile_is_kept(self, tenant: Tenant) -> None:
        hinted, other = live(tenant, ["a", "b"])
        [turn] = claim()
        change(tenant, [hinted], next_poll_at="now()")
        record(turn)
        assert rows()[hinted].waits <= 0
        assert rows()[other].waits > 0
        [again] = claim()
        assert [job.id for job in again.jobs] == [hinted]

    def test_a_job_that_ended_meanwhile_stays_ended(self, tenant: Tenant) -> None:
        ids = live(tenant, ["a"])
        [turn] = claim()
        change(tenant, ids, state="'ended'", next_poll_at="null")
        record(turn)
        with transaction(DISPATCH) as session:
            claiming.give_back(session, turn, ids)
        assert rows()[ids[0]].next_poll_at is None

    def test_what_is_put_off_counts_its_failures(self, tenant: Tenant) -> None:
        ids = live(tenant, ["a"])
        for failures in (1, 2):
            [turn] = claim()
            with transaction(DISPATCH) as session:
                claiming.put_off(session, turn, dict.fromkeys(ids, 100.0))
            row = rows()[ids[0]]
            assert row.poll_failures == failures
            assert 70 < row.waits <= 100
            assert row.polled_at is None
            all_due()

    def test_what_is_given_back_is_due_at_once(self, tenant: Tenant) -> None:
        ids = live(tenant, ["a", "b"])
        [turn] = claim()
        with transaction(DISPATCH) as session:
            claiming.give_back(session, turn, ids)
        [again] = claim()
        assert {job.id for job in again.jobs} == set(ids)


@pytest.mark.usefixtures("tenant")
def test_the_way_to_what_is_due_is_an_index() -> None:
    with transaction(DISPATCH) as session:
        session.execute(text("set local enable_seqscan = off"))
        plan = "\n".join(session.scalars(text("explain " + str(claiming._DUE)),
                                         {"blocked": ["cred_x"], "room": 10}))
    assert "ix_remote_jobs_due" in plan or "ix_remote_jobs_polled" in plan
