"""What went wrong is told in a sentence that an endpoint's owner can act on, and that tells nothing of this house."""

import errno
import socket
import ssl
from typing import Any

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from service.kit.addresses import ForbiddenAddress, InvalidURL, LocalURL
from service.webhooks.outcomes import ErrorClass
from service.webhooks.troubles import class_of, told

HOST = "hooks.example.com"
FAILED = "Connect call failed ('10.0.0.7', 443)"


def on_the_way(cause: Any, kind: Any = aiohttp.ClientConnectorError, host: str = HOST) -> aiohttp.ClientConnectorError:
    """As the client raises what it met before there was a connection."""
    trouble: aiohttp.ClientConnectorError = kind(ConnectionKey(host, 443, True, True, None, None, None, None), cause)
    return trouble


def unnamed(name: int) -> aiohttp.ClientConnectorError:
    return on_the_way(socket.gaierror(name, "as the C library says it"), aiohttp.ClientConnectorDNSError)


def answered(message: str) -> aiohttp.ClientResponseError:
    info: Any = None
    return aiohttp.ClientResponseError(info, (), status=400, message=message)


@pytest.mark.parametrize(("trouble", "found", "sentence"), [
    (unnamed(socket.EAI_NONAME), ErrorClass.DNS, f"The name {HOST} has no address."),
    (unnamed(socket.EAI_AGAIN), ErrorClass.DNS, f"The servers of the name {HOST} did not answer."),
    (unnamed(socket.EAI_FAIL), ErrorClass.DNS, f"The name {HOST} could not be looked up."),
    (on_the_way(OSError(errno.ETIMEDOUT, "no answer"), aiohttp.ClientConnectorDNSError), ErrorClass.DNS,
     f"The servers of the name {HOST} did not answer."),
    (on_the_way(ForbiddenAddress("10.0.0.7 is not a public address"), aiohttp.ClientConnectorDNSError),
     ErrorClass.FORBIDDEN_ADDRESS,
     f"The name {HOST} leads to an address that is not public, and this house calls no other."),
    (LocalURL("points to '10.0.0.1', which is not a public address"), ErrorClass.FORBIDDEN_ADDRESS,
     "The URL points to '10.0.0.1', which is not a public address."),
    (on_the_way(OSError(errno.ECONNREFUSED, FAILED)), ErrorClass.CONNECT, f"The connection to {HOST} was refused."),
    (on_the_way(OSError(errno.ENETUNREACH, FAILED)), ErrorClass.CONNECT, f"No way leads from this house to {HOST}."),
    (on_the_way(OSError(errno.ETIMEDOUT, FAILED)), ErrorClass.CONNECT, "Nobody took the connection in time."),
    (aiohttp.ConnectionTimeoutError(), ErrorClass.CONNECT, "Nobody took the connection in time."),
    (on_the_way(ConnectionResetError()), ErrorClass.CONNECT, f"{HOST} broke the connection off before it was secure."),
    (on_the_way(OSError(f"Multiple exceptions: {FAILED}, {FAILED}")), ErrorClass.CONNECT,
     f"No connection to {HOST} came about."),
    (on_the_way(ssl.SSLError("odd"), aiohttp.ClientConnectorSSLError), ErrorClass.TLS,
     f"No secure connection to {HOST} came about."),
    (TimeoutError(), ErrorClass.TIMEOUT, "No answer within 20 s."),
    (aiohttp.ClientOSError(errno.EPIPE, "Broken pipe"), ErrorClass.RESET,
     "The connection was reset before the answer had begun."),
    (aiohttp.ClientConnectionError("Connection lost"), ErrorClass.RESET,
     "The connection broke before the answer had begun."),
    (answered(""), ErrorClass.MALFORMED, "The answer is no valid HTTP."),
    (InvalidURL("must begin with https://"), ErrorClass.INVALID_URL, "The URL must begin with https://."),
    (aiohttp.InvalidURL("http://"), ErrorClass.INVALID_URL, "The URL is none that can be called."),
    (UnicodeError("label too long"), ErrorClass.INVALID_URL, "The URL is none that can be called."),
    (on_the_way(OSError(errno.ECONNREFUSED, FAILED), host="proxy.internal"), ErrorClass.CONNECT,
     "The proxy of this house could not be reached."),
    (on_the_way(socket.gaierror(socket.EAI_NONAME, "unknown"), aiohttp.ClientConnectorDNSError, "proxy.internal"),
     ErrorClass.CONNECT, "The proxy of this house could not be reached."),
    (on_the_way(ssl.SSLError("odd"), aiohttp.ClientConnectorSSLError, "proxy.internal"), ErrorClass.CONNECT,
     "The proxy of this house could not be reached."),
])
def test_each_trouble_has_a_class_and_a_sentence(trouble: BaseException, found: ErrorClass, sentence: str) -> None:
    assert (class_of(trouble, HOST), told(trouble, HOST, 20.0)) == (found, sentence)
