"""Jobs over HTTP answer as OpenAI's recorded servers do."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.jobs import operations
from service.jobs.states import JobStatus
from service.kit.database import transaction
from tests.fixtures.api import Tenant
from tests.service.jobs.building import BASE, checkpoint, make_file, make_job, reload, running_job

JOBS = "/v1/fine_tuning/jobs"
YESTERDAY = datetime.now(UTC) - timedelta(days=1)
AUTO = {"n_epochs": "auto", "batch_size": "auto", "learning_rate_multiplier": "auto"}


def create(tenant: Tenant, **body: Any) -> Any:
    return tenant.client.post(JOBS, json={"model": BASE, **body})


def error(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    return dict(answer.json()["error"])


def test_a_new_job_has_every_field_of_a_recorded_one(tenant: Tenant) -> None:
    file_id = make_file(tenant)
    answer = create(tenant, training_file=file_id)
    assert answer.status_code == 200
    job = answer.json()
    assert job.pop("id").startswith("ftjob-")
    assert 0 <= job.pop("seed") < 2**31
    assert abs(job.pop("created_at") - datetime.now(UTC).timestamp()) < 3600
    assert job == {
        "object": "fine_tuning.job", "model": BASE, "finished_at": None, "fine_tuned_model": None,
        "organization_id": tenant.organization_id, "result_files": [], "status": "validating_files",
        "validation_file": None, "training_file": file_id, "hyperparameters": AUTO, "trained_tokens": None, "error": {},
        "user_provided_suffix": None, "estimated_finish": None, "integrations": [], "metadata": None,
        "usage_metrics": None, "shared_with_openai": False, "eval_id": None,
        "method": {"type": "supervised", "supervised": {
            "hyperparameters": AUTO, "tuning": {"type": "lora", "rank": 16, "alpha": 32.0, "dropout": 0.0}}}}


def test_everything_given_is_shown(tenant: Tenant) -> None:
    numbers = {"n_epochs": 1, "batch_size": 2, "learning_rate_multiplier": 3}
    answer = create(tenant, training_file=make_file(tenant), validation_file=make_file(tenant), suffix="TestFTJob",
                    seed=1234567, metadata={"team": "support"}, integrations=None, method={
                        "type": "supervised", "supervised": {"hyperparameters": numbers,
                                                             "tuning": {"type": "last_layers", "layers": 3}}})
    job = answer.json()
    assert job["user_provided_suffix"] == "TestFTJob"
    assert job["seed"] == 1234567
    assert job["metadata"] == {"team": "support"}
    assert job["hyperparameters"] == numbers == job["method"]["supervised"]["hyperparameters"]
    assert job["method"]["supervised"]["tuning"] == {"type": "last_layers", "layers": 3}
    assert tenant.client.get(f"{JOBS}/{job['id']}").json() == job


def test_old_hyperparameters_move_to_the_method(tenant: Tenant) -> None:
    job = create(tenant, training_file=make_file(tenant), hyperparameters={"n_epochs": 4}).json()
    assert job["method"]["supervised"]["hyperparameters"] == {**AUTO, "n_epochs": 4}


@pytest.mark.parametrize("method", [
    {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}},
    {"type": "dpo"},
])
def test_old_hyperparameters_may_not_contradict_the_method(tenant: Tenant, method: dict[str, Any]) -> None:
    refused = create(tenant, training_file=make_file(tenant), hyperparameters={"n_epochs": 4}, method=method)
    assert error(refused, 400)["code"] == "conflicting_hyperparameters"


def test_unusable_files_answer_in_the_same_words(tenant: Tenant, stranger: Tenant) -> None:
    bad = {"unknown": "Invalid File Name", "foreign": make_file(stranger), "empty": "",
           "deleted": make_file(tenant, deleted_at=YESTERDAY), "expired": make_file(tenant, expires_at=YESTERDAY),
           "other purpose": make_file(tenant, purpose="assistants")}
    for file_id in bad.values():
        assert error(create(tenant, training_file=file_id), 400) == {
            "message": f"invalid training_file: {file_id}", "type": "invalid_request_error", "param": "training_file",
            "code": None}
        assert error(create(tenant, training_file=make_file(tenant), validation_file=file_id), 400) == {
            "message": f"invalid validation_file: {file_id}", "type": "invalid_request_error",
            "param": "validation_file", "code": None}
    assert tenant.client.get(JOBS).json()["data"] == []


def test_unknown_models_answer_in_the_recorded_words(tenant: Tenant) -> None:
    refused = error(create(tenant, model="gpt-nonexistent", training_file=make_file(tenant)), 400)
    assert refused == {"message": "Model gpt-nonexistent is not available for fine-tuning or does not exist.",
                       "type": "invalid_request_error", "param": None, "code": "model_not_available"}


def test_models_of_providers_that_are_not_here_say_so(tenant: Tenant) -> None:
    refused = error(create(tenant, model="gpt-4o-mini", training_file=make_file(tenant)), 400)
    assert refused["code"] == "model_not_available"
    assert refused["message"].startswith("Model gpt-4o-mini is not available for fine-tuning or does not exist. ")
    assert "No provider of this house trains it" in refused["message"]


WRONG_METHODS: list[tuple[dict[str, Any], str]] = [
    ({"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.1}}}, "fine_tuning_method_not_available"),
    ({"type": "reinforcement", "reinforcement": {"grader": {"type": "string_check"}}},
     "fine_tuning_method_not_available"),
    ({"type": "reinforcement"}, "invalid_value"),
    ({"type": "supervised", "dpo": {}}, "invalid_value"),
    ({"type": "best"}, "invalid_value"),
    ({}, "missing_required_parameter"),
    ({"type": "supervised", "supervised": {"tuning": {"type": "full", "rank": 8}}}, "invalid_value"),
    ({"type": "supervised", "supervised": {"tuning": {"rank": 7}}}, "invalid_value"),
    ({"type": "supervised", "supervised": {"tuning": {"dropout": 0.6}}}, "decimal_above_max_value"),
    ({"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 51}}}, "integer_above_max_value"),
    ({"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 0}}}, "integer_below_min_value"),
    ({"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": True}}}, "invalid_type"),
    ({"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1.5}}}, "invalid_type"),
    ({"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": None}}}, "invalid_type"),
    ({"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": "many"}}}, "invalid_value"),
    ({"type": "supervised", "supervised": {"hyperparameters": {"batch_size": 257}}}, "integer_above_max_value"),
    ({"type": "supervised", "supervised": {"hyperparameters": {"learning_rate_multiplier": 0}}},
     "decimal_below_min_value"),
    ({"type": "supervised", "supervised": {"hyperparameters": {"learning_rate_multiplier": 10**400}}},
     "decimal_above_max_value"),
    ({"type": "supervised", "supervised": {"hyperparameters": {"beta": 0.1}}}, "unknown_parameter"),
]


def test_wrong_methods_are_refused(tenant: Tenant) -> None:
    file_id = make_file(tenant)
    for method, code in WRONG_METHODS:
        refused = error(create(tenant, training_file=file_id, method=method), 400)
        assert refused["code"] == code, method
        assert refused["param"].startswith("method"), method
        assert "Value error" not in refused["message"]


WRONG_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"suffix": ""}, "suffix"), ({"suffix": "a" * 65}, "suffix"), ({"suffix": "a:b"}, "suffix"),
    ({"suffix": "a\x00"}, "suffix"), ({"seed": -1}, "seed"), ({"seed": 2**31}, "seed"), ({"seed": 10**400}, "seed"),
    ({"seed": "1"}, "seed"), ({"metadata": {"modified": True}}, "metadata.modified"),
    ({"metadata": {str(n): "" for n in range(17)}}, "metadata"), ({"metadata": {"k": "v" * 513}}, "metadata.k"),
    ({"metadata": {"k" * 65: "v"}}, "metadata." + "k" * 65), ({"wandb": 1}, "wandb"), ({"model": None}, "model"),
    ({"training_file": 3}, "training_file"), ({"hyperparameters": []}, "hyperparameters"),
    ({"integrations": [{"type": "wandb", "wandb": {"project": "p"}}]}, "integrations"),
]


def test_wrong_fields_are_refused(tenant: Tenant) -> None:
    file_id = make_file(tenant)
    for body, param in WRONG_FIELDS:
        refused = error(create(tenant, **{"training_file": file_id, **body}), 400)
        assert refused["param"] == param, body
    assert tenant.client.get(JOBS).json()["data"] == []


def test_a_wrong_type_is_refused_in_the_recorded_words(tenant: Tenant) -> None:
    refused = error(create(tenant, training_file=make_file(tenant), metadata={"modified": True}), 400)
    assert refused == {"message": "Invalid type for 'metadata.modified': expected a string, but got a boolean instead.",
                       "type": "invalid_request_error", "param": "metadata.modified", "code": "invalid_type"}


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
