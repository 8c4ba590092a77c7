"""When mail goes out: where digests end, and when a mail is tried again that was not taken."""

from datetime import UTC, datetime, timedelta

DAILY_HOUR = 7
"""Hour of the day (UTC) at which daily digests end."""
LIFE = timedelta(days=3)
"""A mail that could not be handed over for so long is given up."""
_FIRST = timedelta(seconds=30)
_LONGEST = timedelta(hours=1)


def due(digest: str, told_at: datetime) -> datetime:
    """When an event goes out that was told at a time: at once, or with its digest."""
    at = told_at.astimezone(UTC)
    if digest == "hourly":
        return at.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    if digest == "daily":
        today = at.replace(hour=DAILY_HOUR, minute=0, second=0, microsecond=0)
        return today if today > at else today + timedelta(days=1)
    return at


def next_try(attempts: int, age: timedelta) -> timedelta | None:
    """How long to wait after `attempts` tries (≥ 1) of a mail that is so old; None when it is given up."""
    if age >= LIFE:
        return None
    return min(_LONGEST, _FIRST * (1 << min(attempts - 1, 10)))
