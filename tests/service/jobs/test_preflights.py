"""A pre-flight tells what a job would be, gives a verdict once its files are read, and keeps it."""

from datetime import date, timedelta
from typing import Any

import openai
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service.catalog import offers
from service.catalog import operations as catalog
from service.catalog.base_models import BUILT_IN, read
from service.catalog.durations import Device
from service.datasets import operations as datasets
from service.jobs import operations as jobs
from service.jobs.operations import judging
from service.jobs.operations.policies import house_policy
from service.kit.database import NOBODY, transaction
from tests.fixtures.api import Tenant
from tests.service.datasets.analysed import analysed, different, pairs
from tests.service.jobs.building import BASE, make_file, make_job, reload
from tests.worker.tasks.running import work_off

ROUTE = "/v1/fine_tuning/preflights"
MODELS = read(BUILT_IN)


def file_of(tenant: Tenant, data: bytes) -> str:
    """A file of the tenant that was read."""
    file_id = make_file(tenant, examples=None)
    with transaction(tenant.scope) as session:
        assert datasets.record_report(session, file_id, analysed(data))
    return file_id


def ask(tenant: Tenant, **body: Any) -> dict[str, Any]:
    answer = tenant.client.post(ROUTE, params={"wait": 0}, json={"model": BASE, **body})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def complete(tenant: Tenant, preflight_id: str) -> dict[str, Any]:
    """The pre-flight as its worker completes it, however long counts take."""
    with transaction(tenant.scope) as session:
        jobs.complete(session, preflight_id)
    told: dict[str, Any] = tenant.client.get(f"{ROUTE}/{preflight_id}").json()
    return told


def codes(told: dict[str, Any]) -> set[str]:
    return {reason["code"] for reason in told["reasons"]}


@pytest.fixture
def laptop(clean_database: None) -> None:
    with transaction(NOBODY) as session:
        catalog.note_machine(session, "desk", Device("cpu", "8 cores", 32 * 2**30, cores=8, gflops=200.0), devices=1)


@pytest.mark.usefixtures("laptop")
class TestCreate:
    def test_good_data_for_a_local_model_is_a_go_with_numbers(self, tenant: Tenant) -> None:
        told = ask(tenant, training_file=file_of(tenant, different(40)))
        assert (told["object"], told["status"]) == ("fine_tuning.preflight", "pending")
        assert told["id"].startswith("preflight_")
        told = complete(tenant, told["id"])
        assert (told["status"], told["verdict"]) == ("completed", "go"), told["reasons"]
        assert told["training_file"]["examples"] == 40
        assert told["training_file"]["format"] == "chat"
        [candidate] = told["candidates"]
        assert (candidate["model"], candidate["epochs"], candidate["method_fits"]) == (BASE, 3, True)
        billed = candidate["billed_tokens"]
        assert 0 < billed["low"] <= billed["expected"] <= billed["high"]
        assert (candidate["cost"]["low"], candidate["cost"]["high"]) == (0, 0)
        assert candidate["cost"]["source"] == "own machines"
        assert candidate["duration"]["low"] <= candidate["duration"]["expected"] <= candidate["duration"]["high"]
        assert (candidate["memory"]["fits"], candidate["memory"]["host"]) == ("yes", "desk")
        assert candidate["queue"]["running"] == 0
        assert told["budget"] is None
        assert told["budget_note"]

    def test_candidates_are_compared_with_prices_and_dates(self, tenant: Tenant) -> None:
        file_id = file_of(tenant, different(40))
        told = ask(tenant, training_file=file_id, candidates=["gpt-4o-mini", "o4-mini", BASE])
        assert [each["model"] for each in told["candidates"]] == [
            BASE, "gpt-4o-mini-2024-07-18", "o4-mini-2025-04-16"]
        mini, reasoning = told["candidates"][1:]
        per_epoch = told["training_file"]["tokens"]["billed"]
        assert mini["tokens_per_epoch"]["exact"] is True
        assert mini["billed_tokens"]["low"] == 3 * per_epoch
        assert mini["cost"]["low"] == 3 * per_epoch * 3
        assert mini["cost"]["high"] == 3 * (per_epoch + 2 * 40) * 3
        assert (mini["cost"]["source"], mini["cost"]["as_of"]) == ("OpenAI pricing page", "2026-11-22")
        assert mini["verdict"] == "block"  # nobody here pays for it
        assert "no_credential" in codes(mini)
        assert reasoning["method_fits"] is False
        assert "fine_tuning_method_not_available" in codes(reasoning)

    def test_a_format_that_is_not_the_methods_blocks_and_is_no_error(self, tenant: Tenant) -> None:
        told = ask(tenant, training_file=file_of(tenant, pairs(20)))
        told = complete(tenant, told["id"])
        assert told["verdict"] == "block"
        [reason] = [each for each in told["reasons"] if each["code"] == "invalid_file_format"]
        assert "is not using 'dpo' as the training method (provided method=supervised)." in reason["message"]

    def test_errors_and_too_few_examples_block(self, tenant: Tenant) -> None:
        told = complete(tenant, ask(tenant, training_file=file_of(tenant, different(3) + b"{}\n"))["id"])
        assert told["verdict"] == "block"
        assert {"invalid_file_format", "invalid_n_examples"} <= codes(told)
        assert told["reasons"][0]["severity"] == "block"

    def test_a_file_that_is_still_read_leaves_it_pending(self, tenant: Tenant) -> None:
        told = ask(tenant, training_file=make_file(tenant, examples=None))
        assert (told["status"], told["verdict"]) == ("pending", None)
        assert told["training_file"]["status"] == "pending"
        assert told["candidates"][0]["billed_tokens"] is None

    @pytest.mark.parametrize(("change", "words"), [
        ({"model": "gpt-nonexistent"}, "Model gpt-nonexistent is not available for fine-tuning or does not exist."),
        ({"candidates": ["nothing"]}, "Model nothing is not available for fine-tuning or does not exist."),
        ({"training_file": "file-unknown"}, "invalid training_file: file-unknown"),
        ({"validation_file": "7"}, "invalid validation_file: 7"),
    ])
    def test_what_does_not_exist_is_refused_in_the_words_of_a_job(self, tenant: Tenant, change: dict[str, Any],
                                                                  words: str) -> None:
        body = {"model": BASE, "training_file": make_file(tenant), **change}
        answer = tenant.client.post(ROUTE, params={"wait": 0}, json=body)
        assert (answer.status_code, answer.json()["error"]["message"]) == (400, words)

    @pytest.mark.parametrize("change", [{"candidates": [BASE] * 11}, {"candidates": "all"}, {"preflight": "x"},
                                        {"method": {"type": "magic"}}, {"suffix": ""}])
    def test_a_malformed_body_is_refused(self, tenant: Tenant, change: dict[str, Any]) -> None:
        body = {"model": BASE, "training_file": make_file(tenant), **change}
        assert tenant.client.post(ROUTE, params={"wait": 0}, json=body).status_code == 400

    @pytest.mark.parametrize("wait", ["-1", "61", "nan", "inf", "soon"])
    def test_an_impossible_wait_is_refused(self, tenant: Tenant, wait: str) -> None:
        body = {"model": BASE, "training_file": make_file(tenant)}
        assert tenant.client.post(ROUTE, params={"wait": wait}, json=body).status_code == 400

    @examples(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(extra=st.dictionaries(
        st.sampled_from(["model", "training_file", "validation_file", "method", "hyperparameters", "candidates", "seed",
                         "metadata", "suffix", "integrations"]),
        st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=20),
                     lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner,
                                                                                 max_size=3), max_leaves=5)))
    def test_no_body_breaks_it(self, tenant: Tenant, extra: dict[str, Any]) -> None:
        answer = tenant.client.post(ROUTE, params={"wait": 0}, json={"model": BASE, "training_file": "file-x", **extra})
        assert answer.status_code in {200, 400}, answer.text

    def test_the_official_sdk_asks_for_one(self, tenant: Tenant) -> None:
        client = openai.OpenAI(api_key=tenant.key, base_url="http://testserver/v1", http_client=tenant.client,
                               max_retries=0)
        told: Any = client.post("/fine_tuning/preflights", cast_to=object, options={"params": {"wait": 0}},
                                body={"model": BASE, "training_file": file_of(tenant, different(12))})
        assert told["object"] == "fine_tuning.preflight"
        assert told["training_file"]["examples"] == 12


class TestComplete:
    def test_a_worker_completes_it_once_the_file_is_read(self, tenant: Tenant) -> None:
        told = ask(tenant, training_file=make_file(tenant, examples=None), model="gpt-4o-mini")
        assert work_off(tenant) == 1
        with transaction(tenant.scope) as session:
            datasets.record_report(session, told["training_file"]["file_id"], analysed(different(20)))
            session.execute(text("update work_items set run_at = now()"))
        work_off(tenant)
        assert tenant.client.get(f"{ROUTE}/{told['id']}").json()["status"] == "completed"

    def test_what_is_completed_never_changes(self, tenant: Tenant) -> None:
        told = complete(tenant, ask(tenant, training_file=file_of(tenant, different(20)))["id"])
        assert tenant.client.delete(f"/v1/files/{told['training_file']['file_id']}").status_code == 200
        assert complete(tenant, told["id"]) == told
        with pytest.raises(DBAPIError, match="does not change"), transaction(tenant.scope) as session:
            session.execute(text("update preflights set verdict = 'block'"))

    def test_shared_examples_are_a_warning(self, tenant: Tenant) -> None:
        training, validation = file_of(tenant, different(20)), file_of(tenant, different(20, 10))
        told = ask(tenant, training_file=training, validation_file=validation)
        with transaction(tenant.scope) as session:
            jobs.complete(session, told["id"], leakage={"examples": 20, "exact": 10, "near": 0})
        told = tenant.client.get(f"{ROUTE}/{told['id']}").json()
        assert "leakage" in codes(told)
        assert told["leakage"]["exact"] == 10
        assert told["verdict"] == "warn"


class TestRetirement:
    @pytest.mark.parametrize(("today", "code", "severity"), [
        (date(2026, 6, 1), None, None), (date(2026, 11, 26), "model_retires", "warn"),
        (date(2027, 1, 7), "training_ended", "block"), (date(2027, 1, 14), "model_shut_down", "block")])
    def test_a_model_that_dies_soon_is_told_of_loudly(self, today: date, code: str | None,
                                                      severity: str | None) -> None:
        reasons = list(judging.about_retirement(MODELS["gpt-4o-mini"], today, [house_policy()]))
        assert [(each.code, each.severity) for each in reasons][:1] == ([(code, severity)] if code else [])

    def test_it_says_the_day_and_how_long_that_is(self) -> None:
        entry = MODELS["gpt-4o-mini"]
        assert entry.shutdown_date is not None
        [first, *_] = judging.about_retirement(entry, entry.shutdown_date - timedelta(days=49), [house_policy()])
        assert "SHUTS DOWN ON 2027-01-14, in 49 days" in first.message


class TestJobs:
    def test_every_job_has_one_with_a_verdict_once_it_is_prepared(self, tenant: Tenant) -> None:
        job_id = make_job(tenant, training_file=file_of(tenant, different(20)))
        preflight_id = tenant.client.get(f"/v1/fine_tuning/jobs/{job_id}").json()["preflight"]
        assert tenant.client.get(f"{ROUTE}/{preflight_id}").json()["status"] == "pending"
        with transaction(tenant.scope) as session:
            assert jobs.prepare(session, job_id) is False
        told = tenant.client.get(f"{ROUTE}/{preflight_id}").json()
        assert (told["status"], told["candidates"][0]["model"]) == ("completed", BASE)

    def test_a_job_that_fails_over_its_file_keeps_the_verdict(self, tenant: Tenant) -> None:
        job_id = make_job(tenant, training_file=file_of(tenant, pairs(20)))
        with transaction(tenant.scope) as session:
            jobs.prepare(session, job_id)
        job = reload(tenant, job_id)
        assert job.error is not None
        assert (job.status, job.error["code"]) == ("failed", "invalid_file_format")
        assert "is not using 'dpo' as the training method (provided method=supervised)." in job.error["message"]
        assert tenant.client.get(f"{ROUTE}/{job.preflight}").json()["verdict"] == "block"

    def test_a_job_names_the_preflight_it_was_made_from(self, tenant: Tenant) -> None:
        file_id = file_of(tenant, different(20))
        made = ask(tenant, training_file=file_id, model="gpt-4o-mini", candidates=[BASE])
        answer = tenant.client.post("/v1/fine_tuning/jobs", json={"model": BASE, "training_file": file_id,
                                                                  "preflight": made["id"]})
        assert (answer.status_code, answer.json()["preflight"]) == (200, made["id"])

    def test_one_that_was_made_for_something_else_is_refused_with_the_reason(self, tenant: Tenant,
                                                                             stranger: Tenant) -> None:
        file_id, other = file_of(tenant, different(20)), file_of(tenant, different(20))
        made = ask(tenant, training_file=file_id)["id"]
        foreign = ask(stranger, training_file=file_of(stranger, different(20)))["id"]
        for body, words in (
                ({"training_file": other}, f"is about the training file {file_id}"),
                ({"training_file": file_id, "validation_file": other}, "is about no file for validation"),
                ({"training_file": file_id, "model": "qwen3-8b"}, "has no candidate qwen3-8b"),
                ({"training_file": file_id, "method": {"type": "supervised", "supervised": {
                    "hyperparameters": {"n_epochs": 2}}}}, "was made for another method or other hyperparameters"),
                ({"training_file": file_id, "preflight": foreign}, "does not exist"),
                ({"training_file": file_id, "preflight": "preflight_none"}, "does not exist")):
            answer = tenant.client.post("/v1/fine_tuning/jobs", json={"model": BASE, "preflight": made, **body})
            assert answer.status_code == 400, answer.text
            error = answer.json()["error"]
            assert (error["code"], error["param"]) == ("preflight_does_not_fit", "preflight")
            assert words in error["message"]


class TestRetrieve:
    def test_they_are_listed_newest_first(self, tenant: Tenant) -> None:
        file_id = file_of(tenant, different(20))
        first, second = (ask(tenant, training_file=file_id)["id"] for _ in range(2))
        page = tenant.client.get(ROUTE, params={"limit": 1}).json()
        assert ([each["id"] for each in page["data"]], page["has_more"]) == ([second], True)
        page = tenant.client.get(ROUTE, params={"limit": 1, "after": second}).json()
        assert [each["id"] for each in page["data"]] == [first]

    def test_an_unknown_one_is_not_found(self, tenant: Tenant) -> None:
        answer = tenant.client.get(f"{ROUTE}/preflight_none")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "preflight_not_found")


class TestWhatEndsBeforeItIsPrepared:
    def test_the_preflight_of_a_cancelled_job_is_completed_once_its_file_is_read(self, tenant: Tenant) -> None:
        job_id = make_job(tenant, training_file=(file_id := make_file(tenant, examples=None)))
        told = tenant.client.post(f"/v1/fine_tuning/jobs/{job_id}/cancel").json()
        with transaction(tenant.scope) as session:
            assert jobs.prepare(session, job_id) is False
            datasets.record_report(session, file_id, analysed(pairs(20)))
        for _ in range(2):  # first it has tokens counted by the model's own tokenizer
            work_off(tenant)
            with transaction(tenant.scope) as session:
                session.execute(text("update work_items set run_at = now()"))
        work_off(tenant)
        found = tenant.client.get(f"{ROUTE}/{told['preflight']}").json()
        assert (found["status"], found["verdict"]) == ("completed", "block")

    def test_a_job_on_a_model_whose_training_has_ended_is_refused_in_the_words_of_its_preflight(
            self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        gone = MODELS[BASE]
        for change, code in (({"training_ends": date(2026, 1, 1)}, "training_ended"),
                             ({"shutdown_date": date(2026, 1, 1)}, "model_shut_down")):
            retired = gone.model_copy(update=change)
            monkeypatch.setattr(offers, "find_base_model", lambda _, retired=retired: retired)
            file_id = file_of(tenant, different(20))
            [block] = [each for each in complete(tenant, ask(tenant, training_file=file_id)["id"])["reasons"]
                       if each["code"] == code]
            answer = tenant.client.post("/v1/fine_tuning/jobs", json={"model": BASE, "training_file": file_id})
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "model_not_available")
            assert block["message"] in answer.json()["error"]["message"]
