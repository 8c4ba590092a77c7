"""Jobs over HTTP answer as OpenAI's recorded servers do."""

import itertools
from typing import Any

import pytest

from service.jobs import operations
from service.jobs.states import JobStatus
from service.kit.database import transaction
from tests.fixtures.api import Tenant
from tests.service.jobs.building import BASE, checkpoint, make_file, make_job, reload, running_job

JOBS = "/v1/fine_tuning/jobs"


def error(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    return dict(answer.json()["error"])


ROUTES = (("GET", ""), ("POST", "/cancel"), ("POST", "/pause"), ("POST", "/resume"), ("GET", "/events"),
          ("GET", "/checkpoints"))


def test_another_projects_job_answers_as_an_unknown_one(tenant: Tenant, stranger: Tenant) -> None:
    foreign = make_job(stranger)
    for job_id, (verb, path) in itertools.product((foreign, "ftjob-unknown"), ROUTES):
        refused = error(tenant.client.request(verb, f"{JOBS}/{job_id}{path}"), 404)
        assert refused == {"message": f"Could not find fine tune: {job_id}", "type": "invalid_request_error",
                           "param": "fine_tune_id", "code": "fine_tune_not_found"}


def test_jobs_are_listed_newest_first_in_pages(tenant: Tenant, stranger: Tenant) -> None:
    make_job(stranger)
    file_id = make_file(tenant)
    ids = [make_job(tenant, training_file=file_id) for _ in range(5)]
    first = tenant.client.get(JOBS, params={"limit": 2}).json()
    assert set(first) == {"object", "data", "has_more"}
    assert [job["id"] for job in first["data"]] == ids[:2:-1]
    assert first["has_more"] is True
    rest = tenant.client.get(JOBS, params={"limit": 3, "after": ids[3]}).json()
    assert [job["id"] for job in rest["data"]] == ids[2::-1]
    assert rest["has_more"] is False


def test_jobs_are_found_by_their_metadata(tenant: Tenant) -> None:
    file_id = make_file(tenant)
    plain = make_job(tenant, training_file=file_id)
    red = make_job(tenant, training_file=file_id, metadata={"colour": "red", "size": ""})
    blue = make_job(tenant, training_file=file_id, metadata={"colour": "blue", "size": ""})

    def found(**params: str) -> list[str]:
        return [job["id"] for job in tenant.client.get(JOBS, params=params).json()["data"]]
    assert found() == [blue, red, plain]
    assert found(**{"metadata[colour]": "red"}) == [red]
    assert found(**{"metadata[size]": ""}) == [blue, red]
    assert found(**{"metadata[colour]": "red", "metadata[size]": "big"}) == []
    assert found(metadata="null") == [plain]
    assert found(metadata="") == [blue, red, plain]


def test_wrong_lists_are_refused(tenant: Tenant) -> None:
    for query in ("metadata=red", "metadata=null&metadata[a]=b", "metadata[a]=%00", "limit=0", "limit=many",
                  "limit=100000", "after=ftjob-nothing", "after=%00"):
        refused = error(tenant.client.get(f"{JOBS}?{query}"), 400)
        assert refused["param"] == query.split("=", maxsplit=1)[0].split("[")[0]


def test_cancel_ends_what_does_not_run(tenant: Tenant) -> None:
    for status in (JobStatus.VALIDATING_FILES, JobStatus.QUEUED, JobStatus.PAUSED):
        answer = tenant.client.post(f"{JOBS}/{make_job(tenant, status)}/cancel")
        assert answer.status_code == 200
        assert answer.json()["status"] == "cancelled"


def test_cancel_asks_what_runs(tenant: Tenant) -> None:
    job_id = running_job(tenant)
    for _ in range(2):
        assert tenant.client.post(f"{JOBS}/{job_id}/cancel").json()["status"] == "running"
    with transaction(tenant.scope) as session:
        assert operations.stop_requested(session, job_id) == "cancel"
        operations.record_cancelled(session, job_id)
    assert tenant.client.get(f"{JOBS}/{job_id}").json()["status"] == "cancelled"


def test_pause_and_resume(tenant: Tenant) -> None:
    waiting, working = make_job(tenant, JobStatus.QUEUED), running_job(tenant)
    assert tenant.client.post(f"{JOBS}/{waiting}/pause").json()["status"] == "paused"
    assert tenant.client.post(f"{JOBS}/{waiting}/resume").json()["status"] == "queued"
    assert tenant.client.post(f"{JOBS}/{working}/pause").json()["status"] == "running"
    assert error(tenant.client.post(f"{JOBS}/{working}/resume"), 400)["code"] == "invalid_job_state"
    with transaction(tenant.scope) as session:
        assert operations.stop_requested(session, working) == "pause"
        operations.record_paused(session, working)
    assert tenant.client.post(f"{JOBS}/{working}/resume").json()["status"] == "queued"
    assert reload(tenant, working).pause_requested_at is None


ALLOWED = {
    "cancel": {JobStatus.VALIDATING_FILES, JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.PAUSED},
    "pause": {JobStatus.QUEUED, JobStatus.RUNNING},
    "resume": {JobStatus.PAUSED},
}


@pytest.mark.parametrize("verb", ALLOWED)
def test_wrong_states_are_refused(tenant: Tenant, verb: str) -> None:
    file_id = make_file(tenant)
    for status in JobStatus:
        job_id = make_job(tenant, status, training_file=file_id)
        answer = tenant.client.post(f"{JOBS}/{job_id}/{verb}")
        if status in ALLOWED[verb]:
            assert answer.status_code == 200
        else:
            assert error(answer, 400) == {
                "message": f"Job {job_id} is {status} and cannot be {verb.rstrip('e')}ed.".replace("celed", "celled"),
                "type": "invalid_request_error", "param": "fine_tune_id", "code": "invalid_job_state"}
            assert reload(tenant, job_id).status is status


def test_events_are_listed_newest_first(tenant: Tenant) -> None:
    job_id = make_job(tenant)
    page = tenant.client.get(f"{JOBS}/{job_id}/events", params={"limit": 1}).json()
    assert set(page) == {"object", "data", "has_more"}
    assert page["has_more"] is True
    event = page["data"][0]
    event_id = event.pop("id")
    assert event_id.startswith("ftevent-")
    assert isinstance(event.pop("created_at"), int)
    assert event == {"object": "fine_tuning.job.event", "level": "info", "type": "message", "data": {},
                     "message": f"Validating training file: {reload(tenant, job_id).training_file}"}
    rest = tenant.client.get(f"{JOBS}/{job_id}/events", params={"after": event_id}).json()
    assert [each["message"] for each in rest["data"]] == [f"Created fine-tuning job: {job_id}"]
    assert rest["has_more"] is False


def test_checkpoints_are_listed_newest_first(tenant: Tenant) -> None:
    job_id = running_job(tenant, suffix="mail")
    for step in (10, 20, 30, 40):
        checkpoint(tenant, job_id, step)
    page = tenant.client.get(f"{JOBS}/{job_id}/checkpoints").json()
    assert set(page) == {"object", "data", "has_more", "first_id", "last_id"}
    assert [each["step_number"] for each in page["data"]] == [40, 30, 20]
    assert page["first_id"] == page["data"][0]["id"]
    newest = page["data"][0]
    assert newest["id"].startswith("ftckpt_")
    assert newest["object"] == "fine_tuning.job.checkpoint"
    assert newest["fine_tuning_job_id"] == job_id
    assert newest["metrics"] == {"step": 40, "train_loss": 1.0, "type": "supervised"}
    assert newest["fine_tuned_model_checkpoint"].startswith(f"ft:{BASE}:{tenant.slug}:mail:")
    assert newest["fine_tuned_model_checkpoint"].endswith(":ckpt-step-40")
