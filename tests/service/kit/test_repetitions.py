"""A request that is sent again under its Idempotency-Key makes nothing again, and is told what it made."""

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import Response
from openai import OpenAI, UnprocessableEntityError
from sqlalchemy import text

from service.app import create_app
from service.jobs import operations as jobs
from service.jobs.schemas.jobs import JobCreate
from service.jobs.tables import Job
from service.kit import idempotency, repetitions
from service.kit.database import transaction
from service.kit.errors import InvalidRequest
from service.kit.identifiers import new_id
from tests.fixtures.api import Tenant
from tests.fixtures.server import MakeSDK
from tests.service.imports.test_endpoints import IMPORTS, store
from tests.service.jobs.building import BASE, make_file
from tests.service.jobs.test_retraining import MANY, old_job
from tests.worker.tasks.running import work_off

JOBS = "/v1/fine_tuning/jobs"
KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"
REPLAYED = "Idempotent-Replayed"


def send(tenant: Tenant, path: str, body: Any, key: str | bytes = KEY) -> Any:
    return tenant.client.post(path, json=body, headers={
        b"Idempotency-Key": key if isinstance(key, bytes) else key.encode()})


def create(tenant: Tenant, training_file: str, key: str | bytes = KEY, **body: Any) -> Any:
    return send(tenant, JOBS, {"model": BASE, "training_file": training_file, **body}, key)


def made(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def refusal(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    return dict(answer.json()["error"])


def count(tenant: Tenant, table: str) -> int:
    with transaction(tenant.scope) as session:
        return int(session.execute(text(f"select count(*) from {table}")).scalar_one())


class TestJobs:
    def test_the_same_key_twice_is_one_job_and_both_answers_are_equal(self, tenant: Tenant) -> None:
        file_id = make_file(tenant)
        first, second = create(tenant, file_id), create(tenant, file_id)
        assert made(first) == made(second)
        assert REPLAYED not in first.headers
        assert second.headers[REPLAYED] == "true"
        assert count(tenant, "jobs") == 1
        assert count(tenant, "work_items where kind = 'jobs.prepare'") == 1

    def test_without_a_key_each_request_makes_a_job(self, tenant: Tenant) -> None:
        body = {"model": BASE, "training_file": make_file(tenant)}
        assert made(tenant.client.post(JOBS, json=body))["id"] != made(tenant.client.post(JOBS, json=body))["id"]
        assert count(tenant, "idempotency_keys") == 0

    def test_another_key_makes_another_job(self, tenant: Tenant) -> None:
        file_id = make_file(tenant)
        assert made(create(tenant, file_id))["id"] != made(create(tenant, file_id, "another"))["id"]

    def test_the_job_is_told_as_it_is_by_then(self, tenant: Tenant) -> None:
        file_id = make_file(tenant)
        job = made(create(tenant, file_id))
        made(tenant.client.post(f"{JOBS}/{job['id']}/cancel"))
        assert made(create(tenant, file_id)) == job | {"status": "cancelled"} | {
            "finished_at": made(tenant.client.get(f"{JOBS}/{job['id']}"))["finished_at"]}

    def test_headers_about_the_model_are_repeated(self, tenant: Tenant) -> None:
        file_id = make_file(tenant)
        mapping = {"model": "ft:gone:acme::1", "successor": BASE, "always": True}
        made(tenant.client.post("/v1/model_mappings", json=mapping))
        answers = [create(tenant, file_id, model="ft:gone:acme::1") for _ in range(2)]
        assert [answer.headers["x-tuneworks-answered-by"] for answer in answers] == [BASE, BASE]

    def test_twenty_at_once_make_one_job_and_are_all_told_of_it(self, tenant: Tenant) -> None:
        file_id = make_file(tenant)
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(lambda _: create(tenant, file_id, seed=7), range(20)))
        assert [made(answer) for answer in answers] == [made(answers[0])] * 20
        assert sum(REPLAYED in answer.headers for answer in answers) == 19
        assert count(tenant, "jobs") == 1
        assert count(tenant, "idempotency_keys") == 1

    def test_many_keys_at_once_do_not_wait_for_one_another(self, tenant: Tenant) -> None:
        file_id = make_file(tenant)
        with ThreadPoolExecutor(12) as pool:
            answers = list(pool.map(lambda number: create(tenant, file_id, f"key-{number % 6}"), range(24)))
        assert len({made(answer)["id"] for answer in answers}) == 6 == count(tenant, "jobs")

    def test_another_projects_same_key_is_its_own(self, tenant: Tenant, stranger: Tenant) -> None:
        mine, theirs = create(tenant, make_file(tenant)), create(stranger, make_file(stranger))
        assert made(mine)["id"] != made(theirs)["id"]
        assert REPLAYED not in theirs.headers


class TestReuse:
    def test_another_body_is_refused_and_what_differs_is_named(self, tenant: Tenant) -> None:
        file_id = make_file(tenant)
        made(create(tenant, file_id, seed=1, suffix="a"))
        error = refusal(create(tenant, file_id, seed=2), 422)
        assert (error["code"], error["param"], error["type"]) == (
            "idempotency_key_reused", "Idempotency-Key", "invalid_request_error")
        assert "its body (seed, suffix) differs" in error["message"]
        assert count(tenant, "jobs") == 1

    def test_another_query_is_refused(self, tenant: Tenant) -> None:
        file_id = make_file(tenant)
        made(create(tenant, file_id))
        answer = send(tenant, f"{JOBS}?a=%00&b=%ff", {"model": BASE, "training_file": file_id})
        assert "its query differs" in refusal(answer, 422)["message"]

    def test_another_route_is_refused(self, tenant: Tenant) -> None:
        job = made(create(tenant, make_file(tenant)))["id"]
        error = refusal(send(tenant, f"{JOBS}/{job}/retrain", {"model": BASE}), 422)
        assert f"that was POST {JOBS}, and this is POST {JOBS}/{job}/retrain" in error["message"]

    def test_order_and_what_is_as_if_left_out_make_no_difference(self, tenant: Tenant) -> None:
        file_id = make_file(tenant)
        job = made(create(tenant, file_id, metadata={"a": "1", "b": "2"}))
        assert made(create(tenant, file_id, suffix=None, metadata={"b": "2", "a": "1"})) == job

    def test_a_refused_request_leaves_its_key_free(self, tenant: Tenant) -> None:
        refusal(create(tenant, "file-unknown"), 400)
        refusal(send(tenant, JOBS, {"model": BASE}), 400)
        assert count(tenant, "idempotency_keys") == 0
        assert REPLAYED not in create(tenant, make_file(tenant)).headers
        assert count(tenant, "jobs") == 1

    def test_an_act_that_breaks_after_its_work_leaves_neither_a_job_nor_a_key(
            self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: Any, **__: Any) -> dict[str, str]:
            raise RuntimeError("the end of this process")
        file_id = make_file(tenant)
        with monkeypatch.context() as patch:
            patch.setattr(jobs, "headers", broken)
            assert create(tenant, file_id).status_code == 500
        assert (count(tenant, "jobs"), count(tenant, "idempotency_keys"), count(tenant, "work_items")) == (0, 0, 0)
        made(create(tenant, file_id))

    def test_one_that_takes_long_has_the_others_told_to_come_again(self, tenant: Tenant,
                                                                   monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(idempotency, "PATIENCE", timedelta(milliseconds=100))
        file_id = make_file(tenant)
        with transaction(tenant.scope) as session:
            idempotency.claim(session, KEY, f"POST {JOBS}", {})
            answer = create(tenant, file_id)
            session.rollback()
        assert refusal(answer, 409)["code"] == "idempotency_in_progress"
        assert answer.headers["retry-after"] == "1"
        assert "x-should-retry" not in answer.headers
        made(create(tenant, file_id))

    def test_a_claim_leaves_the_usual_patience_with_locks(self, tenant: Tenant) -> None:
        with transaction(tenant.scope) as session:
            before = session.execute(text("show lock_timeout")).scalar_one()
            idempotency.claim(session, KEY, "POST /", {})
            assert session.execute(text("show lock_timeout")).scalar_one() == before == "10s"


class TestKeys:
    @pytest.mark.parametrize("key", [
        b"", b" ", b"a b", b"a\tb", b"\xc3\xa9", b"\xff", b"a\x7f", b"k" * 256, b"k" * 10_000, b"\x00", b"a\x00b",
        b"\r\n"])
    def test_what_is_no_key_is_refused(self, tenant: Tenant, key: bytes) -> None:
        error = refusal(create(tenant, make_file(tenant), key), 400)
        assert (error["code"], error["param"]) == ("invalid_idempotency_key", "Idempotency-Key")
        assert (count(tenant, "jobs"), count(tenant, "idempotency_keys")) == (0, 0)

    @pytest.mark.parametrize("key", ["k", "k" * 255, '"8e03978e-40d5-43dd-bc93-6894a57f9324"', "!~'\\%;--"])
    def test_every_visible_ascii_text_is_a_key(self, tenant: Tenant, key: str) -> None:
        file_id = make_file(tenant)
        assert made(create(tenant, file_id, key)) == made(create(tenant, file_id, key))
        assert count(tenant, "jobs") == 1

    def test_two_keys_of_one_request_are_refused(self, tenant: Tenant) -> None:
        answer = tenant.client.post(JOBS, json={"model": BASE, "training_file": make_file(tenant)},
                                    headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "b")])
        assert "more than once" in refusal(answer, 400)["message"]

    @pytest.mark.parametrize("key", [b"a\x00b", b"\x80", b"", b"k" * 10_000, b"k" * 100_000])
    def test_hostile_keys_over_a_socket_are_a_callers_mistake(self, tenant: Tenant, live_api: str, key: bytes) -> None:
        connection = http.client.HTTPConnection(urlsplit(live_api).netloc, timeout=30)
        connection.putrequest("POST", JOBS)
        for name, value in (("Authorization", f"Bearer {tenant.key}".encode()), ("Content-Length", b"2"),
                            ("Content-Type", b"application/json")):
            connection.putheader(name, value)
        connection._buffer.append(b"Idempotency-Key: " + key)  # type: ignore[attr-defined]  # which putheader refuses
        connection.endheaders(b"{}")
        assert 400 <= connection.getresponse().status < 500
        connection.close()

    @pytest.mark.parametrize("deep", [300, 980])
    def test_a_body_that_is_nested_deeply_is_refused(self, tenant: Tenant, deep: int) -> None:
        body = json.dumps({"model": BASE, "training_file": make_file(tenant)})[:-1]
        answer = tenant.client.post(JOBS, content=f'{body}, "integrations": {"[" * deep}{"]" * deep}}}',
                                    headers={"Idempotency-Key": KEY, "Content-Type": "application/json"})
        refusal(answer, 400)

    def test_a_body_that_is_nested_too_deeply_to_be_compared_is_refused(self, tenant: Tenant) -> None:
        nested: list[Any] = []
        for _ in range(5000):
            nested = [nested]
        body = JobCreate.model_construct(model=BASE, training_file="file-1", integrations=nested)
        once = repetitions.Once(KEY, f"POST {JOBS}", (), Response())
        with pytest.raises(InvalidRequest, match="nested too deeply"), transaction(tenant.scope) as session:
            once.do(session, body, dict, remember=dict, recall=dict)

    def test_a_key_is_kept_for_a_day_and_then_forgotten(self, tenant: Tenant) -> None:
        file_id = make_file(tenant)
        job = made(create(tenant, file_id))
        with transaction(tenant.scope) as session:
            due = session.execute(text("select run_at - now() from work_items where kind = 'idempotency.forget'"))
            assert timedelta(hours=23) < due.scalar_one() <= timedelta(hours=24)
        work_off(tenant)
        assert made(create(tenant, file_id)) == job
        with transaction(tenant.scope) as session:
            session.execute(text("update work_items set run_at = now() where kind = 'idempotency.forget'"))
        work_off(tenant)
        assert count(tenant, "idempotency_keys") == 0
        assert count(tenant, "work_items where kind = 'idempotency.forget'") == 0
        assert made(create(tenant, file_id))["id"] != job["id"]


class TestRetraining:
    def test_one_that_is_repeated_is_told_of_the_same_new_job(self, tenant: Tenant) -> None:
        path = f"{JOBS}/{old_job(tenant)}/retrain"
        answers = [made(send(tenant, path, {"model": BASE, "again": True, "map": True})) for _ in range(2)]
        assert answers[0] == answers[1]
        assert answers[0]["status"] == "created"
        assert count(tenant, "jobs") == 2

    def test_many_that_are_repeated_are_told_alike_with_those_that_were_refused(self, tenant: Tenant) -> None:
        good = [old_job(tenant, f"ftjob-good{number}") for number in range(2)]
        bad = old_job(tenant, "ftjob-bad", method={"type": "reinforcement", "reinforcement": {}})
        answers = [send(tenant, MANY, {"model": BASE, "jobs": [*good, bad], "again": True}) for _ in range(2)]
        assert made(answers[0]) == made(answers[1])
        assert (made(answers[0])["created"], made(answers[0])["refused"]) == (2, 1)
        assert answers[1].headers[REPLAYED] == "true"
        assert count(tenant, "jobs") == 5

    def test_one_that_existed_is_told_alike(self, tenant: Tenant) -> None:
        path = f"{JOBS}/{old_job(tenant)}/retrain"
        made(tenant.client.post(path, json={"model": BASE}))
        answers = [made(send(tenant, path, {"model": BASE})) for _ in range(2)]
        assert answers[0] == answers[1]
        assert answers[0]["status"] == "existing"

    @pytest.mark.parametrize("path", [MANY, f"{JOBS}/ftjob-old/retrain"])
    def test_a_dry_run_leaves_its_key_free(self, tenant: Tenant, path: str) -> None:
        old_job(tenant)
        body: dict[str, Any] = {"model": BASE, **({"all": True} if path == MANY else {})}
        made(send(tenant, path, body | {"dry_run": True}))
        assert count(tenant, "idempotency_keys") == 0
        assert REPLAYED not in send(tenant, path, body).headers
        assert (count(tenant, "jobs"), count(tenant, "idempotency_keys")) == (2, 1)

    def test_a_successor_that_bears_another_servers_id_is_recalled_by_it(self, tenant: Tenant) -> None:
        path = f"{JOBS}/{old_job(tenant)}/retrain"
        first = made(tenant.client.post(path, json={"model": BASE}))["successor"]["id"]
        with transaction(tenant.scope) as session:
            session.get_one(Job, first).alias = "ftjob-theirs"
        answers = [made(send(tenant, path, {"model": BASE})) for _ in range(2)]
        assert answers[0] == answers[1]
        assert answers[1]["successor"]["id"] == "ftjob-theirs"


class TestImports:
    def test_the_same_key_twice_is_one_import(self, tenant: Tenant) -> None:
        store(tenant)
        answers = [send(tenant, IMPORTS, {"provider": "openai"}) for _ in range(2)]
        assert made(answers[0]) == made(answers[1])
        assert answers[1].headers[REPLAYED] == "true"
        assert count(tenant, "imports") == 1

    def test_without_a_key_the_second_is_refused(self, tenant: Tenant) -> None:
        store(tenant)
        made(tenant.client.post(IMPORTS, json={"provider": "openai"}))
        refusal(tenant.client.post(IMPORTS, json={"provider": "openai"}), 409)


class TestSDK:
    def test_the_official_sdk_sends_the_key_as_an_extra_header(self, tenant: Tenant, sdk: MakeSDK) -> None:
        client: OpenAI = sdk(tenant.key)
        training_file, headers = make_file(tenant), {"Idempotency-Key": new_id("order-")}

        def order(**changes: Any) -> Any:
            return client.fine_tuning.jobs.with_raw_response.create(
                model=BASE, training_file=training_file, extra_headers=headers, **changes)

        first, second = order(), order()
        assert first.parse().id == second.parse().id
        assert (first.headers.get(REPLAYED), second.headers.get(REPLAYED)) == (None, "true")
        with pytest.raises(UnprocessableEntityError) as reused:
            order(seed=1)
        assert reused.value.code == "idempotency_key_reused"

    def test_the_sdk_sends_again_by_itself_what_was_under_way(
            self, tenant: Tenant, sdk: MakeSDK, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(idempotency, "PATIENCE", timedelta(milliseconds=100))
        told = Event()

        class Told(idempotency.KeyInProgress):
            def __init__(self) -> None:
                super().__init__()
                told.set()

        monkeypatch.setattr(idempotency, "KeyInProgress", Told)
        client = sdk(tenant.key).with_options(max_retries=5)
        training_file = make_file(tenant)
        with ThreadPoolExecutor(1) as pool:
            with transaction(tenant.scope) as session:
                idempotency.claim(session, KEY, f"POST {JOBS}", {})
                job = pool.submit(client.fine_tuning.jobs.create, model=BASE, training_file=training_file,
                                  extra_headers={"Idempotency-Key": KEY})
                assert told.wait(30)
                session.rollback()
            assert job.result().status == "validating_files"
        assert count(tenant, "jobs") == 1


def test_the_description_tells_of_the_header_where_it_is_honoured() -> None:
    paths = create_app().openapi()["paths"]
    told = {described["operationId"]: each for methods in paths.values() for described in methods.values()
            for each in described.get("parameters", []) if each["name"] == "Idempotency-Key"}
    assert set(told) == {"createFineTuningJob", "retrainFineTuningJob", "retrainFineTuningJobs", "createImport",
                         "resendWebhookDelivery", "replayWebhookEndpoint"}
    assert all("extra_headers" in each["description"] and not each["required"] for each in told.values())
