"""What may have been made: lost answers are ambiguous, the key finds the job, and no two bear it."""

from typing import get_args

import pytest

from tests.worker.providers.bedrock.account import Account, How
from tests.worker.providers.bedrock.orders import KEY, chat, order, uploaded
from worker.providers.bedrock import provider
from worker.providers.remote import AccessRefused, Ambiguous, Refused, RemoteError, Unavailable

CREATE = "CreateModelCustomizationJob"


@pytest.mark.parametrize(("how", "expected", "made"), [
    ("unreached", Unavailable, 0), ("throttled", Unavailable, 0), ("quota", Unavailable, 0),
    ("denied", AccessRefused, 0), ("reset_before", Ambiguous, 0), ("500_before", Ambiguous, 0),
    ("reset_after", Ambiguous, 1), ("timeout_after", Ambiguous, 1), ("500_after", Ambiguous, 1),
    ("garbage", Ambiguous, 1), ("empty", Ambiguous, 1),
])
def test_each_fault_says_whether_a_job_may_be_there(aws: Account, how: How, expected: type[RemoteError],
                                                    made: int) -> None:
    remote = aws.open()
    asked = order(uploaded(remote, chat()))
    aws.fail(CREATE, how)
    with pytest.raises(expected):
        remote.create(asked)
    assert len(aws.jobs) == made
    assert aws.asked.count(CREATE) == 1
    assert len(remote.find(KEY)) == made


def test_every_fault_that_the_account_knows_is_tried_above() -> None:
    assert {"unreached", "throttled", "quota", "denied", "reset_before", "500_before", "reset_after", "timeout_after",
            "500_after", "garbage", "empty"} == set(get_args(How))


def test_a_job_whose_answer_was_lost_is_found_by_its_key_alone(aws: Account) -> None:
    remote = aws.open()
    file = uploaded(remote, chat())
    other = KEY[:-1] + "8"
    remote.create(order(file, key=other))
    aws.fail(CREATE, "reset_after")
    with pytest.raises(Ambiguous):
        remote.create(order(file))
    (found,) = remote.find(KEY)
    assert (found.id, found.key) == (aws.jobs[KEY].job_arn, KEY)
    assert remote.retrieve(found.id).key == KEY


def test_a_key_that_begins_another_key_does_not_find_it(aws: Account) -> None:
    remote = aws.open()
    remote.create(order(uploaded(remote, chat())))
    assert remote.find(KEY[:-2]) == ()


def test_a_list_that_lags_shows_nothing_yet(aws: Account) -> None:
    remote = aws.open()
    remote.create(order(uploaded(remote, chat())))
    aws.hidden.add(KEY)
    assert remote.find(KEY) == ()
    aws.hidden.clear()
    assert len(remote.find(KEY)) == 1


def test_a_taken_name_means_that_the_job_is_there_not_that_it_was_refused(aws: Account) -> None:
    remote = aws.open()
    asked = order(uploaded(remote, chat()))
    remote.create(asked)
    aws.tokens.clear()
    with pytest.raises(Ambiguous):
        remote.create(asked)
    assert len(remote.find(KEY)) == 1


def test_a_key_that_cannot_name_a_job_is_refused_before_anything_is_asked(aws: Account) -> None:
    remote = aws.open()
    aws.asked.clear()
    for key in ("", "-a", "a_b", "a" * 64, "ä", "a--b"):
        with pytest.raises(Refused):
            remote.create(order("s3://tenant-training/x", key=key))
    assert aws.asked == []


def test_staging_that_fails_makes_nothing_and_is_no_ambiguity(aws: Account) -> None:
    remote = aws.open()
    asked = order(uploaded(remote, chat()))
    for how in ("reset_after", "timeout_after", "500_after"):
        aws.fail("GetObject", how)
        with pytest.raises(Unavailable):
            remote.create(asked)
    assert CREATE not in aws.asked
    remote.create(asked)
    assert len(aws.jobs) == 1


def test_files_that_took_long_to_turn_are_used_by_the_next_try(aws: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = aws.open()
    asked = order(uploaded(remote, chat()))
    monkeypatch.setattr(provider, "_PREPARED_SECONDS", -1.0)
    with pytest.raises(Unavailable) as told:
        remote.create(asked)
    assert told.value.retry_after == 0.0
    assert CREATE not in aws.asked
    monkeypatch.undo()
    aws.asked.clear()
    remote.create(asked)
    assert "GetObject" not in aws.asked
