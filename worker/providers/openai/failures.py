"""What a failed exchange means, decided in one place: was anything made, and who may try again.

    nothing was written                              Unavailable     no connection, no name, no TLS, refused address
    written, then no answer that can be read         Ambiguous       reset, time-out, cut or garbled 2xx
    5xx, 408, 3xx that may follow an effect          Ambiguous
    429, 425, 301, 307, 308                          Unavailable     told before anything was done
    401, 403                                         AccessRefused   403 with a reason that lies in the order: Refused
    404 in the API's own envelope, about an id       Gone
    any other 4xx in the envelope                    Refused
    4xx without the envelope                         Unavailable     some proxy's words, not the API's

A request that only reads makes nothing, so its Ambiguous is Unavailable.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from worker.providers.openai.answers import Answers, Unreadable
from worker.providers.remote import AccessRefused, Ambiguous, Gone, Refused, RemoteError, Unavailable

_AGAIN = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.TOO_EARLY, HTTPStatus.MISDIRECTED_REQUEST}
_MOVED = {HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT}
_ABOUT_THE_ORDER = frozenset({
    "model_not_found", "model_not_available", "base_model_not_deletable", "fine_tuning_not_available",
    "training_not_allowed", "budget_exceeded", "content_policy_violation",
})
"""Codes that a 403 may bear although the credential is good."""
_LONGEST_WAIT = 24 * 3600.0


class NotTheAPI(Unavailable):
    """A 4xx in other words than the API's: some proxy's, or those of a server that has no such route."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an answer answers: whether only to read, and whether about one thing by its id."""

    reads: bool
    of_one: bool


def lost(asked: Asked, reason: str, *, written: bool) -> RemoteError:
    """There is no answer. `written`: something of the request may have arrived."""
    if asked.reads or not written:
        return Unavailable(f"The server cannot be reached: {reason}")
    return Ambiguous(f"The server may or may not have acted, for its answer was lost: {reason}")


def unreadable(asked: Asked, reason: str) -> RemoteError:
    """It said yes, and nobody knows to what."""
    if asked.reads:
        return Unavailable(f"The server's answer {reason}.")
    return Ambiguous(f"The server may or may not have acted, for its answer {reason}.")


def answered(asked: Asked, status: int, headers: Mapping[str, str], body: bytes, answers: Answers) -> RemoteError:
    """What an answer other than 2xx comes to."""
    error = _envelope(body, answers)
    message = answers.text(error.get("message") if error else None) or f"The server answered {status}."
    wait = retry_after(headers.get("retry-after"))
    if status in _AGAIN:
        return Unavailable(message, wait)
    if status in _MOVED:
        return Unavailable(f"The server answered {status} and names another address; redirects are not followed. Store"
                           " the credential with the base URL that answers itself.")
    if status < 400 or status >= 500 or status == HTTPStatus.REQUEST_TIMEOUT:
        if asked.reads:
            return Unavailable(message, wait)
        return Ambiguous(f"The server may or may not have acted. It answered {status}: {message}")
    return _refusal(asked, status, error, message, answers)


def _refusal(asked: Asked, status: int, error: Mapping[str, Any] | None, message: str,
             answers: Answers) -> RemoteError:
    code = answers.text(error.get("code") if error else None, size=64)
    if status == HTTPStatus.UNAUTHORIZED or (status == HTTPStatus.FORBIDDEN and code not in _ABOUT_THE_ORDER):
        return AccessRefused(message)
    if error is None:
        return NotTheAPI(f"The server answered {status}, and not as the API does. Is the base URL right?")
    if status == HTTPStatus.NOT_FOUND and asked.of_one:
        return Gone(message)
    kind = answers.text(error.get("type"), size=64)
    return Refused(code or kind or "refused", message, answers.text(error.get("param"), size=256) or None)


def _envelope(body: bytes, answers: Answers) -> dict[str, Any] | None:
    """The `error` object, or one made of a bare text; None for an answer that is not the API's."""
    try:
        error = answers.parsed(body).get("error")
    except Unreadable:
        return None
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else None


def retry_after(value: str | None) -> float | None:
    """A Retry-After header in seconds from now; None when it says nothing usable."""
    if not value:
        return None
    try:
        seconds = float(value[:32])
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value[:64]).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(0.0, seconds), _LONGEST_WAIT) if math.isfinite(seconds) else None
