"""Which addresses others may send us to: an explicit deny-list, with IPv4 that hides inside IPv6 taken out first.

Python's own `is_global` is not enough: it lets multicast, NAT64, 6to4 and IPv4-compatible addresses pass.
"""

import ipaddress
import socket
import unicodedata
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, urlsplit

Address = IPv4Address | IPv6Address

_DENIED = tuple(map(ipaddress.ip_network, (
    # IPv4: this host, private, shared (CGNAT), loopback, link-local with cloud metadata, protocol and
    # documentation ranges, 6to4 relays, benchmarks, multicast, reserved and broadcast
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
    "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
)))
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_DENIED_V6 = tuple(map(ipaddress.ip_network, (
    # inside 2000::/3: protocol assignments with Teredo and ORCHID, documentation, 6to4, AS112
    "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
)))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)
"""What stands before an IPv4 address in the last 64 bits, under any prefix (RFC 5214)."""
_LOCAL_NAMES = ("localhost", "local", "internal", "localdomain", "home.arpa")


class ForbiddenAddress(OSError):
    """A name or address that must not be called because a tenant names it."""


class InvalidURL(ValueError):
    """A URL that must not be called; the message completes the sentence "The URL …"."""


class LocalURL(InvalidURL):
    """A well-formed one, which names a local host or an address that is not public."""


def is_forbidden(address: Address) -> bool:
    """Whether `address` is anything but a public unicast address."""
    if isinstance(address, IPv4Address):
        return any(address in network for network in _DENIED)
    hidden = embedded(address)
    if hidden is not None:
        return is_forbidden(hidden)
    if address not in _GLOBAL_UNICAST or any(address in network for network in _DENIED_V6):
        return True
    return (int(address) >> 32) & 0xFFFFFFFF in _ISATAP and is_forbidden(_last(address))


def embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a mapped or NAT64 address stands for.

    Other embeddings (6to4, Teredo, IPv4-compatible, IPv4-translated) lie in ranges that are denied as a whole.
    """
    return _last(address) if address in _NAT64 else address.ipv4_mapped


def _last(address: IPv6Address) -> IPv4Address:
    """What its last 32 bits spell."""
    return IPv4Address(int(address) & 0xFFFFFFFF)


def check(address: str) -> None:
    """Raises ForbiddenAddress unless `address` (as text, an IPv6 zone allowed) may be connected to."""
    if is_forbidden(ipaddress.ip_address(address.partition("%")[0])):
        raise ForbiddenAddress(f"{address} is not a public address")


def literal(host: str) -> Address | None:
    """The address that `host` spells, in any spelling that resolvers take (127.1, 0x7f.1, 2130706433, ①②⑦.1)."""
    host = unicodedata.normalize("NFKC", host)
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None


def check_url(url: str, *, allow_private: bool) -> SplitResult:
    """The parts of a URL that a tenant gave.

    Raises InvalidURL unless it is https (http too where private addresses are allowed), names a host that is
    not evidently local, and carries no user, password or fragment. No name is resolved here.
    """
    split = parts(url)
    schemes = ("https", "http") if allow_private else ("https",)
    if split.scheme not in schemes:
        raise InvalidURL("must begin with https://")
    if not split.hostname:
        raise InvalidURL("names no host")
    if split.username is not None or split.password is not None:
        raise InvalidURL("must not contain a user name or password")
    if split.fragment:
        raise InvalidURL("must not contain a fragment")
    if not allow_private:
        _check_host(split.hostname)
    return split


def parts(url: str) -> SplitResult:
    """Raises InvalidURL for what is no URL at all, or would be read differently by different readers."""
    if any(char.isspace() or not char.isprintable() or char == "\\" for char in url):
        raise InvalidURL("contains spaces, backslashes or control characters")
    try:
        split = urlsplit(url)
        _ = split.port
        (split.hostname or "").encode("idna")
    except ValueError as malformed:
        raise InvalidURL("is not a valid URL") from malformed
    return split


def _check_host(host: str) -> None:
    name = unicodedata.normalize("NFKC", host).rstrip(".").lower()
    if any(name == local or name.endswith(f".{local}") for local in _LOCAL_NAMES):
        raise LocalURL(f"points to '{host}', which is a local name")
    address = literal(name)
    if address is not None and is_forbidden(address):
        raise LocalURL(f"points to '{host}', which is not a public address")


def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Every address of a name, for clients that dial by themselves: connect to one of these and to no other.

    Raises ForbiddenAddress as soon as one of them is not public, and OSError when the name has none.
    """
    found = [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not allow_private:
        for address in found:
            check(address)
    return list(dict.fromkeys(found))
