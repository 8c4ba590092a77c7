"""HTTP to one server: no proxy, no redirect, no retry, no endless answer; out comes a good answer or a RemoteError."""

import ssl
from collections.abc import Iterator
from functools import cache

import httpcore2
import httpx2

from worker.providers.openai import failures
from worker.providers.openai.answers import Answers
from worker.providers.openai.failures import Asked
from worker.providers.openai.network import Backend, Exchange, Exchanges

MiB = 1024 * 1024
LARGEST_ANSWER = 16 * MiB
LARGEST_CONTENT = 9 * 1024 * MiB
_LARGEST_ERROR = 64 * 1024
_GRACE = 60.0
_CONNECT = 5.0
TIMEOUT = httpx2.Timeout(connect=_CONNECT, read=_GRACE, write=_GRACE, pool=_GRACE)
_KEPT = ("retry-after", "x-request-id")
"""Headers of an answer that anybody here reads; no other reaches the SDK, whatever they claim."""
_PLURALS = ("jobs", "files", "models", "uploads")
_STREAMED = "x-stainless-raw-response"
_SENT = ("host", "accept", "content-type", "content-length", "transfer-encoding", "idempotency-key", "user-agent")
"""Headers of the SDK that go out. It adds more from this machine's environment: an operator's, not the tenant's."""
_TROUBLE = (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError,
            httpcore2.UnsupportedProtocol)


class Transport(httpx2.BaseTransport):
    """Under the SDK's client; `door` are the headers that open it.

    Bodies are read whole here, except those of downloads, which are read as they are used.
    """

    def __init__(self, answers: Answers, door: dict[str, str], *, allow_private: bool) -> None:
        self._answers, self._door = answers, door
        self._exchanges = Exchanges()
        backend = Backend(self._exchanges, allow_private=allow_private)
        # What acts gets a connection of its own: one that was used may have ended without our knowing it yet, and then
        # nobody could tell whether the server acted.
        self._pools = {reads: httpcore2.ConnectionPool(
            ssl_context=_tls(), max_connections=16, max_keepalive_connections=2 if reads else 0, keepalive_expiry=5.0,
            retries=0, network_backend=backend) for reads in (True, False)}

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        asked = Asked(reads=request.method == "GET", of_one=_names_one(request.url.path),
                      keyed="idempotency-key" in request.headers)
        streamed = request.headers.get(_STREAMED) == "stream"
        exchange, outer = Exchange(_GRACE), self._exchanges.current  # what is sent may be read from a download
        self._exchanges.current = exchange
        try:
            answer = self._pools[asked.reads].handle_request(_for_the_wire(request, self._door))
            exchange.room = LARGEST_CONTENT if streamed else LARGEST_ANSWER
            good = 200 <= answer.status < 300
            headers = _headers(answer)
            if good and streamed:
                body = _Body(answer, self._exchanges, exchange, asked)
                return httpx2.Response(answer.status, headers=headers, stream=body)
            content = _read(answer, LARGEST_ANSWER if good else _LARGEST_ERROR, whole=good)
        except _TROUBLE as trouble:
            failure = failures.lost(asked, _named(trouble, self._answers), written=exchange.written > 0)
        else:
            if good:
                return httpx2.Response(answer.status, headers=headers, content=content)
            failure = failures.answered(asked, answer.status, headers, content, self._answers)
        finally:
            self._exchanges.current = outer
        raise failure


class _Body(httpx2.SyncByteStream):
    """The rest of a download."""

    def __init__(self, answer: httpcore2.Response, exchanges: Exchanges, exchange: Exchange, asked: Asked) -> None:
        self._answer, self._exchanges, self._exchange, self._asked = answer, exchanges, exchange, asked

    def __iter__(self) -> Iterator[bytes]:
        parts = iter(self._answer.iter_stream())
        while (part := self._next(parts)) is not None:
            yield part

    def _next(self, parts: Iterator[bytes]) -> bytes | None:
        outer, self._exchanges.current = self._exchanges.current, self._exchange
        try:
            return next(parts, None)
        except _TROUBLE as trouble:
            failure = failures.lost(self._asked, type(trouble).__name__, written=True)
        finally:
            self._exchanges.current = outer
        raise failure

    def close(self) -> None:
        self._answer.close()


def _for_the_wire(request: httpx2.Request, door: dict[str, str]) -> httpcore2.Request:
    """With this credential's `door`, and without compressed answers, of which a small one may unpack to any size."""
    assert isinstance(request.stream, httpx2.SyncByteStream)
    headers = [(name, value) for name, value in request.headers.raw if name.lower().decode("latin-1") in _SENT]
    ours = [(name.encode(), value.encode("latin-1", "replace")) for name, value in
            {"accept-encoding": "identity", **door}.items()]
    url = httpcore2.URL(scheme=request.url.raw_scheme, host=request.url.raw_host, port=request.url.port,
                        target=request.url.raw_path)
    return httpcore2.Request(method=request.method, url=url, headers=[*headers, *ours], content=request.stream,
                             extensions=request.extensions)


def _read(answer: httpcore2.Response, largest: int, *, whole: bool) -> bytes:
    """The body; of an error so much as may be kept, and what else comes or breaks is no matter."""
    kept = bytearray()
    try:
        for part in answer.iter_stream():
            kept += part
            if len(kept) > largest:
                break
    except _TROUBLE:
        if whole:
            raise
    finally:
        answer.close()
    if whole and len(kept) > largest:
        raise httpcore2.ReadError("the answer is too long")
    return bytes(kept[:largest])


def _headers(answer: httpcore2.Response) -> dict[str, str]:
    found = {name.lower().decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
    return {name: found[name][:256] for name in _KEPT if name in found}


def _names_one(path: str) -> bool:
    """Whether the path goes on after the name of a collection."""
    parts = path.rstrip("/").split("/")
    return parts[-1] not in _PLURALS


def _named(trouble: Exception, answers: Answers) -> str:
    """Its kind and, of troubles of the network, its words. Those of the protocol may quote headers: ours too."""
    if isinstance(trouble, httpcore2.ProtocolError | httpcore2.UnsupportedProtocol):
        return type(trouble).__name__
    return f"{type(trouble).__name__} ({answers.text(str(trouble), size=200) or 'no more is known'})"


@cache
def _tls() -> ssl.SSLContext:
    """One for the process: the system's authorities take a while to read."""
    return httpx2.create_ssl_context()
