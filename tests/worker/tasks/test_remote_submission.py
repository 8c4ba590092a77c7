"""A job is sent once: whatever happens around the one request that costs money, at most one training is paid for."""

import pytest
from sqlalchemy import text

from service.jobs.states import JobStatus
from service.kit.database import transaction
from tests.worker.tasks.paying_house import PayingHouse
from tests.worker.tasks.scripted_remote import ScriptedServer


def settle(paying: PayingHouse, job_id: str, *, rounds: int = 40) -> None:
    """Let time pass until nothing about the submission is open any more."""
    for _ in range(rounds):
        paying.submit(job_id)
        paying.pass_time(seconds=60)
        if paying.attempt(job_id).state in {"live", "ended", "released"}:
            return


def test_a_queued_job_is_sent_with_its_key_and_followed(paying: PayingHouse, server: ScriptedServer) -> None:
    job_id = paying.job(suffix="mine", metadata={"team": "a"}, seed=7)
    paying.submit(job_id)
    order, attempt = server.only.order, paying.attempt(job_id)
    assert (attempt.state, attempt.remote_id, attempt.key) == ("live", server.only.job.id, order.key)
    assert (order.model, order.suffix, order.seed, order.metadata) == ("gpt-paid", "mine", 7, {"team": "a"})
    assert order.house == paying.tenant.organization_id
    assert order.method == {"type": "supervised", "supervised": {"hyperparameters": {
        "n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}}}
    assert server.files[order.training_file] == b"{}\n\n"
    assert paying.status(job_id) is JobStatus.QUEUED
    assert paying.follow(job_id)
    assert not paying.submit(job_id)


def test_the_answer_shows_who_trains_and_who_pays(paying: PayingHouse) -> None:
    job_id = paying.job()
    shown = paying.tenant.client.get(f"/v1/fine_tuning/jobs/{job_id}").json()
    assert (shown["provider"], shown["credential"]) == ("openai", paying.credential_id)
    assert "tuning" not in shown["method"]["supervised"]


@pytest.mark.parametrize("trouble", ["unavailable", "busy", "denied"])
def test_what_was_surely_not_made_is_sent_again(paying: PayingHouse, server: ScriptedServer, trouble: str) -> None:
    job_id = paying.job()
    server.fail("create", trouble)
    paying.submit(job_id)
    assert (paying.attempt(job_id).state, len(server.trainings)) == ("intended", 0)
    paying.pass_time(hours=1)
    paying.submit(job_id)
    assert (paying.attempt(job_id).state, len(server.trainings)) == ("live", 1)
    assert server.count("find") == 0


def test_a_refusal_fails_the_job_in_the_servers_words_and_lets_the_money_go(paying: PayingHouse,
                                                                            server: ScriptedServer) -> None:
    job_id = paying.job()
    server.fail("create", "refused")
    paying.submit(job_id)
    job = paying.reload(job_id)
    assert job.status is JobStatus.FAILED
    assert job.error == {"code": "invalid_model", "message": "The server takes no such model.", "param": "model"}
    assert [kind for kind, _ in paying.ledger()] == ["hold", "release"]
    assert not paying.submit(job_id)


@pytest.mark.parametrize("trouble", ["lost_after", "garbage", "killed_after"])
def test_what_was_made_unheard_is_found_by_its_key(paying: PayingHouse, server: ScriptedServer, trouble: str) -> None:
    job_id = paying.job()
    server.fail("create", trouble)
    paying.submit(job_id)
    settle(paying, job_id)
    assert paying.attempt(job_id).remote_id == server.only.job.id
    assert server.count("create") == 1


@pytest.mark.parametrize("trouble", ["lost_before", "killed_before"])
def test_what_was_not_made_is_sent_again_only_after_many_looks_and_minutes(paying: PayingHouse, trouble: str,
                                                                           server: ScriptedServer) -> None:
    job_id = paying.job()
    server.fail("create", trouble)
    paying.submit(job_id)
    for _ in range(9):  # nine minutes of the ten
        paying.submit(job_id)
        paying.pass_time(seconds=60)
    assert (server.count("create"), paying.attempt(job_id).state) == (1, "unknown")
    assert server.count("find") >= 3
    settle(paying, job_id)
    assert (server.count("create"), len(server.trainings), paying.attempt(job_id).state) == (2, 1, "live")
    assert server.count("find") >= 5


def test_looks_that_are_not_answered_do_not_count(paying: PayingHouse, server: ScriptedServer) -> None:
    job_id = paying.job()
    server.fail("create", "lost_before")
    server.fail("find", *["unavailable", "garbage", "denied"] * 10)
    settle(paying, job_id, rounds=25)
    assert (server.count("create"), paying.attempt(job_id).looks) == (1, 0)


def test_a_job_that_is_listed_late_is_adopted(paying: PayingHouse, server: ScriptedServer) -> None:
    job_id = paying.job()
    server.lists_new_jobs = False
    server.fail("create", "lost_after")
    for _ in range(4):
        paying.submit(job_id)
        paying.pass_time(seconds=60)
    server.show_all()
    settle(paying, job_id)
    assert (server.count("create"), paying.attempt(job_id).remote_id) == (1, server.only.job.id)


def test_of_two_for_one_key_the_older_is_kept_and_the_other_ended(paying: PayingHouse, server: ScriptedServer) -> None:
    job_id = paying.job()
    server.fail("create", "lost_after")
    paying.submit(job_id)
    first = server.only
    second = server.make(first.order)
    settle(paying, job_id)
    assert paying.attempt(job_id).remote_id == first.job.id
    assert (first.is_live, second.job.status) == (True, "cancelled")
    assert f"An extra job at openai is cancelled: {second.job.id}" in paying.log(job_id)


def test_what_came_to_nothing_is_not_preferred_to_what_goes_on(paying: PayingHouse, server: ScriptedServer) -> None:
    job_id = paying.job()
    server.fail("create", "lost_after")
    paying.submit(job_id)
    first = server.only
    second = server.make(first.order)
    server.move(first.job.id, "cancelled")
    settle(paying, job_id)
    assert paying.attempt(job_id).remote_id == second.job.id


class TestFrozen:
    """A worker stands still in the middle of the request; another takes its item over meanwhile."""

    def freeze(self, paying: PayingHouse, server: ScriptedServer, job_id: str, *, looks: int) -> None:
        def meanwhile() -> None:
            paying.expire_leases()
            for _ in range(looks):
                paying.submit(job_id)
                paying.pass_time(seconds=60)
        server.fail("create", "frozen")
        server.fail("thawed", meanwhile)
        paying.submit(job_id)

    def test_what_its_successor_has_found_is_left_alone(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id = paying.job()
        self.freeze(paying, server, job_id, looks=3)
        assert (paying.attempt(job_id).remote_id, server.only.is_live) == (server.only.job.id, True)
        assert server.count("cancel") == 0

    def test_what_its_successor_still_looks_for_is_given_to_it(self, paying: PayingHouse,
                                                              server: ScriptedServer) -> None:
        job_id = paying.job()
        server.lists_new_jobs = False
        self.freeze(paying, server, job_id, looks=2)
        assert (paying.attempt(job_id).state, paying.attempt(job_id).remote_id) == ("live", server.only.job.id)
        settle(paying, job_id)
        assert server.count("create") == 1

    def test_what_its_successor_has_made_again_is_ended(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id = paying.job()
        server.lists_new_jobs = False
        self.freeze(paying, server, job_id, looks=30)
        first, second = server.trainings.values()
        assert server.count("create") == 2
        assert paying.attempt(job_id).remote_id == second.job.id
        assert (first.job.status, second.is_live) == ("cancelled", True)

    def test_and_if_it_dies_over_that_the_sweep_ends_it(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id = paying.job()
        server.lists_new_jobs = False
        server.fail("cancel", "killed_before")
        self.freeze(paying, server, job_id, looks=30)
        assert len(server.live) == 2
        server.show_all()
        paying.sweep()
        assert [each.job.id for each in server.live] == [paying.attempt(job_id).remote_id]


def test_a_worker_that_stood_still_before_the_request_does_not_make_it(paying: PayingHouse, server: ScriptedServer,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1_000.0])
    monkeypatch.setattr("worker.tasks.remote.time.monotonic", lambda: next(clock))
    job_id = paying.job()
    paying.submit(job_id)
    assert (server.count("create"), paying.attempt(job_id).state) == (0, "sending")


@pytest.mark.parametrize(("statement", "status"), [
    ("update projects set archived_at = now()", JobStatus.CANCELLED),
    ("update credentials set deleted_at = now()", JobStatus.FAILED)])
def test_what_ends_while_its_files_are_sent_is_not_made(paying: PayingHouse, server: ScriptedServer, statement: str,
                                                        status: JobStatus) -> None:
    job_id = paying.job()
    server.fail("upload", lambda: paying.do(statement))
    for _ in range(3):
        paying.submit(job_id)
        paying.pass_time(minutes=1)
    assert (server.count("create"), paying.status(job_id)) == (0, status)
    assert [kind for kind, _ in paying.ledger()] == ["hold", "release"]


class TestFiles:
    def test_a_file_that_is_there_is_not_sent_again(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id = paying.job()
        server.fail("create", "unavailable")
        paying.submit(job_id)
        paying.pass_time(hours=1)
        paying.submit(job_id)
        assert (server.count("upload"), paying.attempt(job_id).state) == (1, "live")

    def test_one_that_is_gone_there_is_sent_again_once(self, paying: PayingHouse, server: ScriptedServer) -> None:
        first, _ = paying.sent()
        file_id = paying.reload(first).training_file
        server.files.clear()
        job_id = paying.job()
        paying.do("update jobs set training_file = :file where id = :job", file=file_id, job=job_id)
        paying.submit(job_id)
        paying.submit(job_id)
        assert (server.count("upload"), paying.attempt(job_id).state) == (2, "live")
        server.fail("create", "bad_file", "bad_file", "bad_file")
        third = paying.job()
        paying.submit(third)
        assert paying.status(third) is JobStatus.FAILED

    def test_an_upload_goes_on_from_its_recorded_parts(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id = paying.job()
        server.fail("upload", "parts")
        server.fail("part", "killed_before")
        paying.submit(job_id)
        with_parts = "select upload_id || part_ids::text from remote_files"
        assert self.told(paying, with_parts) == 'upload-1["part-1"]'
        paying.submit(job_id)
        assert paying.attempt(job_id).state == "live"

    def test_an_upload_that_expired_begins_anew(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id = paying.job()
        server.fail("upload", "gone")
        paying.submit(job_id)
        assert self.told(paying, "select state || coalesce(upload_id, '') from remote_files") == "uploading"
        paying.pass_time(minutes=10)
        paying.submit(job_id)
        assert paying.attempt(job_id).state == "live"

    @staticmethod
    def told(paying: PayingHouse, query: str) -> str:
        with transaction(paying.tenant.scope) as session:
            return str(session.execute(text(query)).scalar_one())


class TestNoEnd:
    """A server that never answers creations, and shows nothing of them."""

    def answerless(self, paying: PayingHouse, server: ScriptedServer) -> str:
        job_id = paying.job()
        server.lists_new_jobs = False
        server.fail("create", *["lost_before"] * 10)
        settle(paying, job_id, rounds=60)
        return job_id

    def test_it_is_not_asked_for_ever(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id = self.answerless(paying, server)
        job = paying.reload(job_id)
        assert server.count("create") == 3
        assert job.error is not None
        assert (job.status, job.error["code"]) == (JobStatus.FAILED, "remote_no_answer")
        assert paying.attempt(job_id).key in job.error["message"]
        assert [kind for kind, _ in paying.ledger()] == ["hold", "release"]

    def test_a_server_that_was_never_seen_to_keep_our_key_is_asked_once(self, paying: PayingHouse,
                                                                        server: ScriptedServer) -> None:
        paying.deal_with("compatible")
        job_id = self.answerless(paying, server)
        assert (server.count("create"), paying.status(job_id)) == (1, JobStatus.FAILED)

    def test_one_that_was_seen_to_is_asked_again(self, paying: PayingHouse, server: ScriptedServer) -> None:
        paying.deal_with("compatible")
        paying.sent()
        server.fail("create", "lost_before")
        second = paying.job()
        settle(paying, second)
        assert (server.count("create"), paying.attempt(second).state) == (3, "live")
