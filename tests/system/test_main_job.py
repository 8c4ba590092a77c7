"""The main job through the official SDK against the whole house: upload, validate, train, notify, chat."""

import hashlib
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai import BadRequestError, NotFoundError, OpenAI
from openai.types.fine_tuning import FineTuningJob
from openai.types.fine_tuning.job_create_params import Method
from standardwebhooks import Webhook

from tests.fixtures.receiver import Receiver
from tests.fixtures.whole_house import BASE, WholeHouse, chat_lines, until

ENDS = {"succeeded", "failed", "cancelled"}
pytestmark = pytest.mark.usefixtures("whole_house")


@pytest.fixture
def client(whole_house: WholeHouse) -> Iterator[OpenAI]:
    with whole_house.client(max_retries=0) as client:
        yield client


def upload(client: OpenAI, lines: bytes) -> str:
    file = client.files.create(file=("data.jsonl", io.BytesIO(lines)), purpose="fine-tune")
    return client.files.wait_for_processing(file.id, poll_interval=0.2).id


def finish(client: OpenAI, job: FineTuningJob) -> FineTuningJob:
    def ended() -> bool:
        nonlocal job
        job = client.fine_tuning.jobs.retrieve(job.id)
        return job.status in ENDS
    until(ended, 180, f"{job.id} ends")
    return job


def messages(client: OpenAI, job_id: str) -> list[str]:
    """Every line of a job's log, oldest first, read page by page."""
    return [event.message for event in client.fine_tuning.jobs.list_events(job_id, limit=3)][::-1]


def test_from_upload_to_chat(client: OpenAI, receiver: Receiver) -> None:
    endpoint = client.webhooks.create(name="test", url=f"{receiver.url}/hook",
                                      event_types=["fine_tuning.job.succeeded", "fine_tuning.job.failed"])
    training, validation = upload(client, chat_lines(12)), upload(client, chat_lines(10))
    method: Method = {"type": "supervised", "supervised": {"hyperparameters": {
        "n_epochs": 2, "batch_size": 4, "learning_rate_multiplier": 2.0}}}
    told: Any = client.post("/fine_tuning/preflights", cast_to=object, options={"params": {"wait": 60}}, body={
        "model": BASE, "training_file": training, "validation_file": validation, "method": method})
    job = client.fine_tuning.jobs.create(
        model=BASE, training_file=training, validation_file=validation, suffix="sdk", seed=7, metadata={"team": "a"},
        method=method)
    assert job.status == "validating_files"
    assert job.id in [each.id for each in client.fine_tuning.jobs.list(metadata={"team": "a"})]

    job = finish(client, job)
    assert (job.status, job.error.code if job.error else None) == ("succeeded", None)
    assert job.fine_tuned_model is not None
    assert job.fine_tuned_model.startswith(f"ft:{BASE}:default:sdk:")
    assert told["candidates"][0]["tokens_per_epoch"]["exact"], told["candidates"]
    assert told["candidates"][0]["billed_tokens"]["expected"] == job.trained_tokens, "as the pre-flight promised"
    assert job.seed == 7
    steps = [event for event in client.fine_tuning.jobs.list_events(job.id) if event.type == "metrics"]
    assert [json.loads(json.dumps(event.data))["step"] for event in reversed(steps)] == [1, 2, 3, 4, 5, 6]
    log = messages(client, job.id)
    assert log[0] == f"Created fine-tuning job: {job.id}"
    assert log[-2:] == [f"New fine-tuned model created: {job.fine_tuned_model}",
                        "The job has successfully completed"]

    checkpoints = list(client.fine_tuning.jobs.checkpoints.list(job.id))
    assert [each.step_number for each in checkpoints] == [6, 3]
    assert checkpoints[0].fine_tuned_model_checkpoint == job.fine_tuned_model
    assert checkpoints[0].metrics.full_valid_loss is not None
    table = client.files.content(job.result_files[0]).read().decode().splitlines()
    assert table[0] == "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"
    assert len(table) == 7

    for model in (BASE, job.fine_tuned_model, checkpoints[1].fine_tuned_model_checkpoint):
        assert client.models.retrieve(model).id == model
        answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "say 3"}],
                                                max_completion_tokens=8, temperature=0)
        assert answer.model == model
        assert answer.usage
        assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
        chunks = list(client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "say 3"}], max_completion_tokens=8, temperature=0,
            stream=True))
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == answer.choices[0].message.content
        assert {chunk.model for chunk in chunks} == {model}

    until(lambda: bool(receiver.requests), 30, "the webhook arrives")
    delivery = receiver.requests[0]
    assert endpoint.signing_secret
    event = client.webhooks.unwrap(delivery.body, delivery.headers, secret=endpoint.signing_secret)
    assert (event.type, event.data.id) == ("fine_tuning.job.succeeded", job.id)  # type: ignore[union-attr]  # the SDK's union of all events
    Webhook(endpoint.signing_secret).verify(delivery.body, delivery.headers)
    client.webhooks.delete(endpoint.id)

    assert client.models.delete(job.fine_tuned_model).deleted
    with pytest.raises(NotFoundError):
        client.models.retrieve(job.fine_tuned_model)


@pytest.mark.parametrize("tuning", [{"type": "full"}, {"type": "last_layers", "layers": 1}])
def test_whole_models_can_be_trained_and_asked(client: OpenAI, tuning: dict[str, object]) -> None:
    method = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1}, "tuning": tuning}}
    job = finish(client, client.fine_tuning.jobs.create(
        model=BASE, training_file=upload(client, chat_lines(10)), method=method))  # type: ignore[arg-type]  # tuning is ours
    assert job.status == "succeeded"
    assert job.fine_tuned_model
    answer = client.chat.completions.create(model=job.fine_tuned_model, max_completion_tokens=4,
                                            messages=[{"role": "user", "content": "say 3"}])
    assert answer.model == job.fine_tuned_model


def test_a_tuned_model_can_be_trained_further(client: OpenAI) -> None:
    file = upload(client, chat_lines(10))
    first = finish(client, client.fine_tuning.jobs.create(model=BASE, training_file=file,
                                                          hyperparameters={"n_epochs": 1}))
    assert first.fine_tuned_model
    second = finish(client, client.fine_tuning.jobs.create(model=first.fine_tuned_model, training_file=file,
                                                           hyperparameters={"n_epochs": 1}))
    assert second.status == "succeeded"


def test_a_file_in_parts(client: OpenAI) -> None:
    lines = chat_lines(200)
    upload_ = client.uploads.upload_file_chunked(
        file=lines, filename="parts.jsonl", bytes=len(lines), mime_type="text/jsonl", purpose="fine-tune",
        part_size=1000, md5=hashlib.md5(lines).hexdigest())
    assert upload_.status == "completed"
    assert upload_.file
    assert client.files.wait_for_processing(upload_.file.id, poll_interval=0.2).status == "processed"
    assert client.files.content(upload_.file.id).read() == lines
    assert client.files.delete(upload_.file.id).deleted


def test_a_bad_file_fails_the_job_with_its_lines(client: OpenAI) -> None:
    lines = chat_lines(11) + b'{"messages": [{"content": "no role"}]}\n'
    job = finish(client, client.fine_tuning.jobs.create(model=BASE, training_file=upload(client, lines)))
    assert job.status == "failed"
    assert job.error
    assert job.error.code == "invalid_file_format"
    assert "12" in (job.error.message or "")


def test_too_few_examples(client: OpenAI) -> None:
    job = finish(client, client.fine_tuning.jobs.create(model=BASE, training_file=upload(client, chat_lines(7))))
    assert job.error
    assert (job.error.code, job.error.param) == ("invalid_n_examples", "training_file")


def test_cancel_pause_and_resume_a_running_job(client: OpenAI) -> None:
    file = upload(client, chat_lines(40, turns=4))
    job = client.fine_tuning.jobs.create(model=BASE, training_file=file,
                                         hyperparameters={"n_epochs": 50, "batch_size": 1})
    until(lambda: any("Step 5/" in line for line in messages(client, job.id)), 120, "training moves")
    client.fine_tuning.jobs.pause(job.id)
    until(lambda: str(client.fine_tuning.jobs.retrieve(job.id).status) == "paused", 60, "the job is paused")
    assert client.fine_tuning.jobs.resume(job.id).status == "queued"
    until(lambda: client.fine_tuning.jobs.retrieve(job.id).status == "running", 60, "the job runs again")
    client.fine_tuning.jobs.cancel(job.id)
    job = finish(client, job)
    assert job.status == "cancelled"
    log = messages(client, job.id)
    assert len([line for line in log if line.startswith("Step ")]) == len(
        {line.split(":")[0] for line in log if line.startswith("Step ")}), "no step is told twice"
    with pytest.raises(BadRequestError):
        client.fine_tuning.jobs.cancel(job.id)
