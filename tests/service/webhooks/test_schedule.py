"""Ten tries over three days, and no earlier than a receiver asks."""

from datetime import timedelta

from service.webhooks.schedule import DELAYS, next_delay


def test_ten_tries_spread_over_three_days() -> None:
    assert len(DELAYS) + 1 == 10
    assert sum(DELAYS, timedelta()) == timedelta(hours=75, minutes=35, seconds=5)


def test_each_wait_keeps_near_its_place_in_the_schedule() -> None:
    for attempts, planned in enumerate(DELAYS, start=1):
        drawn = [next_delay(attempts, None) for _ in range(50)]
        assert all(each is not None and planned * 0.8 <= each <= planned * 1.2 for each in drawn)
        assert len(set(drawn)) > 1


def test_after_the_last_try_there_is_no_other() -> None:
    assert next_delay(len(DELAYS) + 1, None) is None
    assert next_delay(len(DELAYS) + 1, 5.0) is None


def test_a_receiver_can_ask_for_more_time_but_not_for_less_or_forever() -> None:
    assert next_delay(1, 3600.0) == timedelta(hours=1)
    assert next_delay(1, 0.0) is not None
    assert (next_delay(2, 1.0) or timedelta()) >= timedelta(minutes=4)
    assert next_delay(1, 1e9) == timedelta(hours=24)
