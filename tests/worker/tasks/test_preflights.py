"""A worker completes a pre-flight: files read, compared by their columns, counts waited for, then a verdict."""

import threading
import time
from typing import Any

import pytest
from sqlalchemy import text

from service.catalog import operations as catalog
from service.catalog.durations import Device
from service.kit import work
from service.kit.database import NOBODY, transaction
from tests.fixtures.api import Tenant
from tests.service.datasets.analysed import different
from tests.worker.tasks.running import work_off

ROUTE = "/v1/fine_tuning/preflights"


def upload(tenant: Tenant, data: bytes) -> str:
    answer = tenant.client.post("/v1/files", data={"purpose": "fine-tune"}, files={"file": ("a.jsonl", data)})
    file_id: str = answer.json()["id"]
    return file_id


def ask(tenant: Tenant, **body: Any) -> dict[str, Any]:
    told: dict[str, Any] = tenant.client.post(ROUTE, params={"wait": 0}, json=body).json()
    return told


def work_until_done(tenant: Tenant, preflight_id: str) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for _ in range(6):
        with transaction(tenant.scope) as session:
            session.execute(text("update work_items set run_at = now() where kind = 'jobs.preflight'"))
        work_off(tenant)
        told = tenant.client.get(f"{ROUTE}/{preflight_id}").json()
        if told["status"] == "completed":
            break
    return told


def test_files_that_share_examples_are_found_out(tenant: Tenant) -> None:
    training, validation = upload(tenant, different(40)), upload(tenant, different(20, 30))
    made = ask(tenant, model="gpt-4o-mini", training_file=training, validation_file=validation)
    assert made["status"] == "pending"
    told = work_until_done(tenant, made["id"])
    assert told["status"] == "completed"
    assert (told["leakage"]["exact"], told["leakage"]["examples"]) == (10, 20)
    [reason] = [each for each in told["reasons"] if each["code"] == "leakage"]
    assert (reason["severity"], reason["param"]) == ("warn", "validation_file")
    # The validation file is not billed.
    assert told["candidates"][0]["billed_tokens"]["low"] == 3 * told["training_file"]["tokens"]["billed"]


def test_a_count_that_nobody_makes_does_not_hold_it_up_for_ever(tenant: Tenant) -> None:
    with transaction(NOBODY) as session:
        catalog.note_machine(session, "desk", Device("cpu", "8 cores", 32 * 2**30, cores=8), devices=1)
    made = ask(tenant, model="smollm2-135m-instruct", training_file=upload(tenant, different(40)))
    with transaction(tenant.scope) as session:
        session.execute(text("update work_items set state = 'failed' where kind = 'datasets.count_tokens'"))
        session.execute(text("update preflights set created_at = now() - interval '1 hour'"))
    told = work_until_done(tenant, made["id"])
    assert (told["status"], told["verdict"]) == ("completed", "go"), told["reasons"]
    assert told["candidates"][0]["tokens_per_epoch"]["exact"] is False


@pytest.mark.parametrize("encoding_model", ["gpt-3.5-turbo"])
def test_tokens_of_an_older_encoding_are_counted_exactly(tenant: Tenant, encoding_model: str) -> None:
    made = ask(tenant, model=encoding_model, training_file=upload(tenant, different(40)))
    told = work_until_done(tenant, made["id"])
    assert told["verdict"] == "block"  # it was shut down
    tokens = told["candidates"][0]["tokens_per_epoch"]
    assert (tokens["exact"], tokens["basis"]) == (True, "counted by cl100k_base")
    assert tokens["low"] == tokens["high"]


def test_one_that_nobody_could_complete_gets_a_verdict_on_what_is_known(tenant: Tenant) -> None:
    made = ask(tenant, model="gpt-4o-mini", training_file=upload(tenant, different(40)))
    with transaction(tenant.scope) as session:
        session.execute(text("update work_items set state = 'failed' where kind <> 'jobs.preflight'"))
        session.execute(text("update work_items set failures = :most where kind = 'jobs.preflight'"),
                        {"most": work.MAX_FAILURES + 1})
    work_off(tenant)
    told = tenant.client.get(f"{ROUTE}/{made['id']}").json()
    assert (told["status"], told["verdict"]) == ("completed", "block")
    assert "unread_file" in {reason["code"] for reason in told["reasons"]}, "what was not read is no go"


class TestWaiting:
    def test_whoever_waits_gets_the_verdict_as_soon_as_it_is_there(self, tenant: Tenant) -> None:
        file_id = upload(tenant, different(40))
        done = threading.Event()

        def work_on() -> None:
            while not done.wait(0.2):
                work_off(tenant)
        worker = threading.Thread(target=work_on, daemon=True)
        worker.start()
        try:
            told = tenant.client.post(ROUTE, params={"wait": 60},
                                      json={"model": "gpt-4o-mini", "training_file": file_id}).json()
        finally:
            done.set()
            worker.join()
        assert told["status"] == "completed"
        assert told["training_file"]["examples"] == 40

    def test_whoever_has_waited_enough_gets_what_is_known(self, tenant: Tenant) -> None:
        file_id = upload(tenant, different(40))
        begun = time.monotonic()
        told = tenant.client.post(ROUTE, params={"wait": 1.2},
                                  json={"model": "gpt-4o-mini", "training_file": file_id}).json()
        assert time.monotonic() - begun >= 1.2
        assert (told["status"], told["verdict"]) == ("pending", None)
        assert told["training_file"]["status"] == "pending"
