"""What a server says of a job is shown here, and decides; what was asked of the job here is passed on to it."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select, text

from service.catalog.tables import TunedModel
from service.events.tables import Event
from service.jobs.states import JobStatus
from service.kit.database import transaction
from service.settings import settings
from tests.worker.tasks.paying_house import PRICE, PayingHouse
from tests.worker.tasks.scripted_remote import ScriptedRemote, ScriptedServer
from worker.providers.remote import Page, RemoteCheckpoint, RemoteEvent

ROUTE = "/v1/fine_tuning/jobs"


def get(paying: PayingHouse, path: str, **params: Any) -> Any:
    answer = paying.tenant.client.get(f"{ROUTE}/{path}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def post(paying: PayingHouse, path: str) -> Any:
    answer = paying.tenant.client.post(f"{ROUTE}/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def events(paying: PayingHouse) -> list[Event]:
    """What others are told of jobs, but for what became of them before a server had them."""
    with transaction(paying.tenant.scope) as session:
        told = session.scalars(select(Event).where(Event.type.like("fine_tuning.%")).order_by(Event.position)).all()
    assert [event.type for event in told[:2]] == ["fine_tuning.job.created", "fine_tuning.job.queued"]
    return list(told[2:])


def happened(paying: PayingHouse) -> list[str]:
    return [event.type.removeprefix("fine_tuning.job.") for event in events(paying)]


class TestMirroring:
    def test_the_log_is_shown_under_the_servers_ids_in_its_order(self, paying: PayingHouse,
                                                                 server: ScriptedServer) -> None:
        job_id, remote_id = paying.sent()
        server.log(remote_id, "Validating", "Queued")
        paying.follow(job_id)
        server.log(remote_id, "Started")
        paying.wake(job_id)
        told = [event["id"] for event in get(paying, f"{job_id}/events", limit=100)["data"]]
        there = [event.id for event in server.only.events]
        assert [each for each in reversed(told) if each in there] == there
        page = get(paying, f"{job_id}/events", after=there[1], limit=100)["data"]
        assert there[0] in [event["id"] for event in page]
        assert there[1] not in [event["id"] for event in page]

    def test_a_line_that_is_told_twice_is_shown_once(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id, remote_id = paying.sent()
        server.log(remote_id, "Once")
        paying.follow(job_id)
        paying.do("update remote_jobs set followed_until = null")
        paying.wake(job_id)
        assert paying.log(job_id).count("Once") == 1

    def test_metrics_are_metrics_here_too(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id, remote_id = paying.sent()
        server.log(remote_id, "Step 3/9", step=3, total_steps=9, train_loss=0.25)
        paying.follow(job_id)
        assert (paying.reload(job_id).last_step, paying.reload(job_id).total_steps) == (3, 9)
        [metrics] = [event for event in get(paying, f"{job_id}/events")["data"] if event["type"] == "metrics"]
        assert metrics["data"]["train_loss"] == 0.25

    @pytest.mark.parametrize("data", [
        {"step": "three"}, {"step": -1}, {"step": True}, {"step": 10**40}, {"step": 3, "loss": float("nan")},
        {"\x00": "\x00\ud800"}, {"deep": [[[[[[[[[[[[1]]]]]]]]]]]]}, {"wide": list(range(5000))}])
    def test_no_data_of_a_server_is_more_than_it_can_bear(self, paying: PayingHouse, server: ScriptedServer,
                                                          data: dict[str, Any]) -> None:
        job_id, remote_id = paying.sent()
        event = RemoteEvent("ftevent-\x00odd", datetime(9999, 1, 1, tzinfo=UTC), "warn", "metrics", "o\x00dd \ud800",
                            data)
        server.only.events.append(event)
        server.move(remote_id, "running", hyperparameters=data, error=data)
        paying.follow(job_id)
        assert paying.status(job_id) is JobStatus.RUNNING
        assert "o\N{REPLACEMENT CHARACTER}dd ?" in paying.log(job_id)
        get(paying, f"{job_id}/events")
        get(paying, job_id)

    def test_checkpoints_are_models_under_the_servers_ids(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id, remote_id = paying.sent()
        server.only.checkpoints += [
            RemoteCheckpoint(f"ftckpt-{step}", datetime.now(UTC), step, f"ft:gpt-paid:acme::x:ckpt-step-{step}",
                             {"step": step, "train_loss": 0.5}) for step in (10, 20, 30, 40)]
        server.move(remote_id, "running")
        paying.follow(job_id)
        paying.wake(job_id)
        shown = get(paying, f"{job_id}/checkpoints")["data"]
        assert [each["id"] for each in shown] == ["ftckpt-40", "ftckpt-30", "ftckpt-20", "ftckpt-10"]
        assert [each["id"] for each in get(paying, f"{job_id}/checkpoints", after="ftckpt-30")["data"]] == [
            "ftckpt-20", "ftckpt-10"]
        models = [model["id"] for model in paying.tenant.client.get("/v1/models").json()["data"]]
        assert "ft:gpt-paid:acme::x:ckpt-step-40" in models

    def test_the_numbers_that_the_server_chose_are_shown(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id, remote_id = paying.sent()
        server.move(remote_id, "running", hyperparameters={"n_epochs": 4, "batch_size": 2})
        paying.follow(job_id)
        assert get(paying, job_id)["method"]["supervised"]["hyperparameters"] == {
            "n_epochs": 4, "batch_size": 2, "learning_rate_multiplier": "auto"}

    def test_numbers_of_ever_new_names_are_kept_up_to_a_limit(self, paying: PayingHouse,
                                                              server: ScriptedServer) -> None:
        job_id, remote_id = paying.sent()
        paying.follow(job_id)
        for look in range(3):
            invented = {f"invented_{look}_{number}": number for number in range(40)}
            server.move(remote_id, "running", hyperparameters={"x" * 150: 1, **invented, "n_epochs": look})
            paying.wake(job_id)
        kept = get(paying, job_id)["method"]["supervised"]["hyperparameters"]
        assert (len(kept), kept["n_epochs"], kept["invented_0_39"]) == (50, 2, 39)
        assert max(map(len, kept)) < 150


class TestStates:
    def test_it_waits_until_the_server_says_that_it_runs(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id, remote_id = paying.sent()
        paying.follow(job_id)
        assert paying.status(job_id) is JobStatus.QUEUED
        server.move(remote_id, "running")
        paying.wake(job_id)
        assert paying.status(job_id) is JobStatus.RUNNING
        assert "Status at openai: validating_files\nStatus at openai: running" in paying.log(job_id)

    def test_a_word_that_nobody_knows_is_shown_and_waited_for(self, paying: PayingHouse,
                                                              server: ScriptedServer) -> None:
        job_id, remote_id = paying.sent()
        server.move(remote_id, "running")
        paying.follow(job_id)
        server.move(remote_id, "odd\x00")
        paying.wake(job_id)
        assert paying.status(job_id) is JobStatus.RUNNING
        assert ("Status at openai: odd\N{REPLACEMENT CHARACTER}, a word that this house does not know"
                in paying.log(job_id))
        server.move(remote_id, "succeeded")
        paying.wake(job_id)
        assert paying.status(job_id) is JobStatus.SUCCEEDED

    def test_success_brings_model_result_tokens_and_bill(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id, remote_id = paying.sent()
        server.move(remote_id, "succeeded")
        server.log(remote_id, "The last word")
        paying.follow(job_id)
        job = get(paying, job_id)
        assert (job["status"], job["fine_tuned_model"], job["trained_tokens"]) == (
            "succeeded", "ft:gpt-paid:acme::0", 1_000_000)
        [result] = job["result_files"]
        content = paying.tenant.client.get(f"/v1/files/{result}/content")
        assert content.text == "step,train_loss\n1,0.5\n"
        assert [kind for kind, _ in paying.ledger()] == ["hold", "settle"]
        assert paying.ledger()[1] == ("settle", PRICE)
        assert happened(paying) == ["running", "succeeded"]
        assert "The last word" in paying.log(job_id)
        assert not paying.follow(job_id)
        assert paying.attempt(job_id).next_poll_at is None

    def test_a_result_in_base64_is_decoded(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id, remote_id = paying.sent()
        server.move(remote_id, "succeeded")
        server.files["file-result0"] = b"c3RlcCxsb3NzCjEsMC41Cg=="
        paying.follow(job_id)
        [result] = get(paying, job_id)["result_files"]
        assert paying.tenant.client.get(f"/v1/files/{result}/content").text == "step,loss\n1,0.5\n"

    def test_a_result_that_is_gone_costs_no_success(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id, remote_id = paying.sent()
        server.move(remote_id, "succeeded")
        del server.files["file-result0"]
        paying.follow(job_id)
        assert (paying.status(job_id), paying.reload(job_id).result_files) == (JobStatus.SUCCEEDED, [])

    def test_success_is_recorded_once_though_the_worker_dies_before_it_is(self, paying: PayingHouse,
                                                                          server: ScriptedServer) -> None:
        job_id, remote_id = paying.sent()
        server.move(remote_id, "succeeded")
        server.fail("content", "killed_before")
        paying.follow(job_id)
        assert paying.status(job_id) is JobStatus.QUEUED
        paying.follow(job_id)
        assert happened(paying) == ["running", "succeeded"]
        assert [kind for kind, _ in paying.ledger()] == ["hold", "settle"]

    def test_failure_is_told_in_the_servers_words_and_costs_nothing(self, paying: PayingHouse,
                                                                    server: ScriptedServer) -> None:
        job_id, remote_id = paying.sent()
        server.move(remote_id, "failed", error={"code": "bad_data", "message": "Too few.", "param": "training_file"})
        paying.follow(job_id)
        assert get(paying, job_id)["error"] == {"code": "bad_data", "message": "Too few.", "param": "training_file"}
        assert [kind for kind, _ in paying.ledger()] == ["hold", "release"]

    @pytest.mark.parametrize("error", [None, {}, {"code": 7, "message": [], "param": {}}])
    def test_a_failure_without_words_gets_some(self, paying: PayingHouse, server: ScriptedServer, error: Any) -> None:
        job_id, remote_id = paying.sent()
        server.move(remote_id, "failed", error=error)
        paying.follow(job_id)
        told = get(paying, job_id)["error"]
        assert (told["code"], told["param"]) == ("remote_error", None)
        assert told["message"].startswith("The job failed at openai")

    @pytest.mark.parametrize(("tokens", "entries"), [(None, ["hold", "release"]), (500, ["hold", "settle"])])
    def test_a_job_cancelled_there_costs_what_the_server_says_it_trained(self, paying: PayingHouse, tokens: int | None,
                                                                         server: ScriptedServer,
                                                                         entries: list[str]) -> None:
        job_id, remote_id = paying.sent()
        server.move(remote_id, "cancelled", trained_tokens=tokens)
        paying.follow(job_id)
        assert paying.status(job_id) is JobStatus.CANCELLED
        assert [kind for kind, _ in paying.ledger()] == entries

    def test_a_model_cannot_take_the_name_of_a_base(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id, remote_id = paying.sent()
        server.move(remote_id, "succeeded", fine_tuned_model="gpt-paid")
        paying.follow(job_id)
        assert paying.reload(job_id).fine_tuned_model == f"gpt-paid:{job_id}"

    @pytest.mark.parametrize("verb", ["retrieve", "events", "checkpoints", "content"])
    @pytest.mark.parametrize("trouble", ["unavailable", "denied", "lost_before", "killed_before"])
    def test_trouble_on_the_way_delays_it_and_nothing_else(self, paying: PayingHouse, server: ScriptedServer, verb: str,
                                                           trouble: str) -> None:
        job_id, remote_id = paying.sent()
        server.move(remote_id, "succeeded")
        server.fail(verb, trouble)
        paying.follow(job_id)
        assert paying.status(job_id) is JobStatus.QUEUED
        paying.pass_time(hours=1)
        paying.follow(job_id)
        assert paying.status(job_id) is JobStatus.SUCCEEDED


class TestRequests:
    def test_a_cancel_is_passed_on_and_the_servers_word_ends_the_job(self, paying: PayingHouse,
                                                                     server: ScriptedServer) -> None:
        job_id, remote_id = paying.sent()
        server.move(remote_id, "running")
        paying.follow(job_id)
        assert post(paying, f"{job_id}/cancel")["status"] == "running"
        paying.follow(job_id)
        assert (server.only.job.status, paying.status(job_id)) == ("cancelled", JobStatus.CANCELLED)

    @pytest.mark.parametrize("trouble", ["lost_after", "lost_before", "unavailable", "killed_after", "killed_before"])
    def test_a_cancel_survives_whatever_happens_on_the_way(self, paying: PayingHouse, server: ScriptedServer,
                                                           trouble: str) -> None:
        job_id, _remote_id = paying.sent()
        post(paying, f"{job_id}/cancel")
        server.fail("cancel", trouble)
        for _ in range(3):
            paying.follow(job_id)
            paying.pass_time(hours=1)
        assert (server.only.is_live, paying.status(job_id)) == (False, JobStatus.CANCELLED)

    def test_a_cancel_that_came_too_late_changes_nothing(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id, remote_id = paying.sent()
        server.move(remote_id, "succeeded")
        post(paying, f"{job_id}/cancel")
        paying.follow(job_id)
        assert paying.status(job_id) is JobStatus.SUCCEEDED
        assert "openai refuses to cancel the job" in paying.log(job_id)

    def test_pause_and_resume_go_to_the_server_and_back(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id, remote_id = paying.sent()
        server.move(remote_id, "running")
        paying.follow(job_id)
        assert post(paying, f"{job_id}/pause")["status"] == "running"
        paying.follow(job_id)
        assert (server.only.job.status, paying.status(job_id)) == ("paused", JobStatus.PAUSED)
        assert post(paying, f"{job_id}/resume")["status"] == "paused"
        paying.follow(job_id)
        assert (server.only.job.status, paying.status(job_id)) == ("queued", JobStatus.QUEUED)
        server.move(remote_id, "running")
        paying.wake(job_id)
        assert paying.status(job_id) is JobStatus.RUNNING
        assert (server.count("pause"), server.count("resume"), server.count("create")) == (1, 1, 1)

    def test_a_pause_that_is_refused_is_told_and_not_asked_again(self, paying: PayingHouse,
                                                                 server: ScriptedServer) -> None:
        job_id, _ = paying.sent()
        post(paying, f"{job_id}/pause")
        paying.follow(job_id)
        assert "openai refuses to pause the job: Job is validating_files." in paying.log(job_id)
        paying.wake(job_id)
        assert server.count("pause") == 1

    def test_what_was_not_sent_is_stopped_here_and_costs_nothing(self, paying: PayingHouse,
                                                                 server: ScriptedServer) -> None:
        job_id = paying.job()
        server.fail("create", "unavailable")
        paying.submit(job_id)
        assert post(paying, f"{job_id}/pause")["status"] == "paused"
        assert post(paying, f"{job_id}/resume")["status"] == "queued"
        paying.pass_time(hours=1)
        paying.submit(job_id)
        assert paying.attempt(job_id).state == "live"
        assert [kind for kind, _ in paying.ledger()] == ["hold", "release", "hold"]
        other = paying.job()
        assert post(paying, f"{other}/cancel")["status"] == "cancelled"
        assert server.count("create") == 2

    def test_what_may_have_been_made_is_looked_for_before_it_is_cancelled(self, paying: PayingHouse,
                                                                          server: ScriptedServer) -> None:
        job_id = paying.job()
        server.fail("create", "lost_after")
        paying.submit(job_id)
        assert post(paying, f"{job_id}/cancel")["status"] == "queued"
        for _ in range(3):
            paying.submit(job_id)
            paying.follow(job_id)
            paying.pass_time(seconds=60)
        assert (server.only.job.status, paying.status(job_id)) == ("cancelled", JobStatus.CANCELLED)

    def test_and_if_nothing_is_found_nothing_is_sent(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id = paying.job()
        server.fail("create", "lost_before")
        paying.submit(job_id)
        post(paying, f"{job_id}/cancel")
        for _ in range(20):
            paying.submit(job_id)
            paying.pass_time(seconds=60)
        assert (paying.status(job_id), server.count("create")) == (JobStatus.CANCELLED, 1)
        assert [kind for kind, _ in paying.ledger()] == ["hold", "release"]

    def test_an_archived_projects_job_is_cancelled_there(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id, _ = paying.sent()
        paying.do("update projects set archived_at = now()")
        paying.follow(job_id)
        assert (server.only.job.status, paying.status(job_id)) == ("cancelled", JobStatus.CANCELLED)


class TestMissing:
    def test_a_job_that_vanishes_fails_after_a_while_and_its_money_is_let_go(self, paying: PayingHouse,
                                                                            server: ScriptedServer) -> None:
        job_id, _ = paying.sent()
        server.only.known = False
        paying.follow(job_id)
        assert paying.status(job_id) is JobStatus.QUEUED
        paying.pass_time(seconds=settings().remote_missing_seconds + 1)
        paying.follow(job_id)
        assert get(paying, job_id)["error"]["code"] == "remote_job_gone"
        assert [kind for kind, _ in paying.ledger()] == ["hold", "release"]

    def test_one_that_is_back_in_time_goes_on(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id, remote_id = paying.sent()
        server.only.known = False
        paying.follow(job_id)
        server.only.known = True
        server.move(remote_id, "running")
        paying.pass_time(seconds=settings().remote_missing_seconds + 1)
        paying.follow(job_id)
        assert (paying.status(job_id), paying.attempt(job_id).missing_since) == (JobStatus.RUNNING, None)


class TestTelling:
    def test_steps_and_checkpoints_are_told_between_the_beginning_and_the_end(self, paying: PayingHouse,
                                                                              server: ScriptedServer) -> None:
        job_id, remote_id = paying.sent()
        server.log(remote_id, "Step 5/10", step=5, total_steps=10, train_loss=0.5, notes="their words")
        server.only.checkpoints.append(RemoteCheckpoint(
            "ftckpt-5", datetime.now(UTC), 5, "ft:gpt-paid:acme::x:ckpt-step-5", {"train_loss": 0.5, "a": {"b": [1]}}))
        server.move(remote_id, "succeeded")
        paying.follow(job_id)
        assert happened(paying) == ["running", "milestone", "checkpoint.created", "succeeded"]
        told = events(paying)
        assert [event.data["status"] for event in told] == ["running"] * 3 + ["succeeded"]
        assert (told[1].data["percent"], told[1].data["step"]) == (50, 5)
        assert told[1].data["metrics"] == told[2].data["checkpoint"]["metrics"] == {"train_loss": 0.5}
        assert told[2].data["checkpoint"]["id"] == "ftckpt-5"
        assert [event.data["fine_tuned_model"] is None for event in told] == [True, True, True, False]

    @pytest.mark.parametrize("end", ["failed", "cancelled"])
    def test_how_far_it_came_is_told_before_it_ends_badly(self, paying: PayingHouse, server: ScriptedServer,
                                                          end: str) -> None:
        job_id, remote_id = paying.sent()
        server.log(remote_id, "Step 2/10", step=2, total_steps=10, train_loss=0.5)
        server.move(remote_id, end)
        paying.follow(job_id)
        assert happened(paying) == ["milestone", end]

    def test_looking_again_tells_nothing_again(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id, remote_id = paying.sent()
        server.log(remote_id, "Step 1/3", step=1, total_steps=3, train_loss=0.5)
        server.only.checkpoints.append(RemoteCheckpoint("ftckpt-1", datetime.now(UTC), 1, "ft:x:acme::1:ckpt-1", {}))
        server.move(remote_id, "running")
        for _ in range(3):
            paying.do("update remote_jobs set followed_until = null")
            paying.wake(job_id)
        assert happened(paying) == ["running", "milestone", "checkpoint.created"]

    @pytest.mark.parametrize("data", [
        {"step": 3, "total_steps": -1}, {"step": 3, "total_steps": "9"}, {"step": 3, "total_steps": 10**40},
        {"step": 2**31 - 1, "total_steps": 1}, {"step": 3, "total_steps": 4, "x": 10**400, "y" * 100: 1},
        {"step": 3, "total_steps": 4, **{f"n{number}": number for number in range(5000)}}])
    def test_numbers_of_a_server_stay_within_bounds(self, paying: PayingHouse, server: ScriptedServer,
                                                    data: dict[str, Any]) -> None:
        job_id, remote_id = paying.sent()
        server.log(remote_id, "Odd", **data)
        server.move(remote_id, "running")
        paying.follow(job_id)
        assert paying.status(job_id) is JobStatus.RUNNING
        for event in events(paying):
            assert len(str(event.data)) < 5000
            assert event.data.get("percent", 10) in range(10, 101, 10)


class TestStuck:
    def test_it_is_told_once_for_each_state(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id, remote_id = paying.sent()
        paying.follow(job_id)
        assert happened(paying) == []
        paying.pass_time(hours=settings().stuck_hours["waiting"] + 1)
        paying.wake(job_id)
        paying.wake(job_id)
        assert happened(paying) == ["stuck"]
        server.move(remote_id, "running")
        paying.wake(job_id)
        paying.pass_time(hours=settings().stuck_hours["running"] + 1)
        paying.wake(job_id)
        assert happened(paying) == ["stuck", "running", "stuck"]
        told = [event.data["status"] for event in events(paying) if event.type.endswith("stuck")]
        assert told == ["validating_files", "running"]


class TestGoingOn:
    def test_a_tuned_model_there_is_gone_on_from_with_its_own_credential(self, paying: PayingHouse,
                                                                         server: ScriptedServer) -> None:
        job_id, remote_id = paying.sent()
        server.move(remote_id, "succeeded")
        paying.follow(job_id)
        name = paying.reload(job_id).fine_tuned_model
        file_id = paying.reload(job_id).training_file
        answer = paying.tenant.client.post(ROUTE, json={"model": name, "training_file": file_id})
        assert answer.status_code == 200, answer.text
        assert (answer.json()["model"], answer.json()["credential"]) == (name, paying.credential_id)
        paying.do("update jobs set status = 'queued' where id = :job", job=answer.json()["id"])
        paying.do("update work_items set kind = 'jobs.submit' where subject = :job and kind = 'jobs.prepare'",
                  job=answer.json()["id"])
        paying.submit(answer.json()["id"])
        assert list(server.trainings.values())[-1].order.model == name

    def test_a_deleted_one_is_forgotten_here_and_stays_there(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id, remote_id = paying.sent()
        server.move(remote_id, "succeeded")
        paying.follow(job_id)
        name = paying.reload(job_id).fine_tuned_model
        assert paying.tenant.client.delete(f"/v1/models/{name}").status_code == 200
        with transaction(paying.tenant.scope) as session:
            assert session.scalars(select(TunedModel.deleted_at)).one() is not None
            assert session.execute(text("select count(*) from work_items where kind = 'files.erase'")).scalar() == 0


def test_a_job_that_is_another_at_the_server_is_not_taken_for_ours(paying: PayingHouse, server: ScriptedServer) -> None:
    job_id, _remote_id = paying.sent()
    server.only.job = replace(server.only.job, id="ftjob-other")
    paying.follow(job_id)
    assert paying.attempt(job_id).remote_status is None


class TestCutOff:
    """The credential of a job is deleted."""

    def delete(self, paying: PayingHouse) -> None:
        answer = paying.tenant.client.delete(f"/v1/credentials/{paying.credential_id}?force=true")
        assert answer.status_code == 200, answer.text

    def test_what_was_not_sent_fails(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id = paying.job()
        self.delete(paying)
        paying.submit(job_id)
        assert get(paying, job_id)["error"]["code"] == "credential_deleted"
        assert ([kind for kind, _ in paying.ledger()], server.calls) == (["hold", "release"], [])

    @pytest.mark.parametrize(("is_cancelled", "status"), [(False, JobStatus.FAILED), (True, JobStatus.CANCELLED)])
    def test_what_goes_on_there_ends_here_and_says_where_to_look(self, paying: PayingHouse, status: JobStatus,
                                                                 is_cancelled: bool) -> None:
        job_id, remote_id = paying.sent()
        self.delete(paying)
        if is_cancelled:
            post(paying, f"{job_id}/cancel")
        paying.follow(job_id)
        assert (paying.status(job_id), paying.attempt(job_id).state) == (status, "ended")
        assert f"for {remote_id} with the metadata value {paying.attempt(job_id).key}" in paying.log(job_id)
        assert [kind for kind, _ in paying.ledger()] == ["hold", "settle"]

    def test_the_error_names_the_job_there(self, paying: PayingHouse) -> None:
        job_id, remote_id = paying.sent()
        self.delete(paying)
        paying.follow(job_id)
        assert remote_id in get(paying, job_id)["error"]["message"]

    def test_why_it_waits_is_told_in_the_servers_words(self, paying: PayingHouse, server: ScriptedServer) -> None:
        job_id = paying.job()
        server.fail("create", "unavailable")
        paying.submit(job_id)
        assert "It says: 503" in paying.log(job_id)

    def test_a_server_that_cannot_be_asked_for_long_is_told_of(self, paying: PayingHouse,
                                                               server: ScriptedServer) -> None:
        job_id, _ = paying.sent()
        server.fail("retrieve", *["unavailable"] * 4)
        paying.follow(job_id)
        assert happened(paying) == []
        paying.pass_time(hours=settings().stuck_hours["unknown"] + 1)
        for _ in range(2):
            paying.follow(job_id)
            paying.pass_time(hours=1)
        assert happened(paying) == ["stuck"]


@pytest.mark.parametrize("verb", ["events", "checkpoints"])
@pytest.mark.parametrize("trouble", ["gone", "refused"])
def test_a_server_that_tells_less_is_followed_all_the_same(paying: PayingHouse, server: ScriptedServer, verb: str,
                                                           trouble: str) -> None:
    job_id, remote_id = paying.sent()
    server.move(remote_id, "succeeded")
    server.fail(verb, trouble)
    paying.follow(job_id)
    assert paying.status(job_id) is JobStatus.SUCCEEDED


@pytest.mark.parametrize("how", ["refused", "lost_before", "gone"])
def test_a_twin_that_cannot_be_ended_does_not_keep_the_job_from_being_ended(paying: PayingHouse, server: ScriptedServer,
                                                                            how: str) -> None:
    job_id, remote_id = paying.sent()
    server.move(remote_id, "running")
    twin = server.make(server.only.order)
    post(paying, f"{job_id}/cancel")
    server.fail("cancel", how)  # of the twin, which is ended first
    paying.follow(job_id)
    assert (server.trainings[remote_id].job.status, twin.is_live) == ("cancelled", True)
    assert paying.status(job_id) is JobStatus.CANCELLED


def test_twins_without_end_are_ended_by_the_hundred_and_the_job_is_followed(paying: PayingHouse,
                                                                           server: ScriptedServer,
                                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    def listed(*_: Any, **__: Any) -> Page[Any]:
        """More than it was asked for."""
        return Page(tuple(each.job for each in server.trainings.values()), None)
    monkeypatch.setattr(ScriptedRemote, "jobs", listed)
    job_id, remote_id = paying.sent()
    for _ in range(300):
        server.make(server.trainings[remote_id].order)
    server.move(remote_id, "running")
    paying.wake(job_id)
    assert paying.status(job_id) is JobStatus.RUNNING
    assert server.count("cancel") == 99


@pytest.mark.parametrize(("provider", "looks"), [("openai", 1), ("compatible", 1), ("bedrock", 0)])
def test_no_twin_is_looked_for_where_there_can_be_none(paying: PayingHouse, server: ScriptedServer, provider: str,
                                                       looks: int) -> None:
    job_id, _ = paying.sent()
    paying.do("update remote_jobs set provider = :provider", provider=provider)
    paying.follow(job_id)
    assert (server.count("jobs"), server.count("retrieve")) == (looks, 1)
