"""The ends of models: how headers tell them, when they are announced, and whether a policy allows what is left.

A day begins at midnight UTC; a model that shuts down on a day answers nothing from its beginning on.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from typing import Literal

from service.catalog.base_models import BaseModelEntry

NOTICES = (90, 30, 7)
"""Days before its end on which a tuned model's end is announced, each once."""
Action = Literal["warn", "refuse"]


@dataclass(frozen=True, slots=True)
class LifePolicy:
    """What happens to a job whose model lives for less than so many days."""

    min_days: int
    action: Action


def headers(base: BaseModelEntry) -> dict[str, str]:
    """`Deprecation` (RFC 9745: a structured date) and `Sunset` (RFC 8594: an HTTP date), where the days are known."""
    told = {}
    if base.deprecated is not None:
        told["Deprecation"] = f"@{int(_begin(base.deprecated).timestamp())}"
    if base.shutdown_date is not None:
        told["Sunset"] = format_datetime(_begin(base.shutdown_date), usegmt=True)
    return told


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def is_dead(base: BaseModelEntry, today: date) -> bool:
    """Whether it answers nothing any more."""
    return base.shutdown_date is not None and base.shutdown_date <= today


def notice_due(shutdown: date, today: date) -> int | None:
    """Which of the notices is due by now: the last whose day has come. None before the first, and after the end."""
    left = (shutdown - today).days
    return min((days for days in NOTICES if left <= days), default=None) if left > 0 else None


def breaks(policy: LifePolicy, base: BaseModelEntry, today: date) -> bool:
    """Whether the model, which is alive, dies sooner than the policy allows."""
    return base.shutdown_date is not None and (base.shutdown_date - today).days < policy.min_days
