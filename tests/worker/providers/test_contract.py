"""What every client of a server that trains for money owes: one suite, each provider at a stand of its own.

A provider that cannot do something says so in service/catalog/capabilities.py, and its client refuses it.
"""

from contextlib import closing

import pytest

from service.catalog.capabilities import Wish
from tests.worker.providers.stands import PROVIDERS, Stand, sent
from worker.providers.remote import (
    AccessRefused,
    Ambiguous,
    Gone,
    Refused,
    Remote,
    RemoteState,
    Unavailable,
    UploadProgress,
)

pytestmark = pytest.mark.parametrize("stand", PROVIDERS, indirect=True)
METHODS = {
    "supervised": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": "auto"}}},
    "dpo": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.1, "n_epochs": "auto"}}},
    "reinforcement": {"type": "reinforcement", "reinforcement": {
        "hyperparameters": {"reasoning_effort": "low", "eval_interval": 2},
        "grader": {"type": "string_check", "name": "same", "operation": "eq", "input": "{{sample.output_text}}",
                   "reference": "{{item.answer}}"}}},
}


# -- the credential ------------------------------------------------------------------------------------
def test_a_good_credential_lists_models(remote: Remote) -> None:
    models = remote.check()
    assert models
    assert models == remote.models()


def test_a_wrong_credential_is_refused_without_being_told(stand: Stand) -> None:
    with closing(stand.open("sk-wrong-canary-9000")) as remote, pytest.raises(AccessRefused) as told:
        remote.check()
    assert "canary" not in str(told.value)


# -- files ---------------------------------------------------------------------------------------------
def test_a_file_arrives_as_it_is(stand: Stand, remote: Remote) -> None:
    data = stand.data()
    file_id = sent(remote, data)
    assert b"".join(remote.content(file_id)) == data.content
    assert [(each.id, each.filename, each.bytes, each.purpose) for each in remote.files().items] == [
        (file_id, data.filename, data.size, "fine-tune")]


def test_an_upload_that_is_complete_is_not_sent_again(stand: Stand, remote: Remote) -> None:
    steps = list(remote.upload(stand.data(), UploadProgress(file_id="file-there")))
    assert {each.file_id for each in steps} <= {"file-there"}
    assert remote.files().items == ()


def test_a_file_is_deleted_however_often(remote: Remote, file: str) -> None:
    remote.delete_file(file)
    remote.delete_file(file)
    with pytest.raises(Gone):
        list(remote.content(file))


def test_files_come_in_pages(stand: Stand, remote: Remote) -> None:
    ids = {sent(remote, stand.data()) for _ in range(3)}
    first = remote.files(limit=2)
    second = remote.files(after=first.after, limit=2)
    assert (len(first.items), len(second.items), second.after) == (2, 1, None)
    assert {each.id for each in first.items + second.items} == ids


# -- making jobs ---------------------------------------------------------------------------------------
def test_a_job_bears_the_key_and_the_house(stand: Stand, remote: Remote, file: str) -> None:
    made = remote.create(stand.order(file))
    assert (made.key, made.house, made.state) == (stand.key(), "org_ours", RemoteState.WAITING)
    seen = remote.retrieve(made.id)
    assert (seen.id, seen.key, seen.state.is_end) == (made.id, made.key, False)


@pytest.mark.parametrize("method", METHODS)
def test_each_method_is_taken_or_said_to_be_impossible(stand: Stand, remote: Remote, file: str, method: str) -> None:
    if method not in stand.can.methods:
        assert [each.param for each in stand.can.obstacles(Wish(method=method))] == ["method.type"]
        return
    more = {"model": "o4-mini-2025-04-16"} if method == "reinforcement" else {}
    made = remote.create(stand.order(file, method=METHODS[method], validation_file=file, **more))
    assert made.state is RemoteState.WAITING
    assert stand.lives(stand.key()) == 1


def test_a_refusal_comes_with_its_reason(stand: Stand, remote: Remote) -> None:
    with pytest.raises(Refused, match=r"training_file|training file|file-nothing"):
        remote.create(stand.order("file-nothing"))
    assert stand.lives(stand.key()) == 0


def test_a_model_that_cannot_be_trained_is_refused(stand: Stand, remote: Remote, file: str) -> None:
    with pytest.raises(Refused, match="gpt-nothing"):
        remote.create(stand.order(file, model="gpt-nothing"))


def test_a_job_is_found_by_its_key(stand: Stand, remote: Remote, file: str) -> None:
    made = remote.create(stand.order(file))
    remote.create(stand.order(file, key=stand.key(2)))
    assert [each.id for each in remote.find(stand.key())] == [made.id]
    assert remote.find(stand.key(3)) == ()


# -- lost answers --------------------------------------------------------------------------------------
def test_a_creation_whose_answer_is_lost_is_ambiguous_and_the_job_is_found(stand: Stand, remote: Remote,
                                                                           file: str) -> None:
    stand.lose_the_answer()
    with pytest.raises(Ambiguous):
        remote.create(stand.order(file))
    assert [each.key for each in remote.find(stand.key())] == [stand.key()]
    assert stand.lives(stand.key()) == 1


def test_a_creation_that_does_not_arrive_made_nothing(stand: Stand, remote: Remote, file: str) -> None:
    order = stand.order(file)
    stand.be_out_of_reach()
    with pytest.raises(Unavailable):
        remote.create(order)
    assert stand.lives(stand.key()) == 0


# -- following -----------------------------------------------------------------------------------------
def test_a_job_is_followed_to_its_model(stand: Stand, remote: Remote, file: str) -> None:
    made = remote.create(stand.order(file))
    stand.move(made.id, "running")
    assert remote.retrieve(made.id).state is RemoteState.RUNNING
    stand.move(made.id, "succeeded")
    ended = remote.retrieve(made.id)
    assert ended.state is RemoteState.SUCCEEDED
    assert ended.fine_tuned_model
    assert (ended.trained_tokens is not None) == stand.can.tells_tokens
    assert ended.finished_at is not None
    assert ended.error is None
    assert ended.hyperparameters["n_epochs"] == 3
    assert all(b"".join(remote.content(result)) for result in ended.result_files)


def test_a_log_is_read_in_order_and_goes_on_where_it_was_left(stand: Stand, remote: Remote, file: str) -> None:
    made = remote.create(stand.order(file))
    stand.move(made.id, "running")
    before = remote.events(made.id, until=None)
    stand.move(made.id, "succeeded")
    after = remote.events(made.id, until=before[-1].id)
    whole = remote.events(made.id, until=None)
    assert before + after == whole
    assert len({each.id for each in whole}) == len(whole)
    metrics = [each.data for each in whole if each.type == "metrics"]
    assert len(metrics) > 10
    assert [each["step"] for each in metrics] == [metrics[0]["step"] + number for number in range(len(metrics))]
    assert all(each["train_loss"] > 0 for each in metrics)


def test_checkpoints_come_in_the_order_of_steps(stand: Stand, remote: Remote, file: str) -> None:
    made = remote.create(stand.order(file))
    stand.move(made.id, "succeeded")
    found = remote.checkpoints(made.id)
    if not stand.can.checkpoints:
        assert found == ()
        return
    steps = [each.step for each in found]
    assert steps == sorted(set(steps))
    assert found[-1].model == remote.retrieve(made.id).fine_tuned_model
    assert all(each.metrics for each in found)


def test_a_failure_is_told_with_its_reason(stand: Stand, remote: Remote, file: str) -> None:
    made = remote.create(stand.order(file))
    stand.move(made.id, "failed")
    failed = remote.retrieve(made.id)
    assert failed.state is RemoteState.FAILED
    assert failed.error is not None
    assert failed.error["message"]


# -- verbs ---------------------------------------------------------------------------------------------
def test_a_job_is_cancelled(stand: Stand, remote: Remote, file: str) -> None:
    made = remote.create(stand.order(file))
    if remote.cancel(made.id).state is not RemoteState.CANCELLED:
        stand.move(made.id, "cancelled")
    assert remote.retrieve(made.id).state is RemoteState.CANCELLED


def test_an_end_cannot_be_cancelled(stand: Stand, remote: Remote, file: str) -> None:
    made = remote.create(stand.order(file))
    stand.move(made.id, "succeeded")
    with pytest.raises(Refused):
        remote.cancel(made.id)
    assert remote.retrieve(made.id).state is RemoteState.SUCCEEDED


def test_a_job_is_paused_and_resumed_where_it_can_be(stand: Stand, remote: Remote, file: str) -> None:
    made = remote.create(stand.order(file))
    stand.move(made.id, "running")
    if not stand.can.pauses:
        with pytest.raises(Refused):
            remote.pause(made.id)
        return
    assert remote.pause(made.id).state is RemoteState.PAUSED
    assert not remote.resume(made.id).state.is_end
    stand.move(made.id, "succeeded")


def test_a_job_that_is_not_there_is_gone(stand: Stand, remote: Remote) -> None:
    unknown = "ftjob-0123456789abcdefghijklmn"
    pausing = (remote.pause, remote.resume, remote.checkpoints) if stand.can.pauses else ()
    for ask in (remote.retrieve, remote.cancel, lambda job_id: remote.events(job_id, until=None), *pausing):
        with pytest.raises(Gone):
            ask(unknown)
