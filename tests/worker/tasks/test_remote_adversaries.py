"""Servers that know fewer verbs than OpenAI, and answers that mean no good: a job that runs there is still followed."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.jobs.states import JobStatus
from tests.worker.tasks.paying_house import PayingHouse
from tests.worker.tasks.scripted_remote import ScriptedServer
from worker.providers.remote import RemoteCheckpoint, RemoteEvent

ROUTE = "/v1/fine_tuning/jobs"
ODD: tuple[Any, ...] = (None, True, -1, 10**400, 1e308, float("nan"), "", "x" * 5000, "\x00\ud800", [], {}, [[]],
                        {"n_epochs": {"deep": [1]}})


@pytest.mark.parametrize("verb", ["checkpoints", "events"])
@pytest.mark.parametrize("how", ["gone", "refused"])
def test_a_server_without_logs_or_checkpoints_is_followed_all_the_same(paying: PayingHouse, server: ScriptedServer,
                                                                      verb: str, how: str) -> None:
    job_id, remote_id = paying.sent()
    server.move(remote_id, "running")
    for _ in range(3):
        server.fail(verb, how)
        paying.wake(job_id)
        paying.pass_time(minutes=20)
    assert paying.status(job_id) is JobStatus.RUNNING
    server.move(remote_id, "succeeded")
    server.fail(verb, how)
    paying.wake(job_id)
    assert paying.status(job_id) is JobStatus.SUCCEEDED


@pytest.mark.parametrize("verb", ["cancel", "pause"])
def test_a_server_that_knows_no_such_verb_has_not_lost_the_job(paying: PayingHouse, server: ScriptedServer,
                                                               verb: str) -> None:
    job_id, remote_id = paying.sent()
    server.move(remote_id, "running")
    paying.wake(job_id)
    assert paying.tenant.client.post(f"{ROUTE}/{job_id}/{verb}").status_code == 200
    for _ in range(3):
        server.fail(verb, "gone")
        paying.wake(job_id)
        paying.pass_time(minutes=20)
    assert paying.status(job_id) is JobStatus.RUNNING
    server.move(remote_id, "succeeded")
    paying.wake(job_id)
    assert paying.status(job_id) is JobStatus.SUCCEEDED


@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value)[:20])
def test_no_word_of_a_server_makes_a_job_unreadable(paying: PayingHouse, server: ScriptedServer, value: Any) -> None:
    job_id, remote_id = paying.sent()
    pairs = {"n_epochs": value, "batch_size": value, "learning_rate_multiplier": value, "x\x00": value}
    moment = datetime.now(UTC)
    server.only.events = [RemoteEvent(f"ev-{n}", moment, "info", "metrics", str(value), {"step": n, "train_loss": value,
                          "total_steps": value, "valid_loss": value}) for n in range(3)]
    server.only.checkpoints = [RemoteCheckpoint("ck", moment, 1, "ft:odd", {"train_loss": value, "y": value})]
    server.only.job = replace(server.only.job, hyperparameters=pairs, error={"code": value, "message": value,
                              "param": value}, body=pairs, estimated_finish=datetime(9999, 12, 31, tzinfo=UTC))
    server.move(remote_id, "running")
    paying.wake(job_id)
    assert paying.status(job_id) is JobStatus.RUNNING
    for path in ("", "/events", "/checkpoints"):
        answer = paying.tenant.client.get(f"{ROUTE}/{job_id}{path}")
        assert answer.status_code == 200, answer.text
        json.dumps(answer.json())
    assert paying.tenant.client.get(ROUTE).status_code == 200
    server.move(remote_id, "failed")
    paying.wake(job_id)
    assert paying.status(job_id) is JobStatus.FAILED
    assert paying.tenant.client.get(f"{ROUTE}/{job_id}").status_code == 200


def test_a_job_whose_credential_was_deleted_ends(paying: PayingHouse, server: ScriptedServer) -> None:
    job_id, remote_id = paying.sent()
    server.move(remote_id, "running")
    paying.wake(job_id)
    assert paying.tenant.client.delete(f"/v1/credentials/{paying.credential_id}?force=true").status_code == 200
    for _ in range(5):
        paying.wake(job_id)
        paying.pass_time(minutes=20)
    assert paying.status(job_id) is JobStatus.FAILED


def test_a_wait_says_what_the_server_said(paying: PayingHouse, server: ScriptedServer) -> None:
    job_id = paying.job()
    server.fail("create", "unavailable")
    paying.submit(job_id)
    assert "503" in paying.log(job_id)


def test_time_that_is_told_wrongly_orders_nothing_wrongly(paying: PayingHouse, server: ScriptedServer) -> None:
    job_id, remote_id = paying.sent()
    ends = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
    for at in (*ends, datetime.now(UTC) + timedelta(days=9)):
        server.only.events.append(RemoteEvent(f"ev-{at.year}-{at.day}", at, "info", "message", f"of {at.year}", {}))
    server.move(remote_id, "running")
    paying.wake(job_id)
    assert paying.status(job_id) is JobStatus.RUNNING
    answer = paying.tenant.client.get(f"{ROUTE}/{job_id}/events", params={"limit": 100})
    assert answer.status_code == 200
