"""Over real TLS: the name is what is asked for and checked, the address is what was resolved and checked before."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from service.settings import settings
from service.webhooks.outcomes import ErrorClass
from service.webhooks.replies import Reply
from service.webhooks.sending import Message, Transport
from tests.fixtures.certificates import Authority
from tests.fixtures.sockets import ScriptedNames

NAME = "hooks.example.com"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedNames]:
    """A house that lets webhooks go to this machine, where the receiver's name leads."""
    monkeypatch.setenv("TUNEWORKS_WEBHOOK_ALLOW_PRIVATE", "false")
    monkeypatch.setenv("TUNEWORKS_WEBHOOK_ALLOW", "127.0.0.0/8")
    scripted = ScriptedNames({NAME: ("127.0.0.1",)})
    monkeypatch.setattr(socket, "getaddrinfo", scripted.getaddrinfo)
    yield scripted
    settings.cache_clear()


@dataclass
class Seen:
    """What a TLS receiver was asked for."""

    port: int = 0
    server_names: list[str | None] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)


@asynccontextmanager
async def receiving(context: ssl.SSLContext) -> AsyncIterator[Seen]:
    seen = Seen()

    async def answer(request: web.BaseRequest) -> web.Response:
        seen.hosts.append(request.headers["host"])
        return web.Response(text="taken")
    context.sni_callback = lambda _, name, __: seen.server_names.append(name)
    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    seen.port = runner.addresses[0][1]
    yield seen
    await runner.cleanup()


async def attempts(context: ssl.SSLContext, trusted: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, *,
                   host: str = NAME, count: int = 1) -> tuple[Seen, list[Reply]]:
    async with receiving(context) as seen:
        monkeypatch.setenv("TUNEWORKS_WEBHOOK_PORTS", str(seen.port))
        settings.cache_clear()
        async with Transport(tls=trusted) as transport:
            return seen, [await transport.send(Message(f"https://{host}:{seen.port}/", {}, b"{}"))
                          for _ in range(count)]


def test_the_name_is_asked_for_though_an_address_is_dialled(authority: Authority, names: ScriptedNames,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    seen, [reply] = asyncio.run(attempts(authority.server(NAME), authority.trusted(), monkeypatch))
    assert (reply.status, reply.body, reply.error_class) == (200, "taken", None)
    assert seen.server_names == [NAME]
    assert seen.hosts == [f"{NAME}:{seen.port}"]
    assert names.asked == [NAME]


def test_a_burst_shares_one_connection(authority: Authority, names: ScriptedNames,
                                       monkeypatch: pytest.MonkeyPatch) -> None:
    seen, sent = asyncio.run(attempts(authority.server(NAME), authority.trusted(), monkeypatch, count=5))
    assert [each.status for each in sent] == [200] * 5
    assert len(seen.hosts) == 5
    assert names.asked == seen.server_names == [NAME]


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize("certified", ["other.example.com", "127.0.0.1"])
def test_a_certificate_for_another_name_is_refused(authority: Authority, monkeypatch: pytest.MonkeyPatch,
                                                   certified: str) -> None:
    seen, [reply] = asyncio.run(attempts(authority.server(certified), authority.trusted(), monkeypatch))
    assert (reply.status, reply.error_class) == (None, ErrorClass.TLS)
    assert (reply.error or "").startswith(f"The certificate is not valid for {NAME}: Hostname mismatch")
    assert seen.hosts == []


@pytest.mark.usefixtures("names")
def test_an_authority_that_nobody_knows_is_refused(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, [reply] = asyncio.run(attempts(authority.server(NAME), ssl.create_default_context(), monkeypatch))
    assert (reply.status, reply.error_class) == (None, ErrorClass.TLS)
    assert reply.error == f"The certificate is not valid for {NAME}: unable to get local issuer certificate."
    assert seen.hosts == []


@pytest.mark.usefixtures("names")
def test_a_receiver_that_speaks_no_tls_is_told_so(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    async def send() -> Reply:
        async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            writer.close()
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setenv("TUNEWORKS_WEBHOOK_PORTS", str(port))
        settings.cache_clear()
        async with server, Transport(tls=authority.trusted()) as transport:
            return await transport.send(Message(f"https://{NAME}:{port}/", {}, b"{}"))
    reply = asyncio.run(send())
    assert reply.error_class is ErrorClass.TLS
    assert (reply.error or "").startswith(f"No secure connection to {NAME} came about: ")
