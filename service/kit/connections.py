"""Connections to where tenants send us: names are resolved by us, and only addresses that were checked are dialled."""

import asyncio
import socket
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from service.kit import addresses

_RESOLVE_SECONDS = 5.0


class CheckedResolver(AbstractResolver):
    """The system's resolver, which refuses a name as soon as one of its addresses is not public."""

    def __init__(self) -> None:
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(self, host: str, port: int = 0,
                      family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        for each in found:
            addresses.check(each["host"])
        return found

    async def close(self) -> None:
        await self._inner.close()


def _checked_socket(info: tuple[Any, ...]) -> socket.socket:
    """The last gate: whatever led here, the address that is about to be dialled is looked at."""
    family, kind, protocol, _, address = info
    addresses.check(address[0])
    return socket.socket(family, kind, protocol)


def connector(*, allow_private: bool, **options: Any) -> aiohttp.TCPConnector:
    """For an aiohttp session; `options` go to its TCPConnector. A connection serves one request unless they say so."""
    chosen: dict[str, Any] = {"use_dns_cache": False, "force_close": "keepalive_timeout" not in options, **options}
    if allow_private:
        return aiohttp.TCPConnector(**chosen)
    return aiohttp.TCPConnector(resolver=CheckedResolver(), socket_factory=_checked_socket, **chosen)


async def resolve_early(url: str, *, allow_private: bool) -> None:
    """Raise InvalidURL or ForbiddenAddress when the URL, or what its host resolves to, may not be called.

    For registration only. A name that does not resolve yet is let through: every connection checks again.
    """
    host = addresses.check_url(url, allow_private=allow_private).hostname
    if allow_private or not host:
        return
    resolver = CheckedResolver()
    try:
        await asyncio.wait_for(resolver.resolve(host), _RESOLVE_SECONDS)
    except addresses.ForbiddenAddress:
        raise
    except (OSError, UnicodeError):
        return
    finally:
        await resolver.close()
