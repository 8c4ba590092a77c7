"""What went wrong with an attempt that no answer came of: its class, and a sentence for whoever owns the endpoint.

A sentence names the host that its owner named, and no address: where names lead in this house's network, and what its
proxy is called, is nobody else's business.
"""

import errno
import socket
import ssl
from collections.abc import Callable
from typing import Any

import aiohttp

from service.kit.addresses import ForbiddenAddress, InvalidURL, LocalURL
from service.webhooks.outcomes import ErrorClass

_CLASSES: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], ErrorClass], ...] = (
    (LocalURL, ErrorClass.FORBIDDEN_ADDRESS),
    ((aiohttp.ClientSSLError, aiohttp.ClientConnectorCertificateError, ssl.SSLError), ErrorClass.TLS),
    (aiohttp.ClientConnectorDNSError, ErrorClass.DNS),
    ((aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError), ErrorClass.CONNECT),
    ((aiohttp.NonHttpUrlClientError, aiohttp.InvalidURL), ErrorClass.INVALID_URL),
    (aiohttp.ClientResponseError, ErrorClass.MALFORMED),
    (TimeoutError, ErrorClass.TIMEOUT),
    ((aiohttp.ClientError, OSError), ErrorClass.RESET),
)


def class_of(trouble: BaseException, host: str) -> ErrorClass:
    """The class of what was raised in place of an answer of `host`; of ValueErrors of the client's, invalid_url."""
    if _is_of_the_proxy(trouble, host):
        return ErrorClass.CONNECT
    if isinstance(_cause(trouble), ForbiddenAddress):
        return ErrorClass.FORBIDDEN_ADDRESS
    for kinds, found in _CLASSES:
        if isinstance(trouble, kinds):
            return found
    return ErrorClass.INVALID_URL


def told(trouble: BaseException, host: str, limit: float) -> str:
    """One sentence about it; `limit` is the time that there was, in seconds."""
    if isinstance(trouble, aiohttp.ClientHttpProxyError):
        return f"The proxy of this house answered {trouble.status}."
    if _is_of_the_proxy(trouble, host):
        return "The proxy of this house could not be reached."
    if isinstance(trouble, aiohttp.ConnectionTimeoutError):
        return _NOT_TAKEN
    found = class_of(trouble, host)
    return f"No answer within {limit:g} s." if found is ErrorClass.TIMEOUT else _SENTENCES[found](_cause(trouble), host)


def _is_of_the_proxy(trouble: BaseException, host: str) -> bool:
    """Whether it was met on the way to the proxy: only there does a connection lead to another host."""
    return (isinstance(trouble, aiohttp.ClientHttpProxyError | aiohttp.ClientProxyConnectionError)
            or (isinstance(trouble, aiohttp.ClientConnectorError) and trouble.host != host))


def _cause(trouble: BaseException) -> BaseException:
    return trouble.os_error if isinstance(trouble, aiohttp.ClientConnectorError) else trouble


_NOT_TAKEN = "Nobody took the connection in time."
_NO_ADDRESS = {socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_ADDRFAMILY}
_SILENT = {socket.EAI_AGAIN, errno.ETIMEDOUT}
_NO_WAY = {errno.EHOSTUNREACH, errno.ENETUNREACH}
_BROKEN = {errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE}


def _dns(cause: Any, host: str) -> str:
    if cause.errno in _NO_ADDRESS:
        return f"The name {host} has no address."
    if cause.errno in _SILENT:
        return f"The servers of the name {host} did not answer."
    return f"The name {host} could not be looked up."


def _forbidden(cause: Any, host: str) -> str:
    if isinstance(cause, InvalidURL):
        return f"The URL {cause}."
    return f"The name {host} leads to an address that is not public, and this house calls no other."


def _connect(cause: Any, host: str) -> str:
    if isinstance(cause, ConnectionRefusedError):
        return f"The connection to {host} was refused."
    if isinstance(cause, ConnectionError):
        return f"{host} broke the connection off before it was secure."
    if cause.errno in _NO_WAY:
        return f"No way leads from this house to {host}."
    return _NOT_TAKEN if cause.errno == errno.ETIMEDOUT else f"No connection to {host} came about."


def _tls(cause: Any, host: str) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"The certificate is not valid for {host}: {cause.verify_message.rstrip('.')}."
    why = (getattr(cause, "reason", None) or "").replace("_", " ").lower()
    return f"No secure connection to {host} came about" + (f": {why}." if why else ".")


def _reset(cause: Any, _: str) -> str:
    if isinstance(cause, aiohttp.ServerDisconnectedError):
        return "The connection was closed before the answer had begun."
    was_reset = isinstance(cause, OSError) and cause.errno in _BROKEN
    return f"The connection {'was reset' if was_reset else 'broke'} before the answer had begun."


def _malformed(cause: Any, _: str) -> str:
    why = _why(cause.message)
    return f"The answer is no valid HTTP: {why}." if why else "The answer is no valid HTTP."


def _why(message: str) -> str:
    """What the client says of an answer, and the line that it means; it spells that as Python does, over a caret."""
    lines = [line.strip(" :") for line in message.partition(": b'")[0].splitlines()]
    what, *more = [line for line in lines if line.strip("^")] or [""]
    return " ".join([what[:1].lower() + what[1:], *(line.removeprefix("b") for line in more[-1:])])


def _invalid(cause: Any, _: str) -> str:
    return f"The URL {cause}." if isinstance(cause, InvalidURL) else "The URL is none that can be called."


_SENTENCES: dict[ErrorClass, Callable[[Any, str], str]] = {
    ErrorClass.DNS: _dns,
    ErrorClass.FORBIDDEN_ADDRESS: _forbidden,
    ErrorClass.CONNECT: _connect,
    ErrorClass.TLS: _tls,
    ErrorClass.RESET: _reset,
    ErrorClass.MALFORMED: _malformed,
    ErrorClass.INVALID_URL: _invalid,
}
