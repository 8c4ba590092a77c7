"""What the clients that speak OpenAI's API owe when the server behaves oddly: the simulated one, told how to."""

from contextlib import closing

import pytest

from tests.worker.providers.stands import ON_THE_SIMULATOR, SimulatorStand, sent
from worker.providers.openai import uploads
from worker.providers.remote import (
    Ambiguous,
    Gone,
    Remote,
    RemoteError,
    RemoteState,
    Unavailable,
    UploadProgress,
)

pytestmark = pytest.mark.parametrize("stand", ON_THE_SIMULATOR, indirect=True)


# -- files ---------------------------------------------------------------------------------------------
@pytest.fixture
def small_parts(stand: SimulatorStand, monkeypatch: pytest.MonkeyPatch) -> int:
    """Files beyond 1,000 bytes go in parts of 700."""
    monkeypatch.setattr(uploads, "WHOLE_BYTES", 1000)
    monkeypatch.setattr(uploads, "PART_BYTES", 700)
    return 700


def test_a_large_file_arrives_in_parts(stand: SimulatorStand, remote: Remote, small_parts: int) -> None:
    data = stand.data()
    steps = list(remote.upload(data, UploadProgress()))
    assert len(steps[-1].part_ids) == -(-data.size // small_parts)
    assert [step.file_id is None for step in steps] == [True] * (len(steps) - 1) + [False]
    assert b"".join(remote.content(str(steps[-1].file_id))) == data.content


def test_an_upload_goes_on_from_what_was_recorded(stand: SimulatorStand, remote: Remote, small_parts: int) -> None:
    data = stand.data()
    begun = remote.upload(data, UploadProgress())
    recorded = [next(begun) for _ in range(3)][-1]
    data.begun_at.clear()
    with closing(stand.open()) as successor:
        *_, last = successor.upload(data, recorded)
    assert last.part_ids[:2] == recorded.part_ids
    assert min(data.begun_at) == 2 * small_parts
    assert b"".join(remote.content(str(last.file_id))) == data.content


def test_an_upload_that_ran_out_begins_anew(stand: SimulatorStand, remote: Remote, small_parts: int) -> None:
    data = stand.data()
    begun = remote.upload(data, UploadProgress())
    recorded = [next(begun) for _ in range(3)][-1]
    stand.simulator.advance(4000)
    *_, last = remote.upload(data, recorded)
    assert last.upload_id != recorded.upload_id
    assert b"".join(remote.content(str(last.file_id))) == data.content


# -- making jobs ---------------------------------------------------------------------------------------
def test_as_much_metadata_as_is_promised_arrives(stand: SimulatorStand, remote: Remote, file: str) -> None:
    pairs = {f"k{number}": "v" * 512 for number in range(stand.can.metadata_pairs)}
    made = remote.create(stand.order(file, metadata=pairs))
    assert pairs.items() <= made.body["metadata"].items()


def test_a_job_is_found_where_the_filter_is_overlooked(stand: SimulatorStand, remote: Remote, file: str) -> None:
    stand.simulator.behave(filters_metadata=False, page_limit=2)
    made = remote.create(stand.order(file))
    for number in range(5):
        remote.create(stand.order(file, key=stand.key(10 + number)))
    assert [each.id for each in remote.find(stand.key())] == [made.id]
    assert remote.find(stand.key(3)) == ()


def test_two_jobs_of_one_key_are_both_found_the_older_first(stand: SimulatorStand, remote: Remote, file: str) -> None:
    first = remote.create(stand.order(file))
    stand.simulator.advance(5)
    second = remote.create(stand.order(file, seed=43))
    found = [each.id for each in remote.find(stand.key())]
    assert found == ([first.id] if first.id == second.id else [first.id, second.id])


# -- lost answers --------------------------------------------------------------------------------------
@pytest.mark.parametrize("fault", ["truncate", "garbage", "html", "deep", "empty"])
def test_an_answer_that_cannot_be_read_is_ambiguous_and_the_job_is_found(stand: SimulatorStand, remote: Remote,
                                                                         file: str, fault: str) -> None:
    stand.simulator.fault(fault, method="POST", path="jobs", count=1)
    with pytest.raises(Ambiguous):
        remote.create(stand.order(file))
    assert [each.key for each in remote.find(stand.key())] == [stand.key()]
    assert stand.lives(stand.key()) == 1


def test_a_reset_before_the_effect_is_as_ambiguous_and_nothing_is_found(stand: SimulatorStand, remote: Remote,
                                                                        file: str) -> None:
    stand.simulator.fault("reset_before", method="POST", path="jobs", count=1)
    with pytest.raises(Ambiguous):
        remote.create(stand.order(file))
    assert remote.find(stand.key()) == ()


@pytest.mark.parametrize("status", [500, 503])
def test_an_error_of_the_server_is_ambiguous(stand: SimulatorStand, remote: Remote, file: str, status: int) -> None:
    stand.simulator.fault(status, method="POST", path="jobs", count=1)
    with pytest.raises(Ambiguous):
        remote.create(stand.order(file))


def test_a_busy_server_made_nothing_and_says_when_to_come_back(stand: SimulatorStand, remote: Remote,
                                                               file: str) -> None:
    stand.simulator.fault(429, method="POST", path="jobs", count=1, retry_after="7")
    with pytest.raises(Unavailable) as told:
        remote.create(stand.order(file))
    assert (told.value.retry_after, stand.lives(stand.key())) == (7.0, 0)


# -- following -----------------------------------------------------------------------------------------
def test_a_long_log_is_read_over_all_its_pages(stand: SimulatorStand, remote: Remote, file: str) -> None:
    stand.simulator.behave(page_limit=5)
    made = remote.create(stand.order(file))
    stand.move(made.id, "succeeded")
    assert len(remote.events(made.id, until=None)) > 15


def test_jobs_come_in_pages_newest_first(stand: SimulatorStand, remote: Remote, file: str) -> None:
    made = []
    for number in range(3):
        made.append(remote.create(stand.order(file, key=stand.key(number))).id)
        stand.simulator.advance(1)
    first = remote.jobs(limit=2)
    second = remote.jobs(after=first.after, limit=2)
    assert [each.id for each in first.items + second.items] == made[::-1]
    assert second.after is None


def test_words_that_nobody_knows_are_kept(stand: SimulatorStand, remote: Remote, file: str) -> None:
    made = remote.create(stand.order(file))
    stand.simulator.job(made.id, show={"status": "dreaming", "mood": {"colour": "blue"}})
    seen = remote.retrieve(made.id)
    assert (seen.status, seen.state, seen.body["mood"]) == ("dreaming", RemoteState.UNKNOWN, {"colour": "blue"})


# -- verbs ---------------------------------------------------------------------------------------------
def test_a_job_of_another_project_is_gone_too(stand: SimulatorStand, remote: Remote, file: str) -> None:
    made = remote.create(stand.order(file))
    with closing(stand.open(stand.simulator.other_key)) as other, pytest.raises(Gone):
        other.retrieve(made.id)


# -- everything that goes wrong, at everything that is asked -------------------------------------------
@pytest.mark.parametrize("fault", ["reset_before", "reset_after", "truncate", "garbage", "html", "deep", "empty",
                                   "redirect", 400, 404, 429, 500, 503])
def test_whatever_a_server_does_only_errors_of_the_seam_come_out(stand: SimulatorStand, remote: Remote, file: str,
                                                                  fault: str | int) -> None:
    made = remote.create(stand.order(file))
    stand.simulator.fault(fault, path="files|jobs|models|uploads", location="http://127.0.0.1:9/elsewhere")
    acts = (remote.cancel, remote.pause, remote.resume)
    reads = (remote.retrieve, remote.checkpoints, lambda job_id: remote.events(job_id, until=None))
    for ask in (*acts, *reads):
        with pytest.raises(RemoteError) as told:
            ask(made.id)
        assert ask in acts or not isinstance(told.value, Ambiguous)
    for look in (remote.check, remote.jobs, remote.files, lambda: remote.find(stand.key())):
        with pytest.raises(RemoteError) as told:
            look()
        assert not isinstance(told.value, Ambiguous)
    with pytest.raises(RemoteError):
        sent(remote, stand.data())
