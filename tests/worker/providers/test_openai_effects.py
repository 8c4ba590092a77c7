"""What a failed request may have done: the line between "surely nothing" and "perhaps", at the level of sockets."""

import socket
import ssl
from collections.abc import Callable
from typing import Any

import pytest

from tests.worker.providers.bodies import JOB_ID, Opened, job, order
from tests.worker.providers.scripted import (
    Act,
    Scripted,
    answer,
    endless,
    raw,
    refusal,
    reset,
    scripted,
    silence,
)
from worker.providers.openai import transport
from worker.providers.openai.remote import OpenAIRemote
from worker.providers.remote import AccessRefused, Ambiguous, Gone, Refused, Unavailable


def opened(url: str) -> OpenAIRemote:
    return OpenAIRemote(Opened(base_url=url), allow_private=True)


def created(*script: Act, **options: Any) -> Scripted:
    """Create one job at a server that does `script` to the request."""
    with scripted(*script, **options) as server:
        opened(server.url).create(order())
    return server


def looked(*script: Act) -> None:
    with scripted(*script) as server:
        opened(server.url).retrieve(JOB_ID)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time-outs that a test can wait for."""
    monkeypatch.setattr(transport, "_GRACE", 0.3)


# -- surely nothing ------------------------------------------------------------------------------------
def test_a_refused_connection_made_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unavailable, match="ConnectError"):
        opened(f"http://127.0.0.1:{port}/v1").create(order())


def test_a_name_that_does_not_resolve_made_nothing() -> None:
    with pytest.raises(Unavailable, match="ConnectError"):
        opened("http://nowhere.invalid/v1").create(order())


def test_a_connection_that_is_never_taken_made_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "TIMEOUT", transport.httpx2.Timeout(connect=0.2, read=5, write=5, pool=5))
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)  # noqa: FBT003
            each.connect_ex(address)
        try:
            with pytest.raises(Unavailable, match="ConnectTimeout"):
                opened(f"http://127.0.0.1:{address[1]}/v1").create(order())
        finally:
            for each in waiting:
                each.close()


def test_a_handshake_that_fails_made_nothing() -> None:
    with scripted(raw(b"this is no TLS")) as server, pytest.raises(Unavailable, match="ConnectError"):
        opened(server.url.replace("http:", "https:")).create(order())
    assert not server.requests


def test_a_certificate_that_nobody_vouches_for_made_nothing(own_tls: ssl.SSLContext) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
