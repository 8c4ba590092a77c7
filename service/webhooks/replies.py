"""What came of an attempt, in the form that is kept: bounded, storable, and with a word for what went wrong."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp

from service.webhooks import outcomes, troubles
from service.webhooks.outcomes import ErrorClass

KEPT = 4096
"""So much of an answer is read and kept, in bytes."""
_MOST_HEADERS = 50
_HEADER_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of an attempt: a status, or the reason why there is none."""

    status: int | None
    body: str = ""
    "The first 4 kB of the answer."
    error: str | None = None
    error_class: ErrorClass | None = None
    "None of a message that was accepted."
    retry_after: float | None = None
    "Seconds that the receiver asked to be left alone."
    latency_ms: int = 0
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    "By this machine's clock: for people, and for no decision."
    request_headers: dict[str, str] = field(default_factory=dict, repr=False)
    response_headers: dict[str, str] | None = field(default=None, repr=False)
    "None where no answer came."

    @property
    def accepted(self) -> bool:
        return outcomes.accepted(self.status)


def of_answer(answer: aiohttp.ClientResponse, body: str) -> Reply:
    """An answer came, whatever it says."""
    failed = outcomes.of_status(answer.status)
    return Reply(answer.status, body, f"The endpoint answered {answer.status}." if failed else None, failed,
                 seconds(answer.headers.get("retry-after")), response_headers=heads(answer.headers.items()))


def of_trouble(trouble: BaseException, host: str, limit: float) -> Reply:
    """No answer of `host` came; `limit` is the time that there was, in seconds."""
    return Reply(None, error=storable(troubles.told(trouble, host, limit))[:500],
                 error_class=troubles.class_of(trouble, host))


async def beginning(answer: aiohttp.ClientResponse) -> str:
    """The first bytes of the answer as text that Postgres can store; a status that came stands without them."""
    kept = bytearray()
    try:
        while len(kept) < KEPT and (chunk := await answer.content.read(KEPT)):
            kept += chunk
    except (aiohttp.ClientError, OSError):
        pass
    return storable(bytes(kept[:KEPT]).decode(errors="replace"))


def heads(given: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by their lower-case names, those of one name joined; what is beyond the bounds is left out."""
    kept: dict[str, str] = {}
    room = _HEADER_BYTES
    for name, value in given:
        known, shown = storable(name).lower(), storable(value)
        room -= len(known.encode()) + len(shown.encode())
        if room < 0 or (known not in kept and len(kept) == _MOST_HEADERS):
            break
        kept[known] = f"{kept[known]}, {shown}" if known in kept else shown
    return kept


def storable(text: str) -> str:
    """The text without what neither Postgres nor JSON can carry: NUL, and bytes that were no UTF-8."""
    if text.isascii() and "\x00" not in text:  # nearly always, and for every header of every answer
        return text
    return text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")


def seconds(retry_after: str | None) -> float | None:
    """A Retry-After header (seconds or a date) in seconds from now; None when it says nothing usable."""
    if not retry_after:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after.strip()[:9])
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None
