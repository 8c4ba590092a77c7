"""What a failed exchange means, decided in one place: was anything made, and who may try again.

    nothing was written                              Unavailable     no connection, no name, no TLS, refused address
    written, then no answer that can be read         Ambiguous       reset, time-out, cut or garbled 2xx
    5xx, 408, 3xx that may follow an effect          Ambiguous
    409 to an Idempotency-Key                        Ambiguous       the same request may be under way
    idempotency_key_reused                           Ambiguous       something was made under the key, in other words
    429, 425, 301, 307, 308                          Unavailable     told before anything was done
    401, 403                                         AccessRefused
    403 to an act, for a reason that is not the key  Refused         this model, or fine-tuning ended for it
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
_ABOUT_THE_KEY = frozenset({
    "", "401", "403", "invalid_api_key", "invalid_authentication", "insufficient_permissions", "missing_scope",
    "permission_denied", "access_denied", "accessdenied", "permissiondenied", "account_deactivated", "account_disabled",
    "organization_deactivated", "project_archived", "mismatched_organization", "mismatched_project",
    "ip_not_authorized", "unsupported_country_region_territory", "project_key_required", "admin_key_required",
})
"""Codes of a 403 that say the door is closed, in lower case; others say so of the order alone, the key being good."""
_REUSED = "idempotency_key_reused"
"""As a second Tuneworks calls it. What was made under our key is ours, and is looked for."""
_LONGEST_WAIT = 24 * 3600.0


class NotTheAPI(Unavailable):
    """A 4xx in other words than the API's: some proxy's, or those of a server that has no such route."""


class RouteNotThere(NotTheAPI):
    """A 404 in other words than the API's."""


class RouteUnknown(Refused):
    """A 404 in the API's own envelope where no one thing was asked for: the server has no such route."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an answer answers."""

    reads: bool
    "It only asked."
    of_one: bool = False
    "About one thing, by its id."
    keyed: bool = False
    "With an Idempotency-Key."


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
    message = answers.message(error.get("message") if error else None) or f"The server answered {status}."
    wait = retry_after(headers.get("retry-after"))
    if status in _AGAIN:
        return Unavailable(message, wait)
    if status in _MOVED:
        return Unavailable(f"The server answered {status} and names another address; redirects are not followed. Store"
                           " the credential with the base URL that answers itself.")
    code = answers.text(error.get("code") if error else None, size=64)
    is_doubled = asked.keyed and (status == HTTPStatus.CONFLICT or code == _REUSED)
    if status < 400 or status >= 500 or status == HTTPStatus.REQUEST_TIMEOUT or is_doubled:
        if asked.reads:
            return Unavailable(message, wait)
        return Ambiguous(f"The server may or may not have acted. It answered {status}: {message}")
    return _refusal(asked, status, error, code, message, answers)


def _refusal(asked: Asked, status: int, error: Mapping[str, Any] | None, code: str, message: str,
             answers: Answers) -> RemoteError:
    if status == HTTPStatus.UNAUTHORIZED or (status == HTTPStatus.FORBIDDEN and (
            asked.reads or not _is_about_the_order(code, message))):
        return AccessRefused(message)
    is_missing = status == HTTPStatus.NOT_FOUND
    if error is None:
        told = f"The server answered {status}, and not as the API does. Is the base URL right?"
        return RouteNotThere(told) if is_missing else NotTheAPI(told)
    if is_missing and asked.of_one:
        return Gone(message)
    kind = answers.text(error.get("type"), size=64)
    refusal = RouteUnknown if is_missing else Refused
    return refusal(code or kind or "refused", message, answers.text(error.get("param"), size=256) or None)


def _is_about_the_order(code: str, message: str) -> bool:
    """OpenAI ends fine-tuning organization by organization: then keys go on to open all other doors."""
    return code.lower() not in _ABOUT_THE_KEY or "fine-tun" in message.lower()


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
