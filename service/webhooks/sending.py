"""Puts one signed message on the wire, to a checked address, and brings back how it was answered.

Names are resolved at every attempt and every answer of the resolver must be public; the socket is opened only
to an address that was checked. Redirects are not followed and no proxy or netrc of the environment is used.
"""

import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from service.kit import addresses
from service.kit.connections import connector
from service.settings import settings

USER_AGENT = "Tuneworks/1.0 (webhooks)"
_CONNECT_SECONDS = 5.0
_KEPT = 4096
"""So much of an answer is read and kept, in bytes."""


@dataclass(frozen=True, slots=True)
class Message:
    """One signed attempt, complete: nothing of it is looked up while it is sent."""

    url: str
    headers: dict[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of an attempt: a status, or the reason why there is none."""

    status: int | None
    body: str = ""
    error: str | None = None
    retry_after: float | None = None
    "Seconds that the receiver asked to be left alone."
    latency_ms: int = 0

    @property
    def accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


async def send(message: Message) -> Reply:
    """POST the message once and wait for the answer's beginning; never raises for what the receiver does."""
    allow_private = settings().webhook_allow_private
    timeout = aiohttp.ClientTimeout(total=settings().webhook_timeout_seconds, sock_connect=_CONNECT_SECONDS)
    started = time.perf_counter()
    try:
        addresses.check_url(message.url, allow_private=allow_private)
        async with aiohttp.ClientSession(connector=connector(allow_private=allow_private), timeout=timeout,
                                         trust_env=False, auto_decompress=False,
                                         cookie_jar=aiohttp.DummyCookieJar()) as session:
            reply = await _post(session, message)
    except (aiohttp.ClientError, OSError, ValueError) as trouble:  # TimeoutError is an OSError
        reply = {"status": None, "error": _named(trouble)}
    return Reply(**reply, latency_ms=round((time.perf_counter() - started) * 1000))


async def _post(session: aiohttp.ClientSession, message: Message) -> dict[str, Any]:
    headers = {**message.headers, "content-type": "application/json", "user-agent": USER_AGENT,
               "accept-encoding": "identity"}
    async with session.post(message.url, data=message.body, headers=headers, allow_redirects=False) as answer:
        return {"status": answer.status, "body": await _beginning(answer),
                "error": None if 200 <= answer.status < 300 else f"The endpoint answered {answer.status}.",
                "retry_after": _seconds(answer.headers.get("retry-after"))}


async def _beginning(answer: aiohttp.ClientResponse) -> str:
    """The first bytes of the answer as text that Postgres can store; a status that came stands without them."""
    kept = bytearray()
    try:
        async for chunk in answer.content.iter_chunked(_KEPT):
            kept += chunk
            if len(kept) >= _KEPT:
                break
    except (aiohttp.ClientError, TimeoutError):
        pass
    return bytes(kept[:_KEPT]).decode(errors="replace").replace("\x00", "\ufffd")


def _seconds(retry_after: str | None) -> float | None:
    """A Retry-After header (seconds or a date) in seconds from now; None when it says nothing usable."""
    if not retry_after:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after[:9])
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _named(trouble: BaseException) -> str:
    """One line that says what went wrong, for whoever reads the delivery."""
    if isinstance(trouble, TimeoutError):
        return f"No answer within {settings().webhook_timeout_seconds:g} s."
    cause = trouble.os_error if isinstance(trouble, aiohttp.ClientConnectorError) else trouble
    return f"{type(cause).__name__}: {cause}"[:500]
