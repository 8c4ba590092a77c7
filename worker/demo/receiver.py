"""The demo's webhook receiver: a small HTTP server that keeps what it is sent until somebody asks."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request as it came in; the signature is over these very bytes."""

    body: bytes
    headers: dict[str, str]


class Receiver:
    """Where deliveries arrive: its URL, and the next one that has come."""

    def __init__(self, port: int, deliveries: "queue.Queue[Delivery]") -> None:
        self.url = f"http://127.0.0.1:{port}/webhooks"
        self._deliveries = deliveries

    def next(self, timeout: float) -> Delivery:
        """Wait for the next delivery, `timeout` seconds at most. Raises queue.Empty."""
        return self._deliveries.get(timeout=timeout)


@contextmanager
def running_receiver() -> Iterator[Receiver]:
    """A receiver on a free loopback port, for as long as the block lasts."""
    deliveries: queue.Queue[Delivery] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            deliveries.put(Delivery(body, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """The demo prints what arrives itself."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Receiver(server.server_port, deliveries)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
