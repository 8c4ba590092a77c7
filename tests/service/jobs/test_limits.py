"""What a job is refused for before anything is read, and what a method asks of its files."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from service.datasets import operations as datasets
from service.datasets.tables import Report
from service.jobs import operations as jobs
from service.kit.database import transaction
from service.kit.identifiers import new_id
from tests.fixtures.api import Administrator, Tenant
from tests.service.datasets.analysed import analysed, different
from tests.service.jobs.building import make_file, make_job, reload

JOBS, PREFLIGHTS = "/v1/fine_tuning/jobs", "/v1/fine_tuning/preflights"
TODAY = datetime.now(UTC).date()
MODEL = "house-1b"


def write_catalog(path: Path, *, ends: date | None = None, shut: date | None = None,
                  method: str = "supervised") -> None:
    """A catalog of one model of this house, with these last days."""
    days = "".join(f"{name} = {day}\n" for name, day in (("training_ends", ends), ("shutdown_date", shut)) if day)
    path.write_text(f"""
[[model]]
id = "{MODEL}"
owned_by = "us"
provider = "local"
created = 2024-01-02
context_length = 4096
methods = {{ {method} = ["lora"] }}
price = {{ training = 0, source = "us", as_of = 2026-01-02 }}
weights = {{ hub = "us/house-1b" }}
{days}""")


def create(tenant: Tenant, **body: Any) -> Any:
    return tenant.client.post(JOBS, json={"model": MODEL, "training_file": make_file(tenant), **body})


def events(tenant: Tenant, job_id: str) -> list[tuple[str, str]]:
    page = tenant.client.get(f"{JOBS}/{job_id}/events").json()
    return [(each["level"], each["message"]) for each in reversed(page["data"])]


class TestRetirement:
    @pytest.mark.parametrize(("ends", "shut", "words"), [
        (TODAY, None, f"Training of {MODEL} ended on {TODAY}."),
        (TODAY - timedelta(3), TODAY + timedelta(4), f"Training of {MODEL} ended on {TODAY - timedelta(3)}."),
        (None, TODAY, f"{MODEL} was shut down on {TODAY}."),
        (TODAY - timedelta(9), TODAY - timedelta(1), f"{MODEL} was shut down on {TODAY - timedelta(1)}.")])
    def test_what_is_over_is_refused_with_the_reason_and_the_day(
            self, tenant: Tenant, own_catalog: Path, ends: date | None, shut: date | None, words: str) -> None:
        write_catalog(own_catalog, ends=ends, shut=shut)
        refused = create(tenant)
        error = refused.json()["error"]
        assert (refused.status_code, error["code"]) == (400, "model_not_available")
        assert error["message"].startswith(f"Model {MODEL} is not available for fine-tuning or does not exist. {words}")
        assert tenant.client.get(JOBS).json()["data"] == []

    def test_what_dies_soon_starts_and_its_log_says_when(self, tenant: Tenant, own_catalog: Path) -> None:
        last = TODAY + timedelta(20)
        write_catalog(own_catalog, ends=TODAY + timedelta(10), shut=last)
        answer = create(tenant)
        assert answer.status_code == 200, answer.text
        told = events(tenant, answer.json()["id"])
        warned = [message for level, message in told if level == "warn"]
        assert warned[0].startswith(f"{MODEL} SHUTS DOWN ON {last}, in 20 days")
        assert warned[1:] == [f"{MODEL} can be trained until {TODAY + timedelta(10)}, for 10 days more."]

    def test_what_lives_longer_is_nothing_to_warn_of(self, tenant: Tenant, own_catalog: Path) -> None:
        write_catalog(own_catalog, ends=TODAY + timedelta(200), shut=TODAY + timedelta(300))
        assert {level for level, _ in events(tenant, create(tenant).json()["id"])} == {"info"}

    def test_one_that_ended_while_the_job_waited_goes_on(self, tenant: Tenant, own_catalog: Path) -> None:
        """It was accepted in time; whether it can still be trained is its provider's to say."""
        write_catalog(own_catalog, ends=TODAY + timedelta(1))
        job_id = make_job(tenant, model=MODEL)
        write_catalog(own_catalog, ends=TODAY)
        with transaction(tenant.scope) as session:
            assert jobs.prepare(session, job_id) is False
        assert reload(tenant, job_id).status == "queued"


GRADED: dict[str, Any] = {"type": "reinforcement", "reinforcement": {"grader": {
    "type": "string_check", "name": "same", "operation": "eq", "input": "{{sample.output_text}}",
    "reference": "{{item.answer}}"}}}


def graded_file(tenant: Tenant, examples: int) -> str:
    """A file of so many items for reinforcement, as a report tells of it."""
    file_id = make_file(tenant, examples=None)
    with transaction(tenant.scope) as session:
        session.add(Report(id=new_id("report_"), project_id=tenant.project_id, file_id=file_id, verdict="go",
                           format="reinforcement", examples=examples, lines=examples))
    return file_id


class TestReinforcement:
    def test_a_job_without_a_validation_file_is_refused(self, tenant: Tenant, own_catalog: Path) -> None:
        write_catalog(own_catalog, method="reinforcement")
        error = create(tenant, method=GRADED).json()["error"]
        assert (error["code"], error["param"]) == ("missing_validation_file", "validation_file")

    @pytest.mark.parametrize(("role", "most"), [("training_file", 50_000), ("validation_file", 1_000)])
    def test_no_more_than_so_many_examples_are_taken(self, tenant: Tenant, role: str, most: int) -> None:
        fits, over = graded_file(tenant, most), graded_file(tenant, most + 1)
        with transaction(tenant.scope) as session:
            good = datasets.verdict(session, fits, role, "reinforcement")
            bad = datasets.verdict(session, over, role, "reinforcement")
        assert good is not None
        assert good.error is None
        assert bad is not None
        assert bad.error == {"code": "invalid_n_examples", "param": role, "message": (
            f"{role.replace('_', ' ').capitalize()} has {most + 1:,} examples, but reinforcement fine-tuning takes at"
            f" most {most:,}")}

    def test_a_preflight_says_both(self, tenant: Tenant, own_catalog: Path) -> None:
        write_catalog(own_catalog, method="reinforcement")

        def told(**files: str) -> dict[str, str]:
            made = tenant.client.post(PREFLIGHTS, params={"wait": 0},
                                      json={"model": MODEL, "method": GRADED, **files}).json()
            with transaction(tenant.scope) as session:
                jobs.complete(session, made["id"])
            found = tenant.client.get(f"{PREFLIGHTS}/{made['id']}").json()
            return {each["code"]: each["param"] for each in found["reasons"] if each["severity"] == "block"}
        small, large = graded_file(tenant, 20), graded_file(tenant, 1_001)
        assert told(training_file=small) == {"missing_validation_file": "validation_file"}
        assert told(training_file=small, validation_file=large) == {"invalid_n_examples": "validation_file"}
        assert told(training_file=large, validation_file=small) == {}


class TestPolicy:
    def test_a_validation_file_needs_as_good_a_verdict(self, tenant: Tenant, administrator: Administrator) -> None:
        good, doubtful = make_file(tenant, examples=None), make_file(tenant, examples=None)
        with transaction(tenant.scope) as session:
            assert datasets.record_report(session, good, analysed(different(20)))
            assert datasets.record_report(session, doubtful, analysed(different(20) + different(1)))
            assert (datasets.known_verdict(session, good), datasets.known_verdict(session, doubtful)) == ("go", "warn")
        base = {"model": "smollm2-135m-instruct", "training_file": good, "validation_file": doubtful}
        before = tenant.client.post(JOBS, json=base).json()["id"]
        administrator.client.post(f"/v1/organization/projects/{tenant.project_id}",
                                  json={"training_policy": {"max_verdict": "go"}})
        refused = tenant.client.post(JOBS, json=base)
        error = refused.json()["error"]
        assert (refused.status_code, error["code"], error["param"]) == (400, "training_policy", "validation_file")
        assert "The verdict on the validation data is 'warn'" in error["message"]
        assert tenant.client.post(JOBS, json={**base, "validation_file": good}).status_code == 200
        with transaction(tenant.scope) as session:
            jobs.prepare(session, before)
        job = tenant.client.get(f"{JOBS}/{before}").json()
        assert (job["status"], job["error"]["param"]) == ("failed", "validation_file")
        told = tenant.client.get(f"{PREFLIGHTS}/{job['preflight']}").json()
        assert [each["param"] for each in told["reasons"] if each["code"] == "training_policy"] == ["validation_file"]
