"""What the simulated server refuses when a job is ordered or a file sent: as much as the real one, and as early."""

from typing import Any

import pytest
from openai import AuthenticationError, BadRequestError, OpenAI, PermissionDeniedError, RateLimitError

from tests.remote.asking import MODEL, ask, client_of, make_job, put_file
from tests.remote.control import Simulator

GRADER = {"type": "string_check", "name": "g", "input": "a", "reference": "b", "operation": "eq"}


@pytest.fixture
def client(simulator: Simulator) -> OpenAI:
    return client_of(simulator)


def supervised(**hyperparameters: Any) -> dict[str, Any]:
    return {"method": {"type": "supervised", "supervised": {"hyperparameters": hyperparameters}}}


@pytest.mark.parametrize(("more", "param", "code"), [
    ({"model": None}, "model", "missing_required_parameter"),
    ({"training_file": None}, "training_file", "missing_required_parameter"),
    ({"model": 7}, "model", "invalid_type"),
    ({"priority": "high"}, "priority", "unknown_parameter"),
    ({"suffix": ""}, "suffix", "empty_string"),
    ({"suffix": "x" * 65}, "suffix", "string_above_max_length"),
    ({"seed": -1}, "seed", "integer_below_min_value"),
    ({"seed": 2**31}, "seed", "integer_above_max_value"),
    ({"seed": True}, "seed", "invalid_type"),
    ({"metadata": {"modified": True}}, "metadata.modified", "invalid_type"),
    ({"metadata": {str(number): "x" for number in range(17)}}, "metadata", "object_above_max_properties"),
    ({"metadata": {"k": "x" * 513}}, "metadata.k", "string_above_max_length"),
    ({"method": {"supervised": {}}}, "method.type", "missing_required_parameter"),
    ({"method": {"type": "magic"}}, "method.type", "invalid_value"),
    ({"method": {"type": "dpo", "supervised": {}}}, "method.supervised", "unknown_parameter"),
    ({"method": {"type": "supervised", "supervised": {"tuning": {}}}}, "method.supervised.tuning",
     "unknown_parameter"),
    (supervised(beta=0.1), "method.supervised.hyperparameters.beta", "unknown_parameter"),
    (supervised(n_epochs=0), "method.supervised.hyperparameters.n_epochs", "integer_below_min_value"),
    (supervised(n_epochs=51), "method.supervised.hyperparameters.n_epochs", "integer_above_max_value"),
    (supervised(n_epochs=1.5), "method.supervised.hyperparameters.n_epochs", "invalid_type"),
    (supervised(batch_size=257), "method.supervised.hyperparameters.batch_size", "integer_above_max_value"),
    (supervised(learning_rate_multiplier=0), "method.supervised.hyperparameters.learning_rate_multiplier",
     "decimal_out_of_range"),
    ({"method": {"type": "reinforcement", "reinforcement": {}}}, "method.reinforcement.grader",
     "missing_required_parameter"),
    ({"method": {"type": "reinforcement", "reinforcement": {"grader": GRADER}}}, "validation_file",
     "missing_required_parameter"),
    ({"integrations": [{"type": "mlflow"}]}, "integrations[0].type", "invalid_value"),
    ({"model": "gpt-3.5-turbo", "method": {"type": "dpo", "dpo": {}}}, "method", "unsupported_method"),
    ({"model": "gpt-4-0613"}, None, "model_not_available"),
])
def test_orders_are_checked(simulator: Simulator, client: OpenAI, more: dict[str, Any], param: str | None,
                            code: str) -> None:
    body = {name: value for name, value in ({"model": MODEL, "training_file": put_file(client)} | more).items()
            if value is not None}
    answer = ask(simulator, "POST", "/v1/fine_tuning/jobs", body)
    assert (answer.status, answer.body["error"]["param"], answer.body["error"]["code"]) == (400, param, code)
    assert simulator.ledger().jobs == []


def test_a_recorded_type_error_is_word_for_word(simulator: Simulator, client: OpenAI) -> None:
    answer = ask(simulator, "POST", "/v1/fine_tuning/jobs", {"model": MODEL, "training_file": put_file(client),
                                                             "metadata": {"modified": True}})
    assert answer.body["error"]["message"] == ("Invalid type for 'metadata.modified': expected a string, but got a "
                                               "boolean instead.")


def test_pages_have_a_limit(simulator: Simulator) -> None:
    for path, limit in (("/v1/fine_tuning/jobs", 101), ("/v1/files", 10_001), ("/v1/fine_tuning/jobs", 0),
                        ("/v1/files", "many")):
        answer = ask(simulator, "GET", f"{path}?limit={limit}")
        assert (answer.status, answer.body["error"]["param"]) == (400, "limit")


def test_files_must_be_lines_of_dictionaries(client: OpenAI) -> None:
    with pytest.raises(BadRequestError, match="Line 2 is not a dictionary"):
        client.files.create(file=("a.jsonl", b'{"messages": []}\nhello\n'), purpose="fine-tune")


def test_only_fine_tune_files_train(client: OpenAI) -> None:
    file = client.files.create(file=("a.txt", b"hello"), purpose="user_data").id
    with pytest.raises(BadRequestError, match=f"invalid training_file: {file}"):
        make_job(client, training_file=file)


def test_deleted_files_and_models_are_gone(simulator: Simulator, client: OpenAI) -> None:
    job = make_job(client)
    simulator.move(job, "succeeded")
    done = client.fine_tuning.jobs.retrieve(job)
    client.files.delete(done.training_file)
    client.models.delete(str(done.fine_tuned_model))
    with pytest.raises(BadRequestError, match="invalid training_file"):
        make_job(client, training_file=done.training_file)
    with pytest.raises(BadRequestError, match="not available for fine-tuning"):
        make_job(client, model=done.fine_tuned_model)


def test_a_tuned_model_can_be_tuned_further(simulator: Simulator, client: OpenAI) -> None:
    job = make_job(client)
    simulator.move(job, "succeeded")
    again = make_job(client, model=client.fine_tuning.jobs.retrieve(job).fine_tuned_model)
    assert client.fine_tuning.jobs.retrieve(again).model == MODEL


def test_retired_models_are_refused_when_the_day_counts(simulator: Simulator, client: OpenAI) -> None:
    simulator.behave(honours_retirement=True)
    simulator.advance(86_400 * 365 * 10)
    with pytest.raises(BadRequestError, match="not available for fine-tuning"):
        make_job(client)


def test_keys_have_a_standing(simulator: Simulator, client: OpenAI) -> None:
    file = put_file(client)
    for standing, refusal in (("revoked", AuthenticationError), ("forbidden", PermissionDeniedError)):
        simulator.account(simulator.key, standing=standing)
        with pytest.raises(refusal):
            client.models.list()
    simulator.account(simulator.key, standing="closed")
    with pytest.raises(PermissionDeniedError):
        make_job(client, training_file=file)
    simulator.account(simulator.key, standing="quota")
    with pytest.raises(RateLimitError) as spent:
        make_job(client, training_file=file)
    assert spent.value.code == "insufficient_quota"
    simulator.account(simulator.key, standing="open")
    make_job(client, training_file=file)


def test_too_many_requests_are_told_when_to_come_back(simulator: Simulator, client: OpenAI) -> None:
    simulator.account(simulator.key, requests_per_minute=3)
    for _ in range(3):
        client.models.list()
    with pytest.raises(RateLimitError) as refused:
        client.models.list()
    assert 1 <= int(refused.value.response.headers["retry-after"]) <= 60


def test_uploads_expire_and_add_up(simulator: Simulator) -> None:
    def begin(size: int) -> str:
        return "/v1/uploads/" + str(ask(simulator, "POST", "/v1/uploads", {
            "purpose": "fine-tune", "filename": "a.jsonl", "bytes": size, "mime_type": "text/jsonl"}).body["id"])
    late, short = begin(3), begin(4)
    part = ask(simulator, "POST", f"{short}/parts", files={"data": b"{}\n"}).body["id"]
    wrong = ask(simulator, "POST", f"{short}/complete", {"part_ids": [part]})
    assert (wrong.status, wrong.body["error"]["param"]) == (400, "part_ids")
    simulator.advance(3600)
    gone = ask(simulator, "POST", f"{late}/parts", files={"data": b"{}\n"})
    assert gone.status == 400
    assert "is expired" in gone.body["error"]["message"]


def test_unknown_routes_and_bodies_that_are_no_json_are_refused(simulator: Simulator) -> None:
    assert ask(simulator, "GET", "/v1/fine-tunes").status == 404
    answer = ask(simulator, "POST", "/v1/fine_tuning/jobs", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.status == 400
    assert answer.body["error"]["message"].startswith("We could not parse the JSON body")
