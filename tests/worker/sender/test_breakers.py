"""An endpoint in trouble is left alone for longer and longer, and one delivery at a time finds out that it is well."""

import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest

from service.webhooks.operations import Due, Room
from service.webhooks.outcomes import ErrorClass
from service.webhooks.replies import Reply
from worker.sender.breakers import FIRST_PAUSE, LONGEST_PAUSE, LONGEST_REST, OPENS_AT, Breaker, Breakers

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FAILED = Reply(None, error="No answer.", error_class=ErrorClass.TIMEOUT)


def due(endpoint_id: str, updated_at: datetime = NOW) -> Due:
    return Due("wh_1", "lease_1", "proj_1", endpoint_id, "evt_1", 0, "fine_tuning.job.succeeded", "ftjob-1", 1, NOW,
               "webhook", "thin", updated_at)


def opened(failures: int = OPENS_AT) -> Breaker:
    breaker = Breaker(NOW)
    for _ in range(failures):
        breaker.note(FAILED, NOW)
    return breaker


def test_it_opens_after_some_failures_in_a_row_and_not_before() -> None:
    assert opened(OPENS_AT - 1).room(NOW, most=4) == 4
    assert opened().room(NOW, most=4) == 0


def test_after_its_pause_one_delivery_decides() -> None:
    breaker = opened()
    assert breaker.room(NOW + FIRST_PAUSE - timedelta(seconds=1), most=4) == 0
    assert breaker.room(NOW + FIRST_PAUSE, most=4) == 1
    breaker.note(FAILED, NOW + FIRST_PAUSE)
    assert breaker.room(NOW + 2 * FIRST_PAUSE, most=4) == 0
    assert breaker.room(NOW + 3 * FIRST_PAUSE, most=4) == 1
    breaker.note(Reply(200), NOW + 3 * FIRST_PAUSE)
    assert breaker.room(NOW + 3 * FIRST_PAUSE, most=4) == 4


def test_its_pauses_have_a_bound() -> None:
    breaker = opened(10_000)
    assert breaker.room(NOW + LONGEST_PAUSE, most=4) == 1
    assert breaker.room(NOW + LONGEST_PAUSE - timedelta(seconds=1), most=4) == 0


@pytest.mark.parametrize("error_class", [ErrorClass.REDIRECT, ErrorClass.CLIENT_ERROR, ErrorClass.GONE])
def test_an_answer_that_refuses_is_an_answer(error_class: ErrorClass) -> None:
    breaker = opened()
    breaker.note(Reply(404, error_class=error_class), NOW)
    assert breaker.room(NOW, most=4) == 4


@pytest.mark.parametrize(("asked", "granted"), [(60.0, timedelta(seconds=60)), (1e9, LONGEST_REST)])
def test_one_that_asks_to_be_left_alone_is_for_a_while(asked: float, granted: timedelta) -> None:
    breaker = Breaker(NOW)
    breaker.note(Reply(429, error_class=ErrorClass.THROTTLED, retry_after=asked), NOW)
    assert breaker.room(NOW + granted - timedelta(seconds=1), most=4) == 0
    assert breaker.room(NOW + granted, most=4) == 4


def test_rooms_are_less_what_is_under_way_and_name_only_what_differs() -> None:
    breakers = Breakers(most=4)
    for _ in range(OPENS_AT):
        breakers.note(due("we_dead"), FAILED, NOW)
    breakers.note(due("we_well"), Reply(200), NOW)
    assert breakers.rooms(NOW, {"we_busy": 3, "we_full": 9}) == {
        "we_dead": Room(0, NOW), "we_busy": Room(1), "we_full": Room(0)}
    assert breakers.rooms(NOW + FIRST_PAUSE, {"we_dead": 1}) == {"we_dead": Room(0)}


def test_what_failed_before_an_update_says_nothing_of_the_endpoint_after_it() -> None:
    breakers, updated_at = Breakers(most=4), NOW + timedelta(seconds=1)
    for _ in range(OPENS_AT):
        breakers.note(due("we_mended"), FAILED, NOW)
    breakers.note(due("we_mended", updated_at), FAILED, NOW)
    assert breakers.states() == {"closed": 1}
    for _ in range(OPENS_AT):
        breakers.note(due("we_mended"), FAILED, NOW)
    assert breakers.states() == {"closed": 1}
    breakers.note(due("we_mended", updated_at), Reply(200), NOW)
    assert breakers.rooms(NOW, {}) == {}


def test_what_is_well_takes_no_memory() -> None:
    breakers = Breakers(most=4)
    for number in range(100):
        breakers.note(due(f"we_{number}"), FAILED, NOW)
        breakers.note(due(f"we_{number}"), Reply(200), NOW)
    assert breakers.states().total() == 0


def test_rooms_are_asked_for_in_a_thread_while_attempts_end() -> None:
    breakers, is_over = Breakers(most=4), Event()
    for number in range(1000):
        breakers.note(due(f"we_{number}"), FAILED, NOW)

    def ask() -> None:
        while not is_over.is_set():
            breakers.rooms(NOW, {})

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(ask)
            for number in range(5000):
                breakers.note(due(f"we_other_{number % 50}"), FAILED, NOW)
                breakers.note(due(f"we_other_{number % 50}"), Reply(200), NOW)
            is_over.set()
            asking.result()
    finally:
        sys.setswitchinterval(before)
    assert breakers.states().total() == 1000
