"""When a delivery is tried again: ten tries over about three days, spread so that they do not march in step."""

import random
from datetime import timedelta

DELAYS = (timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=5),
          timedelta(hours=10), timedelta(hours=14), timedelta(hours=20), timedelta(hours=24))
"""Waits between tries; the first try is made at once. Together 75 h 35 min (Standard Webhooks' example)."""
_LONGEST = timedelta(hours=24)
_JITTER = 0.2


def next_delay(attempts: int, retry_after: float | None) -> timedelta | None:
    """How long to wait after `attempts` tries (≥ 1), or None when that was the last.

    A receiver that names a time (`retry_after`, in seconds) is not called earlier, within a day.
    """
    if attempts > len(DELAYS):
        return None
    delay = DELAYS[attempts - 1] * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - spreads load, no secret
    if retry_after is None:
        return delay
    return max(delay, min(timedelta(seconds=retry_after), _LONGEST))
