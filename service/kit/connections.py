"""Connections to where tenants send us: names are resolved by us, and only addresses that were checked are dialled."""

import asyncio
import errno
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from functools import cache, partial
from typing import Any
from weakref import WeakSet

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError

from service.kit import addresses
from service.kit.destinations import Destinations

Check = Callable[[str], None]
"""Raises ForbiddenAddress for an address that must not be dialled."""
_RESOLVE_SECONDS = 5.0
_THREADS = 512
"""Made when they are needed. A name whose servers are silent holds one for long: more than a project can name."""
_MOST_ADDRESSES = 16
_MOST_INTERIM = 16
_READ_AT_ONCE = 16_384
"""A flood is noticed after so many bytes, not only when all that has come was taken apart."""


class CheckedResolver(AbstractResolver):
    """The system's resolver, which refuses a name as soon as one of its addresses must not be called.

    Names have threads of their own, and each name one of them at a time: one whose servers are silent keeps no other
    waiting.
    """

    def __init__(self, check: Check = addresses.check) -> None:
        self._check = check
        self._asked: dict[str, asyncio.Future[list[tuple[socket.AddressFamily, str]]]] = {}

    async def resolve(self, host: str, port: int = 0,
                      family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        try:
            found = await asyncio.wait_for(asyncio.shield(self._ask(host)), _RESOLVE_SECONDS)
        except TimeoutError:
            raise OSError(errno.ETIMEDOUT, f"no answer about {host} within {_RESOLVE_SECONDS:g} s") from None
        for _, address in found:
            self._check(address)
        return [ResolveResult(hostname=host, host=address, port=port, family=kind, proto=socket.IPPROTO_TCP,
                              flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV)
                for kind, address in found[:_MOST_ADDRESSES] if family in {socket.AF_UNSPEC, kind}]

    def _ask(self, host: str) -> asyncio.Future[list[tuple[socket.AddressFamily, str]]]:
        """The question about a name that is under way, or a new one."""
        asked = self._asked.get(host)
        if asked is None:
            asked = asyncio.get_running_loop().run_in_executor(_threads(), _look_up, host)
            self._asked[host] = asked
            asked.add_done_callback(lambda done: self._forget(host, done))
        return asked

    def _forget(self, host: str, done: asyncio.Future[Any]) -> None:
        self._asked.pop(host, None)
        if not done.cancelled():
            done.exception()  # whoever asked may have left

    async def close(self) -> None:
        for asked in list(self._asked.values()):
            asked.cancel()  # a thread that is still at it finds nobody to tell


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="resolver")


def _look_up(host: str) -> list[tuple[socket.AddressFamily, str]]:
    """The addresses of a name; those of an IPv6 zone keep its number."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    named = [(family, f"{address[0]}%{address[3]}" if len(address) == 4 and address[3] else str(address[0]))
             for family, _, _, _, address in found]
    return list(dict.fromkeys(named))


went_over_kept: ContextVar[bool] = ContextVar("went_over_kept", default=False)
"""Whether the request that this task made last went over a connection that had served one before."""


class _Protocol(ResponseHandler):
    """Takes a few interim answers (1xx) and no flood of them: aiohttp reads as many as there are, and in one go."""

    _interim = 0

    def data_received(self, data: bytes) -> None:
        for first in range(0, max(1, len(data)), _READ_AT_ONCE):
            if self._interim <= _MOST_INTERIM:
                super().data_received(data[first:first + _READ_AT_ONCE])

    def feed_data(self, data: tuple[Any, Any], size: int = 0) -> None:
        self._interim = self._interim + 1 if data[0].code // 100 == 1 else 0
        if self._interim <= _MOST_INTERIM:
            super().feed_data(data, size)
        elif self.transport is not None:
            self.transport.close()
            self.set_exception(HttpProcessingError(code=400, message="Too many interim answers received"))


class _Connector(aiohttp.TCPConnector):
    """Tells of each request whether its connection is a new one; aiohttp's tracing does too, at a tenth of its time."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._factory = partial(_Protocol, loop=self._loop)  # type: ignore[assignment]  # it is one
        self._served: WeakSet[Any] = WeakSet()

    async def connect(self, req: aiohttp.ClientRequest, traces: Any,
                      timeout: aiohttp.ClientTimeout) -> Connection:  # noqa: ASYNC109 - aiohttp's own form
        connection = await super().connect(req, traces, timeout)
        went_over_kept.set(connection.protocol in self._served)
        self._served.add(connection.protocol)
        return connection


def connector(*, allow_private: bool, check: Check = addresses.check, **options: Any) -> aiohttp.TCPConnector:
    """For an aiohttp session; `options` go to its TCPConnector. A connection serves one request unless they say so.

    Every new connection resolves its name anew, and `check` looks at all that came out, and at what is dialled.
    """
    chosen: dict[str, Any] = {"use_dns_cache": False, "force_close": "keepalive_timeout" not in options, **options}
    if allow_private:
        return _Connector(resolver=CheckedResolver(_anything), **chosen)

    def checked_socket(info: tuple[Any, ...]) -> socket.socket:
        """The last gate: whatever led here, the address that is about to be dialled is looked at."""
        family, kind, protocol, _, address = info
        check(address[0])
        return socket.socket(family, kind, protocol)
    return _Connector(resolver=CheckedResolver(check), socket_factory=checked_socket, **chosen)


def _anything(_: str) -> None:
    """Where the operator has said so."""


async def resolve_early(url: str, *, allow_private: bool) -> None:
    """Raise InvalidURL or ForbiddenAddress when the URL, or what its host resolves to, may not be called.

    For registration only. A name that does not resolve yet is let through: every connection checks again.
    """
    host = addresses.check_url(url, allow_private=allow_private).hostname
    if host and not allow_private:
        await _resolve(host, addresses.check)


async def check_early(url: str, destinations: Destinations, *, through_proxy: bool = False) -> None:
    """The same of a house that allows more than what is public, or has a proxy that resolves the names."""
    parsed = destinations.check_url(url)
    if parsed.raw_host and not through_proxy and not destinations.trusts(parsed):
        await _resolve(parsed.raw_host, destinations.check_address)


async def _resolve(host: str, check: Check) -> None:
    resolver = CheckedResolver(check)
    try:
        await resolver.resolve(host)
    except addresses.ForbiddenAddress:
        raise
    except (OSError, UnicodeError):
        return
    finally:
        await resolver.close()
