"""A server on a raw socket that does to each request what a test scripts: the wire, with nothing to smooth it."""

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

Act = Callable[[socket.socket], None]


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Scripted:
    """`script` holds what is done to each request in turn, the last one for ever; `requests` what came."""

    port: int = 0
    script: list[Act] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    reads_bodies: bool = True
    keeps_bodies: bool = True
    "If not, the beginning is kept."
    tls: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def serve(self, accepted: socket.socket) -> None:
        with suppress(OSError), self._shaken(accepted) as connection:
            while (request := self._received(connection)) is not None:
                self.requests.append(request)
                (self.script.pop(0) if len(self.script) > 1 else self.script[0])(connection)

    def _shaken(self, connection: socket.socket) -> socket.socket:
        return connection if self.tls is None else self.tls.wrap_socket(connection, server_side=True)

    def _received(self, connection: socket.socket) -> Request | None:
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(65536)
            if not more:
                return None
            head += more
        head, _, beginning = head.partition(b"\r\n\r\n")
        line, *rows = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rows)}
        body = bytearray(beginning)
        missing = int(headers.get("content-length", "0")) - len(body) if self.reads_bodies else 0
        while missing > 0 and (more := connection.recv(1 << 18)):
            missing -= len(more)
            if self.keeps_bodies or len(body) < 1 << 16:
                body += more
        method, path, _ = line.split(" ", 2)
        return Request(method, path, headers, bytes(body))


@contextmanager
def scripted(*script: Act, reads_bodies: bool = True, tls: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    server = Scripted(script=list(script), reads_bodies=reads_bodies, tls=tls)
    listener = socket.create_server(("127.0.0.1", 0))
    server.port = listener.getsockname()[1]

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                threading.Thread(target=server.serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True, name="scripted")
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        listener.close()


def answer(body: Any = None, status: int = 200, *, length: int | None = None, **headers: str) -> Act:
    """A whole answer of JSON, or of bytes as they are; `length` is claimed in place of the true one."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {"content-type": "application/json", "content-length": str(len(content) if length is None else length)}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = f"HTTP/1.1 {status} Words\r\n" + "".join(f"{name}: {value}\r\n" for name, value in named.items()) + "\r\n"

    def act(connection: socket.socket) -> None:
        connection.sendall(head.encode("latin-1") + content)
        if length is not None:
            connection.shutdown(socket.SHUT_RDWR)
    return act


def refusal(status: int, message: str = "No.", *, code: str | None = None, param: str | None = None,
            kind: str = "invalid_request_error", **headers: str) -> Act:
    return answer({"error": {"message": message, "type": kind, "param": param, "code": code}}, status, length=None,
                  **headers)


def raw(*pieces: bytes, pause: float = 0) -> Act:
    """Bytes as they are, and then the end of the connection."""
    def act(connection: socket.socket) -> None:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
        connection.shutdown(socket.SHUT_RDWR)
    return act


def endless(head: bytes, piece: bytes, pause: float = 0) -> Act:
    def act(connection: socket.socket) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(piece)
            time.sleep(pause)
    return act


def reset(connection: socket.socket) -> None:
    """An RST, as a process that dies or a firewall sends it."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def silence(seconds: float) -> Act:
    return lambda _: time.sleep(seconds)
