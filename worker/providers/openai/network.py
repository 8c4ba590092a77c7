"""Sockets to a server nobody trusts: addresses looked at before they are dialled, every wait bounded, bytes counted.

How much of a request left this machine decides what its failure means: while nothing was written, nothing was made.
"""

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpcore2
from httpcore2 import SOCKET_OPTION

from service.kit import addresses

_SLOWEST = 64 * 1024
"""Bytes a second: so much must move on top of an exchange's grace, or it is over."""
_RECORD = 16 * 1024
"""One TLS record at most, so that a write that fails has handed over no whole one."""
_ANSWER_SLACK = 256 * 1024
"""For headers, chunk marks and 1xx answers, in bytes."""
Read = TypeVar("Read")


@dataclass(slots=True)
class Exchange:
    """One request and its answer: how long it may take, how much may come, what went out."""

    grace: float
    "Seconds it may take without a byte moving."
    room: int = 0
    "Bytes the body of its answer may have; none while the head is not there."
    written: int = 0
    received: int = 0
    started: float = field(default_factory=time.monotonic)

    def wait(self, wanted: float | None) -> float:
        """How long the next wait may be. Raises TimeoutError when there is no time left."""
        left = self.started + self.grace + (self.written + self.received) / _SLOWEST - time.monotonic()
        if left <= 0:
            raise TimeoutError("took too long altogether")
        return left if wanted is None else min(wanted, left)

    def take(self, count: int) -> None:
        self.received += count
        if self.received > self.room + _ANSWER_SLACK:
            raise OSError("the answer is too long")


class Exchanges(threading.local):
    """The exchange that this thread is busy with."""

    current: Exchange | None = None

    def wait(self, wanted: float | None) -> float | None:
        return wanted if self.current is None else self.current.wait(wanted)


class Stream(httpcore2.NetworkStream):
    """One connection. What it raises tells httpcore2 in which phase it broke."""

    def __init__(self, sock: socket.socket, exchanges: Exchanges) -> None:
        self._sock, self._exchanges = sock, exchanges

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        def receive() -> bytes:
            self._sock.settimeout(self._exchanges.wait(timeout))
            data = self._sock.recv(max_bytes)
            if self._exchanges.current is not None:
                self._exchanges.current.take(len(data))
            return data
        return _translated(receive, httpcore2.ReadTimeout, httpcore2.ReadError)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        _translated(lambda: self._send(memoryview(buffer), timeout), httpcore2.WriteTimeout, httpcore2.WriteError)

    def _send(self, rest: memoryview, timeout: float | None) -> None:
        while rest:
            self._sock.settimeout(self._exchanges.wait(timeout))
            sent = self._sock.send(rest[:_RECORD])
            if self._exchanges.current is not None:
                self._exchanges.current.written += sent
            rest = rest[sent:]

    def close(self) -> None:
        self._sock.close()

    def start_tls(self, ssl_context: ssl.SSLContext, server_hostname: str | None = None,
                  timeout: float | None = None) -> "Stream":
        def shake() -> socket.socket:
            self._sock.settimeout(self._exchanges.wait(timeout))
            return ssl_context.wrap_socket(self._sock, server_hostname=server_hostname)
        try:
            return Stream(_translated(shake, httpcore2.ConnectTimeout, httpcore2.ConnectError), self._exchanges)
        except httpcore2.NetworkError:
            self.close()
            raise

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return _is_readable(self._sock)
        return self._sock if info == "socket" else None


class Backend(httpcore2.NetworkBackend):
    """Dials names at addresses that were looked at, one after another, within one time-out."""

    def __init__(self, exchanges: Exchanges, *, allow_private: bool) -> None:
        self._exchanges, self._allow_private = exchanges, allow_private

    def connect_tcp(self, host: str, port: int, timeout: float | None = None,
                    local_address: str | None = None,  # noqa: ARG002 - part of the interface, never given by the pool
                    socket_options: Iterable[SOCKET_OPTION] | None = None) -> Stream:  # noqa: ARG002 - as above
        sock = _translated(lambda: self._dial(host, port, timeout), httpcore2.ConnectTimeout, httpcore2.ConnectError)
        return Stream(sock, self._exchanges)

    def _dial(self, host: str, port: int, timeout: float | None) -> socket.socket:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        if not self._allow_private:
            for *_, address in found:
                addresses.check(str(address[0]))
        deadline = None if timeout is None else time.monotonic() + timeout
        trouble: OSError | None = None
        for family, kind, protocol, _, address in found:
            try:
                return _connected(socket.socket(family, kind, protocol), address, deadline)
            except OSError as refused:
                trouble = refused
        raise trouble or OSError("the name has no address")


def _connected(sock: socket.socket, address: Any, deadline: float | None) -> socket.socket:
    try:
        if deadline is not None:
            sock.settimeout(max(0.001, deadline - time.monotonic()))
        sock.connect(address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def _translated(act: Callable[[], Read], late: type[Exception], broken: type[Exception]) -> Read:
    """What `act` returns. The words of an OSError are kept: they name no more than addresses."""
    try:
        return act()
    except TimeoutError as trouble:
        raise late(str(trouble)) from None
    except (OSError, UnicodeError) as trouble:
        raise broken(str(trouble)) from None


def _is_readable(sock: socket.socket) -> bool:
    """Whether an idle connection has something to say, which can only be its end."""
    with suppress(OSError, ValueError):
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        return bool(poll.poll(0))
    return True
