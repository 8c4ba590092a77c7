"""Asks one server how its jobs stand: by HTTP where it lists them as OpenAI does, else by its provider, in threads."""

import asyncio
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import quote

import aiohttp
from yarl import URL

from service.kit import addresses, connections
from service.settings import settings
from worker.poller import reading
from worker.poller.reading import Listed, Unreadable
from worker.providers.remote import AccessRefused, Gone, Remote, Unavailable

PAGE = 100
USER_AGENT = "Tuneworks/1.0 (polling)"
_LARGEST = 16 * 1024 * 1024
"""Of an answer, so many bytes are read; a page of a hundred jobs has a few hundred thousand."""
_AT_ONCE, _PER_SERVER = 64, 16
_CONNECT_SECONDS = 5.0
_LIMITED_SECONDS = 10.0
"""A server that says only that it was too much is left alone for so long."""
_CANNOT_LIST = frozenset({404, 405, 501})


class Door(Protocol):
    """The way to one server with one credential. Raises Unavailable (Unreadable), AccessRefused and Gone, no more."""

    lists: bool
    "Whether it can be asked for pages."

    async def page(self, after: str | None) -> Listed:
        """Newest first."""
        ...

    async def job(self, remote_id: str) -> str | None:
        """The status of one job; None where it is no word."""
        ...

    async def close(self) -> None: ...


class HTTPDoor:
    """A server that speaks as OpenAI's. `url` is that of its jobs; the session is everybody's."""

    lists = True

    def __init__(self, session: aiohttp.ClientSession, url: str, *, headers: dict[str, str],
                 params: dict[str, str] | None = None) -> None:
        self._session = session
        self._url = url
        self._headers = headers
        self._params = params or {}

    async def page(self, after: str | None) -> Listed:
        cursor = {"after": after} if after is not None else {}
        try:
            return reading.page(await self._get(self._url, {**self._params, "limit": str(PAGE), **cursor}))
        except Gone:
            raise Unreadable("The server lists no jobs there.") from None

    async def job(self, remote_id: str) -> str | None:
        return reading.job(await self._get(f"{self._url}/{quote(remote_id, safe='')}", self._params), remote_id)

    async def close(self) -> None:
        """The session stays open: it is not this door's."""

    async def _get(self, url: str, params: dict[str, str]) -> bytes:
        try:
            addresses.check_url(self._url, allow_private=settings().remote_allow_private)
            async with self._session.get(URL(url, encoded=True).update_query(params), headers=self._headers,
                                         allow_redirects=False) as answer:
                if answer.status == 200:
                    return await _body(answer)
                raise _refusal(answer)
        except TimeoutError:
            raise Unavailable("The server did not answer in time.") from None
        except (aiohttp.ClientError, OSError, ValueError) as trouble:
            raise Unavailable(f"The server cannot be reached: {type(trouble).__name__}.") from None


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    kept = bytearray()
    async for chunk in answer.content.iter_any():
        kept += chunk
        if len(kept) > _LARGEST:
            raise Unreadable(f"The answer is longer than {_LARGEST} bytes.")
    return bytes(kept)


def _refusal(answer: aiohttp.ClientResponse) -> Exception:
    """Nothing of the body is told: it is the server's, and may quote the credential."""
    if answer.status in {401, 403}:
        return AccessRefused(f"The server refuses the credential ({answer.status}).")
    if answer.status in _CANNOT_LIST:
        return Gone(f"The server answered {answer.status}.")
    retry_after = seconds(answer.headers.get("retry-after"))
    if answer.status == 429:
        return Unavailable("The server answered 429.", _LIMITED_SECONDS if retry_after is None else retry_after)
    if answer.status >= 500:
        return Unavailable(f"The server answered {answer.status}.", retry_after)
    return Unreadable(f"The server answered {answer.status}.")


def seconds(retry_after: str | None) -> float | None:
    """A Retry-After header (seconds or a date) in seconds from now; None when it says nothing usable."""
    if not retry_after:
        return None
    with suppress(ValueError):
        told = float(retry_after[:12]) if retry_after.strip().replace(".", "", 1).isdecimal() else -1.0
        if told >= 0:
            return told
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


class ThreadDoor:
    """A server that its provider reaches in ways of its own, one job at a time."""

    lists = False

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    async def page(self, after: str | None) -> Listed:
        raise Unreadable(f"This server is not asked for pages ({after}).")

    async def job(self, remote_id: str) -> str | None:
        try:
            return (await asyncio.to_thread(self._remote.retrieve, remote_id)).status
        except (Unavailable, AccessRefused, Gone):
            raise
        except Exception as trouble:  # noqa: BLE001 - whatever a provider raises beyond its seam is trouble at its server
            raise Unavailable(f"{type(trouble).__name__} while the server was asked.") from None

    async def close(self) -> None:
        await asyncio.to_thread(self._remote.close)


def client(timeout: float) -> aiohttp.ClientSession:
    """The one session of a poller: connections are kept, addresses are checked as they are dialled."""
    options: dict[str, Any] = {"limit": _AT_ONCE, "limit_per_host": _PER_SERVER, "keepalive_timeout": 75}
    return aiohttp.ClientSession(
        connector=connections.connector(allow_private=settings().remote_allow_private, **options),
        timeout=aiohttp.ClientTimeout(total=timeout, sock_connect=_CONNECT_SECONDS), trust_env=False,
        auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar(),
        headers={"user-agent": USER_AGENT, "accept": "application/json", "accept-encoding": "identity"})
