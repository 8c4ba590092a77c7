"""One job from its upload to its bill, with OpenAI's SDK speaking to a simulated server over real sockets."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from service.catalog import base_models
from service.credentials import operations as credentials
from service.credentials.operations.sealing import Owner
from service.credentials.schemas import CredentialCreate
from service.jobs.operations import remote
from service.jobs.states import JobStatus
from service.kit.database import transaction
from service.kit.work import Work
from tests.fixtures.api import Tenant
from tests.remote.control import Simulator
from tests.service.datasets.analysed import different
from tests.service.jobs.building import messages, reload
from tests.worker.tasks.paying_house import CATALOG
from tests.worker.tasks.running import HANDLED
from worker import app
from worker.tasks import jobs

MODEL = "gpt-4o-mini-2024-07-18"
ROUTE = "/v1/fine_tuning/jobs"


@pytest.fixture
def job(own_catalog: Path, tenant: Tenant, simulator: Simulator) -> str:
    """A job that is validated and queued, with a credential at the simulated server."""
    own_catalog.write_text(CATALOG.replace("gpt-paid", MODEL))
    base_models.forget_catalog()
    simulator.run(0)
    body = CredentialCreate(provider="openai", name="simulated", secret=SecretStr(simulator.key),
                            base_url=simulator.base_url)
    with transaction(tenant.scope) as session:
        credentials.create(session, Owner(tenant.organization_id, tenant.project_id), body, by="key_test")
    file = tenant.client.post("/v1/files", data={"purpose": "fine-tune"},
                              files={"file": ("train.jsonl", different(20))}).json()
    created = tenant.client.post(ROUTE, json={"model": MODEL, "training_file": file["id"], "suffix": "mine"})
    assert created.status_code == 200, created.text
    work(tenant, until=lambda: reload(tenant, created.json()["id"]).status is JobStatus.QUEUED)
    return str(created.json()["id"])


def work(tenant: Tenant, *, until: Any, rounds: int = 60) -> None:
    """Run what is due as workers would, with all waits over at once, until something holds."""
    handled = HANDLED | {Work.PREPARE_JOB: jobs.prepare}
    for _ in range(rounds):
        if until():
            return
        with transaction(tenant.scope) as session:
            session.execute(text("update work_items set run_at = now() where state = 'pending'"
                                 " and kind not in ('files.erase', 'credentials.sweep')"))
            due = session.execute(text("select id, kind from work_items where state = 'pending'"
                                       " and run_at <= now()")).all()
        for item in due:
            if item.kind in set(handled):
                app.run(handled[Work(item.kind)], item.id)
    pytest.fail("it does not come to that")


def attempt(tenant: Tenant, job_id: str) -> Any:
    with transaction(tenant.scope) as session:
        return session.execute(text("select state, remote_id, key from remote_jobs where job_id = :job"),
                               {"job": job_id}).one_or_none()


def is_live(tenant: Tenant, job_id: str) -> bool:
    found = attempt(tenant, job_id)
    return found is not None and found.state == "live"


def follow(tenant: Tenant, job_id: str) -> None:
    with transaction(tenant.scope) as session:
        remote.wake(session, job_id)


def test_it_is_trained_paid_for_and_brought_home(tenant: Tenant, simulator: Simulator, job: str) -> None:
    work(tenant, until=lambda: is_live(tenant, job))
    simulator.advance(60 * 60)
    follow(tenant, job)
    work(tenant, until=lambda: reload(tenant, job).status.is_terminal)
    shown = tenant.client.get(f"{ROUTE}/{job}").json()
    [there] = simulator.ledger().jobs
    assert (shown["status"], shown["trained_tokens"]) == ("succeeded", there["billed_tokens"])
    assert there["metadata"]["tuneworks_key"] == attempt(tenant, job).key
    assert shown["fine_tuned_model"].startswith(f"ft:{MODEL}:")
    assert ":mine:" in shown["fine_tuned_model"]
    result = tenant.client.get(f"/v1/files/{shown['result_files'][0]}/content").text
    assert result.startswith("step,")
    checkpoints = tenant.client.get(f"{ROUTE}/{job}/checkpoints").json()["data"]
    assert checkpoints
    assert all(each["fine_tuned_model_checkpoint"].startswith("ft:") for each in checkpoints)
    metrics = [event for event in tenant.client.get(f"{ROUTE}/{job}/events", params={"limit": 1000}).json()["data"]
               if event["type"] == "metrics"]
    assert len(metrics) == metrics[0]["data"]["total_steps"]
    ledger = tenant.client.get("/v1/usage/ledger").json()["data"]
    assert [(entry["kind"], entry["micro_dollars"]) for entry in ledger if entry["kind"] != "hold"] == [
        ("settle", there["micro_dollars"])]


@pytest.mark.parametrize("trouble", ["reset_after", "reset_before", "garbage", "truncate", "html", "empty"])
def test_an_answer_that_is_lost_buys_nothing_twice(tenant: Tenant, simulator: Simulator, job: str,
                                                   trouble: str) -> None:
    simulator.fault(trouble, method="POST", path="/fine_tuning/jobs$", count=1)

    def settled() -> bool:
        if not is_live(tenant, job):
            with transaction(tenant.scope) as session:
                session.execute(text("update remote_jobs set sent_at = sent_at - interval '2 minutes', next_look_at ="
                                     " next_look_at - interval '2 minutes'"))
        return is_live(tenant, job)

    work(tenant, until=settled)
    [there] = simulator.ledger().jobs
    assert there["id"] == attempt(tenant, job).remote_id
    assert simulator.ledger().doubled() == {}


def test_what_a_box_in_between_ordered_twice_is_ended_while_it_waits(tenant: Tenant, simulator: Simulator,
                                                                      job: str) -> None:
    simulator.fault("double", method="POST", path="/fine_tuning/jobs$", count=1)
    work(tenant, until=lambda: is_live(tenant, job))
    work(tenant, until=lambda: simulator.ledger().doubled() == {})
    first, second = simulator.ledger().jobs
    assert sorted([first["live"], second["live"]]) == [False, True]
    simulator.advance(60 * 60)
    follow(tenant, job)
    work(tenant, until=lambda: reload(tenant, job).status.is_terminal)
    assert reload(tenant, job).status is JobStatus.SUCCEEDED
    assert sorted(each["status"] for each in simulator.ledger().jobs) == ["cancelled", "succeeded"]
    assert len([each for each in simulator.ledger().jobs if each["paid"]]) == 1


def test_cancel_goes_there_and_its_bill_comes_back(tenant: Tenant, simulator: Simulator, job: str) -> None:
    work(tenant, until=lambda: is_live(tenant, job))
    simulator.move(attempt(tenant, job).remote_id, "running")
    simulator.advance(3)
    follow(tenant, job)
    work(tenant, until=lambda: reload(tenant, job).status is JobStatus.RUNNING)
    assert tenant.client.post(f"{ROUTE}/{job}/cancel").json()["status"] == "running"
    work(tenant, until=lambda: reload(tenant, job).status is JobStatus.CANCELLED)
    [there] = simulator.ledger().jobs
    assert (there["status"], there["live"]) == ("cancelled", False)
    ledger = tenant.client.get("/v1/usage/ledger").json()["data"]
    spent = sum(entry["micro_dollars"] for entry in ledger if entry["kind"] == "settle")
    assert spent == there["micro_dollars"]
    assert "Cancellation requested" in messages(tenant, job)


def test_pause_and_resume_go_there(tenant: Tenant, simulator: Simulator, job: str) -> None:
    work(tenant, until=lambda: is_live(tenant, job))
    simulator.move(attempt(tenant, job).remote_id, "running")
    follow(tenant, job)
    work(tenant, until=lambda: reload(tenant, job).status is JobStatus.RUNNING)
    tenant.client.post(f"{ROUTE}/{job}/pause")
    work(tenant, until=lambda: reload(tenant, job).status is JobStatus.PAUSED)
    assert tenant.client.post(f"{ROUTE}/{job}/resume").status_code == 200
    work(tenant, until=lambda: reload(tenant, job).status is JobStatus.QUEUED)
    simulator.advance(3600)
    follow(tenant, job)
    work(tenant, until=lambda: reload(tenant, job).status is JobStatus.SUCCEEDED)
    assert simulator.ledger().doubled() == {}


def test_no_secret_is_left_anywhere(tenant: Tenant, simulator: Simulator, job: str,
                                    caplog: pytest.LogCaptureFixture) -> None:
    simulator.fault(401, path="/fine_tuning/jobs$", count=1)
    work(tenant, until=lambda: is_live(tenant, job))
    with transaction(tenant.scope) as session:
        tables = ("remote_jobs", "jobs", "job_events", "work_items", "remote_files", "ledger_entries", "events")
        dump = "".join(str(session.execute(text(f"select * from {table}")).all()) for table in tables)
    assert simulator.key not in dump + caplog.text
