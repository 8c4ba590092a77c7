"""How an attempt ended, and how those that failed are told apart."""

from enum import StrEnum


class ErrorClass(StrEnum):
    """Why an attempt or a delivery failed; what a receiver's owner can filter and count by."""

    DNS = "dns"
    "The name has no address, or its servers did not answer."
    FORBIDDEN_ADDRESS = "forbidden_address"
    "The name led to an address that this house does not call."
    CONNECT = "connect"
    "Nobody took the connection, or a proxy on the way refused it."
    TLS = "tls"
    "The certificate is not valid for the name, or no secure connection came about."
    TIMEOUT = "timeout"
    "Connected, but no answer came in time."
    RESET = "reset"
    "The connection ended before the answer began."
    MALFORMED = "malformed"
    "What came back is not HTTP."
    REDIRECT = "redirect"
    "3xx: redirects are not followed."
    GONE = "gone"
    "410: the receiver wants nothing more."
    THROTTLED = "throttled"
    "429: the receiver wants less."
    CLIENT_ERROR = "client_error"
    "Another 4xx."
    SERVER_ERROR = "server_error"
    "5xx."
    ENDPOINT_DISABLED = "endpoint_disabled"
    "The endpoint was disabled before the delivery was made."
    ENDPOINT_DELETED = "endpoint_deleted"
    "The endpoint was deleted before the delivery was made."
    INVALID_URL = "invalid_url"
    "The URL is none that this house calls."


_NAMED = {410: ErrorClass.GONE, 429: ErrorClass.THROTTLED}
_HUNDREDS = {3: ErrorClass.REDIRECT, 4: ErrorClass.CLIENT_ERROR, 5: ErrorClass.SERVER_ERROR}


def accepted(status: int | None) -> bool:
    """Whether a receiver has taken what it was sent."""
    return status is not None and 200 <= status < 300


def of_status(status: int) -> ErrorClass | None:
    """The class of an HTTP status; None of one that accepts."""
    if accepted(status):
        return None
    return _NAMED.get(status) or _HUNDREDS.get(status // 100, ErrorClass.MALFORMED)
