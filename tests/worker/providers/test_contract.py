"""What every client of a server that trains for money owes: one suite, each provider at a stand of its own.

A provider that cannot do something says so in service/catalog/capabilities.py, and its client refuses it.
"""

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from service.settings import settings
from tests.remote.control import Simulator
from tests.worker.providers.bedrock.stand import bedrock_stand
from tests.worker.providers.stands import SimulatorStand, Stand, sent
from worker.providers.openai import uploads
from worker.providers.remote import (
    AccessRefused,
    Ambiguous,
    Gone,
    Refused,
    Remote,
    RemoteError,
    RemoteState,
    Unavailable,
    UploadProgress,
)

ON_THE_SIMULATOR = ("openai", "azure", "compatible")
METHODS = {
    "supervised": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2, "batch_size": 1}}},
    "dpo": {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.1, "n_epochs": "auto"}}},
    "reinforcement": {"type": "reinforcement", "reinforcement": {
        "hyperparameters": {"reasoning_effort": "low", "eval_interval": 2},
        "grader": {"type": "string_check", "name": "same", "operation": "eq", "input": "{{sample.output_text}}",
                   "reference": "{{item.answer}}"}}},
}


@pytest.fixture(params=(*ON_THE_SIMULATOR, "bedrock"))
def stand(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    if request.param == "bedrock":
        with bedrock_stand() as made:
            yield made
        return
    simulator: Simulator = request.getfixturevalue("simulator")
    simulator.run(0)
    monkeypatch.setenv("TUNEWORKS_REMOTE_ALLOW_PRIVATE", "true")
    settings.cache_clear()
    yield SimulatorStand(request.param, simulator)
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def remote(stand: Stand) -> Iterator[Remote]:
    with closing(stand.open()) as opened:
        yield opened


@pytest.fixture
def file(stand: Stand, remote: Remote) -> str:
    return sent(remote, stand.data())


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
    assert list(remote.upload(stand.data(), UploadProgress(file_id="file-there"))) == []
    assert remote.files().items == ()


@pytest.fixture
def small_parts(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> int:
    """Files beyond 1,000 bytes go in parts of 700, which S3 would not take."""
    _simulator(stand)
    monkeypatch.setattr(uploads, "WHOLE_BYTES", 1000)
    monkeypatch.setattr(uploads, "PART_BYTES", 700)
    return 700


def test_a_large_file_arrives_in_parts(stand: Stand, remote: Remote, small_parts: int) -> None:
    data = stand.data()
    steps = list(remote.upload(data, UploadProgress()))
    assert len(steps[-1].part_ids) == -(-data.size // small_parts)
    assert [step.file_id is None for step in steps] == [True] * (len(steps) - 1) + [False]
    assert b"".join(remote.content(str(steps[-1].file_id))) == data.content


def test_an_upload_goes_on_from_what_was_recorded(stand: Stand, remote: Remote, small_parts: int) -> None:
    data = stand.data()
    begun = remote.upload(data, UploadProgress())
    recorded = [next(begun) for _ in range(3)][-1]
    data.begun_at.clear()
    with closing(stand.open()) as successor:
        *_, last = successor.upload(data, recorded)
    assert last.part_ids[:2] == recorded.part_ids
    assert min(data.begun_at) == 2 * small_parts
    assert b"".join(remote.content(str(last.file_id))) == data.content


def test_an_upload_that_ran_out_begins_anew(stand: Stand, remote: Remote, small_parts: int) -> None:
    data = stand.data()
    begun = remote.upload(data, UploadProgress())
    recorded = [next(begun) for _ in range(3)][-1]
    _simulator(stand).advance(4000)
    *_, last = remote.upload(data, recorded)
    assert last.upload_id != recorded.upload_id
    assert b"".join(remote.content(str(last.file_id))) == data.content


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
    assert (made.key, made.house, made.state) == ("key-1", "org_ours", RemoteState.WAITING)
    _simulator(stand)  # Bedrock answers with an ARN alone, and shows no tags
    assert made.body["metadata"]["team"] == "red"
    assert remote.retrieve(made.id) == made


@pytest.mark.parametrize("method", METHODS)
def test_each_method_that_a_provider_can_is_taken(stand: Stand, remote: Remote, file: str, method: str) -> None:
    if method not in stand.can.methods:
        pytest.skip(f"{stand.can.title} does not train by {method}, and says so before")
    _simulator(stand)  # Bedrock's only method is what every other test here uses
    model = "o4-mini-2025-04-16" if method == "reinforcement" else "gpt-4o-mini-2024-07-18"
    made = remote.create(stand.order(file, method=METHODS[method], model=model, validation_file=file))
    assert made.state is RemoteState.WAITING
    assert made.body["method"]["type"] == method


def test_as_much_metadata_as_is_promised_arrives(stand: Stand, remote: Remote, file: str) -> None:
    _simulator(stand)  # Bedrock shows no tags
    pairs = {f"k{number}": "v" * 512 for number in range(stand.can.metadata_pairs)}
    made = remote.create(stand.order(file, metadata=pairs))
    assert pairs.items() <= made.body["metadata"].items()


def test_a_refusal_comes_with_its_reason(stand: Stand, remote: Remote) -> None:
    with pytest.raises(Refused, match=r"training_file|training file|file-nothing"):
        remote.create(stand.order("file-nothing"))
    assert stand.lives("key-1") == 0


def test_a_model_that_cannot_be_trained_is_refused(stand: Stand, remote: Remote, file: str) -> None:
    with pytest.raises(Refused, match="gpt-nothing"):
        remote.create(stand.order(file, model="gpt-nothing"))


def test_a_job_is_found_by_its_key(stand: Stand, remote: Remote, file: str) -> None:
    made = remote.create(stand.order(file))
    remote.create(stand.order(file, key="key-2"))
    assert [each.id for each in remote.find("key-1")] == [made.id]
    assert remote.find("key-3") == ()


def test_a_job_is_found_where_the_filter_is_overlooked(stand: Stand, remote: Remote, file: str) -> None:
    _simulator(stand).behave(filters_metadata=False, page_limit=2)
    made = remote.create(stand.order(file))
    for number in range(5):
        remote.create(stand.order(file, key=f"other-{number}"))
    assert [each.id for each in remote.find("key-1")] == [made.id]
    assert remote.find("key-3") == ()


def test_two_jobs_of_one_key_are_both_found_the_older_first(stand: Stand, remote: Remote, file: str) -> None:
    first = remote.create(stand.order(file))
    _simulator(stand).advance(5)
    second = remote.create(stand.order(file, seed=43))
    found = [each.id for each in remote.find("key-1")]
    assert found == ([first.id] if first.id == second.id else [first.id, second.id])


# -- lost answers --------------------------------------------------------------------------------------
@pytest.mark.parametrize("fault", ["reset_after", "truncate", "garbage", "html", "deep", "empty"])
def test_a_lost_answer_to_a_creation_is_ambiguous_and_the_job_is_found(stand: Stand, remote: Remote, file: str,
                                                                       fault: str) -> None:
    _simulator(stand).fault(fault, method="POST", path="jobs", count=1)
    with pytest.raises(Ambiguous):
        remote.create(stand.order(file))
    assert [each.key for each in remote.find("key-1")] == ["key-1"]
    assert stand.lives("key-1") == 1


def test_a_reset_before_the_effect_is_as_ambiguous_and_nothing_is_found(stand: Stand, remote: Remote,
                                                                        file: str) -> None:
    _simulator(stand).fault("reset_before", method="POST", path="jobs", count=1)
    with pytest.raises(Ambiguous):
        remote.create(stand.order(file))
    assert remote.find("key-1") == ()


@pytest.mark.parametrize("status", [500, 503])
def test_an_error_of_the_server_is_ambiguous(stand: Stand, remote: Remote, file: str, status: int) -> None:
    _simulator(stand).fault(status, method="POST", path="jobs", count=1)
    with pytest.raises(Ambiguous):
        remote.create(stand.order(file))


def test_a_busy_server_made_nothing_and_says_when_to_come_back(stand: Stand, remote: Remote, file: str) -> None:
    _simulator(stand).fault(429, method="POST", path="jobs", count=1, retry_after="7")
    with pytest.raises(Unavailable) as told:
        remote.create(stand.order(file))
    assert (told.value.retry_after, stand.lives("key-1")) == (7.0, 0)


def test_a_closed_port_made_nothing(stand: Stand, remote: Remote, file: str) -> None:
    order = stand.order(file)
    _simulator(stand).refuse()
    with pytest.raises(Unavailable):
        remote.create(order)
    _simulator(stand).accept()
    assert stand.lives("key-1") == 0


# -- following -----------------------------------------------------------------------------------------
def test_a_job_is_followed_to_its_model(stand: Stand, remote: Remote, file: str) -> None:
    made = remote.create(stand.order(file))
    stand.move(made.id, "running")
    assert remote.retrieve(made.id).state is RemoteState.RUNNING
    stand.move(made.id, "succeeded")
    ended = remote.retrieve(made.id)
    assert ended.state is RemoteState.SUCCEEDED
    assert ended.fine_tuned_model
    assert ended.trained_tokens or stand.provider == "bedrock"  # which does not count them
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
    assert [each["step"] for each in metrics] == list(range(1, len(metrics) + 1))
    assert all(each["train_loss"] > 0 for each in metrics)


def test_a_long_log_is_read_over_all_its_pages(stand: Stand, remote: Remote, file: str) -> None:
    _simulator(stand).behave(page_limit=5)
    made = remote.create(stand.order(file))
    stand.move(made.id, "succeeded")
    assert len(remote.events(made.id, until=None)) > 15


def test_checkpoints_come_in_the_order_of_steps(stand: Stand, remote: Remote, file: str) -> None:
    if not stand.can.checkpoints:
        pytest.skip(f"{stand.can.title} keeps no checkpoints")
    made = remote.create(stand.order(file))
    stand.move(made.id, "succeeded")
    found = remote.checkpoints(made.id)
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


def test_jobs_come_in_pages_newest_first(stand: Stand, remote: Remote, file: str) -> None:
    made = []
    for number in range(3):
        made.append(remote.create(stand.order(file, key=f"key-{number}")).id)
        _simulator(stand).advance(1)
    first = remote.jobs(limit=2)
    second = remote.jobs(after=first.after, limit=2)
    assert [each.id for each in first.items + second.items] == made[::-1]
    assert second.after is None


def test_words_that_nobody_knows_are_kept(stand: Stand, remote: Remote, file: str) -> None:
    made = remote.create(stand.order(file))
    _simulator(stand).job(made.id, show={"status": "dreaming", "mood": {"colour": "blue"}})
    seen = remote.retrieve(made.id)
    assert (seen.status, seen.state, seen.body["mood"]) == ("dreaming", RemoteState.UNKNOWN, {"colour": "blue"})


# -- verbs ---------------------------------------------------------------------------------------------
def test_a_job_is_cancelled(stand: Stand, remote: Remote, file: str) -> None:
    made = remote.create(stand.order(file))
    told = remote.cancel(made.id)
    if not told.state.is_end:  # Bedrock takes its time
        stand.move(made.id, "cancelled")
    assert remote.retrieve(made.id).state is RemoteState.CANCELLED


def test_an_end_cannot_be_cancelled(stand: Stand, remote: Remote, file: str) -> None:
    made = remote.create(stand.order(file))
    stand.move(made.id, "succeeded")
    with pytest.raises(Refused):
        remote.cancel(made.id)


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
    asks: list[Callable[[str], object]] = [remote.retrieve, remote.cancel]
    asks.append(lambda job_id: remote.events(job_id, until=None))
    asks += [remote.pause, remote.resume] * stand.can.pauses + [remote.checkpoints] * stand.can.checkpoints
    for ask in asks:
        with pytest.raises(Gone):
            ask(unknown)


def test_a_job_of_another_project_is_gone_too(stand: Stand, remote: Remote, file: str) -> None:
    made = remote.create(stand.order(file))
    with closing(stand.open(_simulator(stand).other_key)) as other, pytest.raises(Gone):
        other.retrieve(made.id)


# -- everything that goes wrong, at everything that is asked -------------------------------------------
@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "truncate", "garbage", "html", "deep", "empty",
                                   "redirect", 400, 404, 429, 500, 503])
def test_whatever_a_server_does_only_errors_of_the_seam_come_out(stand: Stand, remote: Remote, file: str,
                                                                  fault: str | int) -> None:
    made = remote.create(stand.order(file))
    _simulator(stand).fault(fault, path="files|jobs|models|uploads", location="http://127.0.0.1:9/elsewhere")
    acts = (remote.cancel, remote.pause, remote.resume)
    reads = (remote.retrieve, remote.checkpoints, lambda job_id: remote.events(job_id, until=None))
    for ask in (*acts, *reads):
        with pytest.raises(RemoteError) as told:
            ask(made.id)
        assert ask in acts or not isinstance(told.value, Ambiguous)
    for look in (remote.check, remote.jobs, remote.files, lambda: remote.find("key-1")):
        with pytest.raises(RemoteError) as told:
            look()
        assert not isinstance(told.value, Ambiguous)
    with pytest.raises(RemoteError):
        sent(remote, stand.data())


def _simulator(stand: Stand) -> Simulator:
    """The server's controls, for stands that have this one."""
    if not isinstance(stand, SimulatorStand):
        pytest.skip(f"the server that stands for {stand.can.title} cannot be told to do this")
    return stand.simulator
