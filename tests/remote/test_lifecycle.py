"""Jobs of the simulated server on their way: by the clock, by hand, through cancel and pause, and what they cost."""

import base64
from pathlib import Path

import pytest
from openai import BadRequestError, NotFoundError, OpenAI

from tests.remote.asking import MODEL, client_of, make_job, put_file
from tests.remote.control import Simulator, simulating


@pytest.fixture
def client(simulator: Simulator) -> OpenAI:
    simulator.run(speed=0)
    return client_of(simulator)


def status(client: OpenAI, job: str) -> str:
    return str(client.fine_tuning.jobs.retrieve(job).status)


def log(client: OpenAI, job: str) -> list[str]:
    return [event.message for event in client.fine_tuning.jobs.list_events(job, limit=100)][::-1]


def test_a_job_moves_by_the_clock(simulator: Simulator, client: OpenAI) -> None:
    file = put_file(client)
    job = make_job(client, training_file=file, hyperparameters={"n_epochs": 1})
    assert status(client, job) == "validating_files"
    simulator.advance(10)
    assert status(client, job) == "queued"
    simulator.advance(20)
    assert status(client, job) == "running"
    simulator.advance(5)
    assert log(client, job)[-1].startswith("Step 5/12: training loss=")
    simulator.advance(7)
    done = client.fine_tuning.jobs.retrieve(job)
    assert done.status == "succeeded"
    lines = log(client, job)
    assert lines[:4] == [f"Created fine-tuning job: {job}", f"Validating training file: {file}",
                         "Files validated, moving job to queued state", "Fine-tuning job started"]
    assert len([line for line in lines if line.startswith("Step ")]) == 12
    assert lines[-2:] == [f"New fine-tuned model created: {done.fine_tuned_model}",
                          "The job has successfully completed"]


def test_one_long_jump_passes_every_state_in_its_time(simulator: Simulator, client: OpenAI) -> None:
    job = make_job(client, hyperparameters={"n_epochs": 2})
    simulator.advance(100_000)
    done = client.fine_tuning.jobs.retrieve(job)
    assert done.finished_at is not None
    assert done.finished_at - done.created_at == pytest.approx(10 + 20 + 24, abs=1)


def test_the_last_three_epochs_leave_checkpoints_and_the_last_is_the_model(simulator: Simulator,
                                                                           client: OpenAI) -> None:
    job = make_job(client, hyperparameters={"n_epochs": 5}, suffix="My Model")
    simulator.move(job, "succeeded")
    done = client.fine_tuning.jobs.retrieve(job)
    assert str(done.fine_tuned_model).startswith(f"ft:{MODEL}:house:my-model:")
    found = client.fine_tuning.jobs.checkpoints.list(job).data
    assert [each.step_number for each in found] == [60, 48, 36]
    assert found[0].fine_tuned_model_checkpoint == done.fine_tuned_model
    assert found[1].fine_tuned_model_checkpoint.endswith(":ckpt-step-48")
    for each in found:
        assert client.models.retrieve(each.fine_tuned_model_checkpoint).owned_by == "house"


def test_results_come_as_encoded_csv(simulator: Simulator, client: OpenAI) -> None:
    job = make_job(client, hyperparameters={"n_epochs": 1})
    simulator.move(job, "succeeded")
    file = client.fine_tuning.jobs.retrieve(job).result_files[0]
    lines = base64.b64decode(client.files.content(file).read(), validate=True).decode().splitlines()
    assert lines[0] == "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"
    assert len(lines) == 13
    assert lines[1].endswith(",,")


def test_trained_tokens_are_epochs_times_tokens_and_are_billed(simulator: Simulator, client: OpenAI) -> None:
    file = put_file(client)
    for epochs in (1, 3):
        simulator.move(make_job(client, training_file=file, hyperparameters={"n_epochs": epochs}), "succeeded")
    one, three = (each.trained_tokens for each in reversed(client.fine_tuning.jobs.list().data))
    assert one
    assert three == 3 * one
    ledger = simulator.ledger()
    assert [job["billed_tokens"] for job in ledger.jobs] == [one, three]
    assert ledger.micro_dollars == 4 * one * 3


def test_a_cancelled_job_is_billed_only_for_what_it_ran(simulator: Simulator, client: OpenAI) -> None:
    waiting, running = (make_job(client, hyperparameters={"n_epochs": 1}) for _ in range(2))
    simulator.move(waiting, "queued")
    simulator.move(running, "running")
    simulator.advance(6)
    for job in (waiting, running):
        assert client.fine_tuning.jobs.cancel(job).status == "cancelled"
    lines = {job["id"]: job for job in simulator.ledger().jobs}
    assert (lines[waiting]["ran"], lines[waiting]["paid"], lines[waiting]["micro_dollars"]) == (False, False, 0)
    assert lines[running]["paid"]
    assert lines[running]["billed_tokens"] == client.fine_tuning.jobs.retrieve(running).trained_tokens


def test_jobs_that_ended_refuse_to_be_cancelled(simulator: Simulator, client: OpenAI) -> None:
    job = make_job(client)
    simulator.move(job, "succeeded")
    with pytest.raises(BadRequestError, match="is succeeded and cannot be cancelled"):
        client.fine_tuning.jobs.cancel(job)


def test_a_paused_job_goes_on_where_it_was(simulator: Simulator, client: OpenAI) -> None:
    job = make_job(client, hyperparameters={"n_epochs": 1})
    simulator.move(job, "running")
    simulator.advance(5)
    assert str(client.fine_tuning.jobs.pause(job).status) == "paused"
    simulator.advance(1000)
    assert status(client, job) == "paused"
    assert client.fine_tuning.jobs.resume(job).status == "queued"
    simulator.advance(20 + 7)
    assert status(client, job) == "succeeded"
    steps = [line.split(":")[0] for line in log(client, job) if line.startswith("Step ")]
    assert steps == [f"Step {number}/12" for number in range(1, 13)]


def test_only_running_jobs_pause_and_only_paused_ones_resume(simulator: Simulator, client: OpenAI) -> None:
    job = make_job(client)
    for verb in (client.fine_tuning.jobs.pause, client.fine_tuning.jobs.resume):
        with pytest.raises(BadRequestError, match="cannot be"):
            verb(job)


def test_bad_data_fails_the_job_later_with_the_first_reason(simulator: Simulator, client: OpenAI) -> None:
    job = make_job(client, training_file=put_file(client, examples=7))
    simulator.advance(10)
    failed = client.fine_tuning.jobs.retrieve(job)
    assert failed.status == "failed"
    assert failed.error
    assert failed.error.code == "invalid_n_examples"
    assert failed.error.message == "Training file has 7 example(s), but must have at least 10 examples"
    assert simulator.ledger().micro_dollars == 0


def test_auto_is_resolved_when_training_begins(simulator: Simulator, client: OpenAI) -> None:
    job = make_job(client, training_file=put_file(client, examples=10))
    assert client.fine_tuning.jobs.retrieve(job).hyperparameters.n_epochs == "auto"
    simulator.move(job, "running")
    resolved = client.fine_tuning.jobs.retrieve(job).hyperparameters
    assert (resolved.n_epochs, resolved.batch_size, resolved.learning_rate_multiplier) == (10, 1, 1.8)


def test_lists_show_new_jobs_only_after_the_lag(simulator: Simulator, client: OpenAI) -> None:
    simulator.behave(list_lag=30)
    job = make_job(client, metadata={"tuneworks_key": "k"})
    assert client.fine_tuning.jobs.list().data == []
    assert client.fine_tuning.jobs.retrieve(job).id == job
    simulator.advance(30)
    assert [each.id for each in client.fine_tuning.jobs.list(metadata={"tuneworks_key": "k"})] == [job]
    assert client.fine_tuning.jobs.list(metadata={"tuneworks_key": "other"}).data == []


def test_pages_follow_each_other_without_gap_or_repetition(client: OpenAI) -> None:
    file = put_file(client)
    jobs = [make_job(client, training_file=file) for _ in range(7)]
    assert [each.id for each in client.fine_tuning.jobs.list(limit=2)] == jobs[::-1]
    files = [put_file(client, name=f"{number}.jsonl") for number in range(4)]
    assert [each.id for each in client.files.list(limit=2, order="asc")] == [file, *files]
    assert len([*client.fine_tuning.jobs.list_events(jobs[0], limit=1)]) == 2


def test_jobs_may_vanish_and_show_what_nobody_knows(simulator: Simulator, client: OpenAI) -> None:
    gone, odd = make_job(client), make_job(client)
    simulator.job(gone, vanish=True)
    simulator.job(odd, show={"status": "reticulating", "splines": [1]})
    with pytest.raises(NotFoundError, match=f"Could not find fine tune: {gone}"):
        client.fine_tuning.jobs.retrieve(gone)
    assert [(each.id, each.status) for each in client.fine_tuning.jobs.list()] == [(odd, "reticulating")]
    simulator.job(odd, show=None)
    assert status(client, odd) == "validating_files"


def test_a_twin_shows_in_the_ledger_as_doubled(simulator: Simulator, client: OpenAI) -> None:
    job = make_job(client, metadata={"tuneworks_key": "k"})
    assert simulator.ledger().doubled() == {}
    twin = simulator.job(job, twin=True)["id"]
    assert twin != job
    assert [each["id"] for each in simulator.ledger().doubled()["k"]] == [job, twin]
    client.fine_tuning.jobs.cancel(twin)
    assert simulator.ledger().doubled() == {}


def test_projects_do_not_see_each_other(simulator: Simulator, client: OpenAI) -> None:
    job = make_job(client)
    simulator.move(job, "succeeded")
    done = client.fine_tuning.jobs.retrieve(job)
    other = client_of(simulator, simulator.other_key)
    assert other.fine_tuning.jobs.list().data == []
    assert other.files.list().data == []
    for call in (lambda: other.fine_tuning.jobs.retrieve(job), lambda: other.files.retrieve(done.training_file),
                 lambda: other.models.retrieve(str(done.fine_tuned_model))):
        with pytest.raises(NotFoundError):
            call()


def test_waiting_jobs_can_be_hurried(simulator: Simulator, client: OpenAI) -> None:
    simulator.pace(queued=1_000_000)
    jobs = [make_job(client) for _ in range(3)]
    simulator.advance(1000)
    assert {status(client, job) for job in jobs} == {"queued"}
    simulator.hurry(5)
    simulator.advance(5)
    assert {status(client, job) for job in jobs} == {"running"}


def test_a_state_file_carries_everything_over_a_restart(tmp_path: Path) -> None:
    options = ("--state", str(tmp_path / "state"))
    with simulating(tmp_path, *options) as first:
        client = client_of(first)
        done, waiting = make_job(client, metadata={"tuneworks_key": "k"}), make_job(client)
        first.move(done, "succeeded")
        before, ledger = client.fine_tuning.jobs.retrieve(done), first.ledger()
        result = client.files.content(before.result_files[0]).read()
    with simulating(tmp_path, *options) as second:
        client = client_of(second)
        assert client.fine_tuning.jobs.retrieve(done) == before
        assert client.files.content(before.result_files[0]).read() == result
        assert second.ledger().by() == ledger.by()
        second.advance(100_000)
        assert status(client, waiting) == "succeeded"


def test_a_share_of_jobs_may_fail_of_themselves(simulator: Simulator, client: OpenAI) -> None:
    simulator.behave(failing_share=1.0)
    job = make_job(client)
    simulator.advance(10_000)
    failed = client.fine_tuning.jobs.retrieve(job)
    assert (failed.status, failed.error.code if failed.error else None) == ("failed", "server_error")
    assert simulator.ledger().micro_dollars == 0
