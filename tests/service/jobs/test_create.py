"""Jobs are created, or refused, in the shapes and words of OpenAI's recorded servers."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.fixtures.api import Tenant
from tests.service.jobs.building import BASE, make_file

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
    assert job.pop("preflight").startswith("preflight_")  # ours, as the next two are
    assert (job.pop("successor_of"), job.pop("successors")) == (None, [])
    assert (job.pop("provider"), job.pop("credential")) == ("local", None)
    assert abs(job.pop("created_at") - datetime.now(UTC).timestamp()) < 3600
    assert job == {
        "object": "fine_tuning.job", "model": BASE, "finished_at": None, "fine_tuned_model": None,
        "organization_id": tenant.organization_id, "result_files": [], "status": "validating_files",
        "validation_file": None, "training_file": file_id, "hyperparameters": AUTO, "trained_tokens": None, "error": {},
        "user_provided_suffix": None, "estimated_finish": None, "integrations": [], "metadata": None,
        "usage_metrics": None, "shared_with_openai": False, "eval_id": None,
        "training_dataset_version": None, "validation_dataset_version": None,
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


HOSTILE: tuple[Any, ...] = (
    "\x00", "\ud800", "a" * 70_000, 10**400, -(10**400), 1e308, True, [], {}, [[[[]]]], {"\x00": "\x00"})
PLACES: tuple[tuple[str, ...], ...] = (
    ("model",), ("training_file",), ("validation_file",), ("suffix",), ("seed",), ("metadata",), ("metadata", "k"),
    ("integrations",), ("hyperparameters",), ("hyperparameters", "n_epochs"), ("method",), ("method", "type"),
    ("method", "supervised"), ("method", "supervised", "hyperparameters", "batch_size"),
    ("method", "supervised", "hyperparameters", "learning_rate_multiplier"),
    ("method", "supervised", "tuning", "rank"), ("method", "supervised", "tuning", "alpha"),
    ("method", "supervised", "tuning", "dropout"), ("method", "reinforcement", "grader"))


def test_hostile_values_are_refused_wherever_they_stand(tenant: Tenant) -> None:
    file_id = make_file(tenant)
    for place, value in itertools.product(PLACES, HOSTILE):
        body: dict[str, Any] = {"model": BASE, "training_file": file_id}
        within = body
        for name in place[:-1]:
            within[name] = {"type": "supervised"} if name == "method" else {}
            within = within[name]
        within[place[-1]] = value
        answer = tenant.client.post(JOBS, content=json.dumps(body), headers={"content-type": "application/json"})
        assert answer.status_code in {200, 400}, (place, str(value)[:20], answer.text)
        assert answer.status_code == 400 or value in ([], {}, 1e308), (place, str(value)[:20])
    for path in ("%00", "%ed%a0%80", "a" * 300):
        assert tenant.client.get(f"{JOBS}/{path}").status_code in {400, 404}
