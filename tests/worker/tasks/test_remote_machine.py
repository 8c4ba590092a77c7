"""Whatever sequence of failures: at most one training of a job lives or is paid, and the books agree with its server.

Hypothesis draws the sequence: what becomes of each request, who is killed or stands still, how far lists lag, what
the caller wants meanwhile. Then the trouble ends, some time passes, and only invariants are looked at.
"""

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import select

from service.jobs.tables import RemoteAttempt
from service.kit.database import transaction
from service.usage.tables import LedgerEntry
from tests.worker.tasks.paying_house import PRICE, PayingHouse
from tests.worker.tasks.scripted_remote import ScriptedServer, Training
from worker.tasks import remote_opening

FATES = ["unavailable", "busy", "denied", "lost_before", "lost_after", "garbage", "killed_before", "killed_after"]
VERBS = ["find", "cancel", "pause", "resume", "retrieve", "events", "checkpoints", "content", "jobs", "upload"]
SPANS = [1.0, 10.0, 60.0, 240.0, 700.0]


class Submission(RuleBasedStateMachine):
    """One job, its server, and everything that can go wrong between them."""

    paying: PayingHouse

    @initialize()
    def begin(self) -> None:
        self.server = self.paying.server = ScriptedServer()
        remote_opening.open_remote = self.server.open  # type: ignore[attr-defined, assignment]
        self.job_id = self.paying.job()

    # -- workers -----------------------------------------------------------------------------------------
    @rule()
    def a_worker_submits(self) -> None:
        self.paying.submit(self.job_id)

    @rule()
    def a_worker_follows(self) -> None:
        self.paying.wake(self.job_id)

    @rule()
    def a_worker_sweeps(self) -> None:
        self.paying.sweep()

    @rule(seconds=st.sampled_from(SPANS))
    def time_passes(self, seconds: float) -> None:
        self.paying.pass_time(seconds=seconds)

    # -- trouble -----------------------------------------------------------------------------------------
    @rule(how=st.sampled_from([*FATES, "bad_file"]))
    def creations_go_wrong(self, how: str) -> None:
        self.server.fail("create", how)

    @rule(verb=st.sampled_from(VERBS), how=st.sampled_from(FATES))
    def other_requests_go_wrong(self, verb: str, how: str) -> None:
        self.server.fail(verb, how)

    @rule(rounds=st.integers(0, 30), seconds=st.sampled_from(SPANS))
    def a_creation_freezes(self, rounds: int, seconds: float) -> None:
        """Others take the item over and go on, for as long as that takes."""
        def meanwhile() -> None:
            self.paying.expire_leases()
            for _ in range(rounds):
                self.paying.submit(self.job_id)
                self.paying.pass_time(seconds=seconds)
        self.server.script["create"].append("frozen")
        self.server.script["thawed"].append(meanwhile)

    @rule(lists=st.booleans())
    def lists_lag(self, lists: bool) -> None:
        self.server.lists_new_jobs = lists

    @rule()
    def lists_catch_up(self) -> None:
        self.server.show_all()

    @precondition(lambda self: self.followed() is not None)
    @rule(known=st.booleans())
    def the_followed_job_vanishes_or_comes_back(self, known: bool) -> None:
        training = self.followed()
        assert training is not None
        training.known = known

    # -- the server and the caller -----------------------------------------------------------------------
    @precondition(lambda self: self.followed() is not None)
    @rule(status=st.sampled_from(["running", "odd", "succeeded", "failed"]))
    def the_server_goes_on(self, status: str) -> None:
        training = self.followed()
        if training is not None and training.is_live and training.job.status != "paused":
            self.server.move(training.job.id, status)

    @rule(verb=st.sampled_from(["cancel", "pause", "resume"]))
    def the_caller_asks(self, verb: str) -> None:
        answer = self.paying.tenant.client.post(f"/v1/fine_tuning/jobs/{self.job_id}/{verb}")
        assert answer.status_code in {200, 400}, answer.text

    # -- what holds at any time --------------------------------------------------------------------------
    @invariant()
    def there_is_one_open_attempt_at_most(self) -> None:
        if hasattr(self, "job_id"):
            opened = [each for each in self.attempts() if each.state in {"intended", "sending", "unknown", "live"}]
            assert len(opened) <= 1

    # -- what holds when the trouble is over -------------------------------------------------------------
    def teardown(self) -> None:
        if not hasattr(self, "job_id"):
            return
        self.settle()
        costly = [each for each in self.server.trainings.values() if each.is_live or each.paid]
        assert len(costly) <= 1, self.server.trainings
        job = self.paying.reload(self.job_id)
        if job.status.is_terminal:
            assert self.server.live == []
            assert {each.state for each in self.attempts()} <= {"ended", "released"}
        self.check_books()

    def check_books(self) -> None:
        """Every hold has ended once, but for that of an open attempt; and money here is money there."""
        with transaction(self.paying.tenant.scope) as session:
            rows = session.scalars(select(LedgerEntry).where(LedgerEntry.job_id == self.job_id)).all()
        entries = Counter((row.key, row.kind == "hold") for row in rows)
        for attempt in self.attempts():
            assert entries[attempt.key, True] == 1
            assert entries[attempt.key, False] == (attempt.state in {"ended", "released"})
        here = sum(row.micro_dollars for row in rows if row.kind == "settle")
        there = sum((each.job.trained_tokens or 0) * PRICE // 1_000_000 for each in self.server.trainings.values()
                    if each.paid)
        assert here == there

    def settle(self) -> None:
        self.server.script.clear()
        self.server.lists_new_jobs = True
        self.server.show_all()
        for training in self.server.trainings.values():
            training.known = True
        for _ in range(12):
            self.paying.expire_leases()
            self.paying.pass_time(minutes=15)
            self.paying.submit(self.job_id)
            self.paying.wake(self.job_id)
            self.paying.sweep()

    def attempts(self) -> list[RemoteAttempt]:
        with transaction(self.paying.tenant.scope) as session:
            return list(session.scalars(select(RemoteAttempt).where(RemoteAttempt.job_id == self.job_id)))

    def followed(self) -> Training | None:
        if not hasattr(self, "job_id"):
            return None
        remote_id = self.paying.attempt(self.job_id).remote_id
        return self.server.trainings.get(remote_id) if remote_id else None


def test_no_sequence_of_failures_pays_twice(paying: PayingHouse, request: pytest.FixtureRequest) -> None:
    examples: Any = int(request.config.getoption("--examples"))

    class Machine(Submission):
        pass

    Machine.paying = paying
    run_state_machine_as_test(Machine, settings=settings(
        max_examples=examples, stateful_step_count=30, deadline=None, derandomize=examples < 100, database=None,
        suppress_health_check=list(HealthCheck)))
