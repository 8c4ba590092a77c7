"""Where a house lets its tenants send it: to public https addresses, and to what its operator allows beside them."""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network

from yarl import URL

from service.kit import addresses
from service.kit.addresses import InvalidURL

Network = IPv4Network | IPv6Network
_PLAIN = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?|[0-9a-f:]+", re.IGNORECASE)
"""A host as it stands in a request that was made ready: letters, digits and dots, or an IPv6 address without a zone."""
_NUMERIC = re.compile(r"(^|\.)([0-9]+|0x[0-9a-f]*)\.?$", re.IGNORECASE)
"""A host whose last label is a number is an address, in whatever spelling."""


@dataclass(frozen=True, slots=True)
class Destinations:
    """What may be called. Hosts that are allowed by name may be http, local and on any port, wherever they lead;
    networks are allowed whichever public name leads there, and as literal addresses on any port, http too."""

    allow_everything: bool = False
    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    ports: frozenset[int] = field(default_factory=lambda: frozenset({443}))

    @classmethod
    def parse(cls, allowed: Iterable[str], *, ports: Iterable[int], allow_everything: bool) -> "Destinations":
        """From an operator's list of hosts and networks, such as `hooks.internal` and `10.1.0.0/16`."""
        hosts, networks = set[str](), list[Network]()
        for each in allowed:
            found = network(each)
            if found is None:
                hosts.add(host_name(each))
            else:
                networks.append(found)
        return cls(allow_everything, frozenset(hosts), tuple(networks), frozenset(ports))

    def check_url(self, url: str) -> URL:
        """The URL as it is to be called; no name is resolved here.

        Raises InvalidURL, or LocalURL for one that is well-formed and leads where it must not.
        """
        addresses.check_url(url, allow_private=True)
        parsed = _parsed(url)
        if self.trusts(parsed) or self._allows_literal(parsed.raw_host or ""):
            return parsed
        addresses.check_url(url, allow_private=False)
        if parsed.port not in self.ports:
            raise InvalidURL("names a port other than " + " or ".join(map(str, sorted(self.ports))))
        return parsed

    def trusts(self, url: URL) -> bool:
        """Whether the host is allowed by name, so that its addresses need not be looked at."""
        return self.allow_everything or host_name(url.raw_host or "") in self.hosts

    def check_address(self, address: str) -> None:
        """Raises ForbiddenAddress unless `address` (as text, an IPv6 zone allowed) may be connected to."""
        if not self._allows(address.partition("%")[0]):
            addresses.check(address)

    def _allows_literal(self, host: str) -> bool:
        found = addresses.literal(host)
        return found is not None and self._allows(str(found))

    def _allows(self, address: str) -> bool:
        found = ipaddress.ip_address(address)
        hidden = addresses.embedded(found) if isinstance(found, IPv6Address) else None
        return any((hidden or found) in each for each in self.networks)


def network(text: str) -> Network | None:
    """The network or the single address that an operator names; None for the name of a host."""
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError:
        if "/" in text:
            raise
        return None


def host_name(text: str) -> str:
    """A host's name in the one spelling that names are compared in."""
    return text.strip().rstrip(".").lower()


def _parsed(url: str) -> URL:
    """The same URL as the client that calls it understands it. Raises InvalidURL where the two readings differ."""
    host = addresses.parts(url).hostname or ""
    try:
        parsed = URL(url)
        same = ":" in host or host_name(host.encode("idna").decode()) == host_name(parsed.raw_host or "")
    except ValueError as malformed:
        raise InvalidURL("is not a valid URL") from malformed
    called = parsed.raw_host or ""
    if not same or not _PLAIN.fullmatch(called) or not parsed.port or (
            _NUMERIC.search(called) and str(addresses.literal(called)) != called):
        raise InvalidURL("names its host in a way that not every reader understands alike")
    return parsed
