"""Azure's face of the simulated server: paths, key header, versions, words, deployments."""

import pytest
from openai import APIStatusError, AuthenticationError, NotFoundError

from tests.remote.asking import ask, azure_client_of
from tests.remote.control import Simulator
from tests.remote.estate import lines


def test_a_job_goes_its_way_in_azures_words(simulator: Simulator) -> None:
    client = azure_client_of(simulator)
    file = client.files.create(file=("a.jsonl", lines(12, "a")), purpose="fine-tune")
    job = client.fine_tuning.jobs.create(model="gpt-35-turbo-0125", training_file=file.id, suffix="mine",
                                         metadata={"tuneworks_key": "k"})
    assert (file.id[:5], len(file.id), len(job.id), str(job.status)) == ("file-", 37, 38, "pending")
    simulator.move(job.id, "running")
    assert client.fine_tuning.jobs.retrieve(job.id).status == "running"
    simulator.move(job.id, "succeeded")
    model = client.fine_tuning.jobs.retrieve(job.id).fine_tuned_model
    assert str(model).startswith("gpt-35-turbo-0125.ft-")
    assert str(model).endswith("-mine")
    other = client.fine_tuning.jobs.create(model="gpt-4o-mini-2024-07-18", training_file=file.id)
    assert str(client.fine_tuning.jobs.cancel(other.id).status) == "canceled"
    assert [each.id for each in client.fine_tuning.jobs.list(metadata={"tuneworks_key": "k"})] == [job.id]


def test_models_answer_by_deployment_only(simulator: Simulator) -> None:
    client = azure_client_of(simulator)
    question = {"role": "user", "content": "Hello?"}
    with pytest.raises(NotFoundError, match="deployment"):
        client.chat.completions.create(model="mine", messages=[question])  # type: ignore[list-item]
    simulator.deploy("mine", "gpt-4o-mini-2024-07-18.ft-1")
    answer = client.chat.completions.create(model="mine", messages=[question])  # type: ignore[list-item]
    assert answer.choices[0].message.content == "This is gpt-4o-mini-2024-07-18.ft-1. You said: Hello?"


def test_the_newer_paths_need_no_version_and_speak_openais_words(simulator: Simulator) -> None:
    answer = ask(simulator, "GET", "/openai/v1/fine_tuning/jobs", headers={"api-key": simulator.key})
    assert (answer.status, answer.body["data"]) == (200, [])
    assert "apim-request-id" in answer.headers


def test_older_paths_need_a_version(simulator: Simulator) -> None:
    answer = ask(simulator, "GET", "/openai/fine_tuning/jobs", headers={"api-key": simulator.key})
    assert (answer.status, answer.body) == (404, {"error": {"code": "404", "message": "Resource not found"}})


def test_wrong_keys_and_bad_orders_are_told_as_azure_does(simulator: Simulator) -> None:
    client = azure_client_of(simulator)
    with pytest.raises(AuthenticationError) as refused:
        client.with_options(api_key="wrong").models.list()
    assert refused.value.code == "401"
    with pytest.raises(APIStatusError) as wrong:
        client.fine_tuning.jobs.create(model="gpt-4o-mini-2024-07-18", training_file="file-no")
    assert (wrong.value.status_code, wrong.value.code) == (400, "invalidPayload")
