"""Puts signed messages on the wire, to checked addresses, and brings back how each was answered.

A name is resolved once for each new connection, all its addresses must be allowed, and the socket is opened to one of
those that were checked; TLS asks for the name. Redirects are not followed, and no proxy or netrc of the environment
is used. Connections are kept for a few seconds, so that a burst of events pays for one handshake.
"""

import ssl
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from service.kit.connections import connector, went_over_kept
from service.kit.destinations import Destinations
from service.settings import settings
from service.webhooks import replies
from service.webhooks.replies import Reply

USER_AGENT = "Tuneworks/1.0 (webhooks)"
_CONNECT_SECONDS = 5.0
_KEPT_ALIVE_SECONDS = 15.0
_KNOWN_URLS = 10_000
_STALE_CONNECTIONS = 3
"""So many connections that the receiver closed while they were idle are passed over before an attempt has failed."""


@dataclass(frozen=True, slots=True)
class Message:
    """One signed attempt, complete: nothing of it is looked up while it is sent."""

    url: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def destinations() -> Destinations:
    """Where this house sends webhooks."""
    chosen = settings()
    return Destinations.parse(chosen.webhook_allow, ports=chosen.webhook_ports,
                              allow_everything=chosen.webhook_allow_private)


async def send(message: Message) -> Reply:
    """One message by itself, as tests of an endpoint are sent."""
    async with Transport() as transport:
        return await transport.send(message)


@dataclass(frozen=True, slots=True)
class _Way:
    """A URL that may be called, the host that its requests name, and the session that they go by."""

    url: URL
    host: str
    session: aiohttp.ClientSession


class Transport:
    """One sender's way out: `async with Transport() as transport`, then `await transport.send(message)`.

    `tls` stands in for what the machine trusts (which `SSL_CERT_FILE` and `SSL_CERT_DIR` may name).
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None) -> None:
        self._destinations = destinations()
        self._proxy, self._proxy_login = _proxy()
        self._seconds = settings().webhook_timeout_seconds
        self._ways: dict[str, _Way] = {}
        self._tls = tls or _trusted()

    async def __aenter__(self) -> Self:
        self._checked, self._trusting = self._session(trusting=False), self._session(trusting=True)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, raised: BaseException | None,
                        where: TracebackType | None) -> None:
        await self._checked.close()
        await self._trusting.close()

    def _session(self, *, trusting: bool) -> aiohttp.ClientSession:
        way = connector(allow_private=trusting, check=self._destinations.check_address, limit=0, ssl=self._tls,
                        keepalive_timeout=_KEPT_ALIVE_SECONDS)
        return aiohttp.ClientSession(connector=way, trust_env=False, auto_decompress=False,
                                     cookie_jar=aiohttp.DummyCookieJar())

    async def send(self, message: Message) -> Reply:
        """POST the message once and wait for the answer's beginning; never raises for what the receiver does."""
        started_at, started = datetime.now(UTC), time.perf_counter()
        headers = {**message.headers, "content-type": "application/json", "user-agent": USER_AGENT, "accept": "*/*",
                   "accept-encoding": "identity", "content-length": str(len(message.body))}
        host = ""
        try:
            way = self._way(message.url)
            host, headers["host"] = way.url.raw_host or "", way.host
            reply = await self._post(way, message.body, headers, started + self._seconds)
        except (aiohttp.ClientError, OSError, ValueError) as trouble:  # TimeoutError is an OSError
            reply = replies.of_trouble(trouble, host, self._seconds)
        return replace(reply, started_at=started_at, request_headers=headers,
                       latency_ms=round((time.perf_counter() - started) * 1000))

    def _way(self, url: str) -> "_Way":
        """What a URL's look says of it, which does not change; its addresses are looked at as often as they are asked.

        Raises InvalidURL.
        """
        found = self._ways.get(url)
        if found is None:
            checked = self._destinations.check_url(url)
            trusting = bool(self._proxy) or self._destinations.trusts(checked)
            if len(self._ways) >= _KNOWN_URLS:
                self._ways.clear()
            found = self._ways[url] = _Way(checked, checked.host_port_subcomponent or "",
                                           self._trusting if trusting else self._checked)
        return found

    async def _post(self, way: "_Way", body: bytes, headers: dict[str, str], until: float) -> Reply:
        """One answer. A connection that was kept may have been closed at its other end, which is no fault of either."""
        if way.url.scheme == "http":
            headers = headers | self._proxy_login  # there is no tunnel whose request could carry it
        for remaining in reversed(range(_STALE_CONNECTIONS)):
            went_over_kept.set(False)
            timeout = aiohttp.ClientTimeout(total=max(0.001, until - time.perf_counter()),
                                            sock_connect=_CONNECT_SECONDS)
            try:
                async with way.session.post(
                        way.url, data=body, headers=headers, allow_redirects=False, proxy=self._proxy,
                        proxy_headers=dict(self._proxy_login), timeout=timeout) as answer:
                    return replies.of_answer(answer, await replies.beginning(answer))
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if not (went_over_kept.get() and remaining):
                    raise
        raise AssertionError("unreachable")


def _proxy() -> tuple[URL | None, dict[str, str]]:
    """The proxy of the house and the header that logs in there; its URL keeps no login, as errors show URLs."""
    url = URL(settings().webhook_proxy.get_secret_value())
    login = {"proxy-authorization": aiohttp.encode_basic_auth(url.user, url.password or "")} if url.user else {}
    return (url.with_user(None), login) if url.host else (None, {})


@cache
def _trusted() -> ssl.SSLContext:
    """What this machine trusts; read once, as it takes tens of milliseconds."""
    return ssl.create_default_context()
