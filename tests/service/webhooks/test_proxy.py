"""A house whose webhooks leave by a proxy: it resolves the names, and literal addresses are still looked at."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from service.kit.connections import check_early
from service.settings import settings
from service.webhooks.outcomes import ErrorClass
from service.webhooks.replies import Reply
from service.webhooks.sending import Message, Transport, destinations
from tests.fixtures.certificates import Authority
from tests.fixtures.receiver import Receiver
from tests.fixtures.sockets import ScriptedNames

NAME = "hooks.example.com"


@dataclass
class Proxy:
    """Tunnels every CONNECT to one place, or answers with a refusal."""

    port: int = 0
    leads_to: int = 0
    refusal: bytes | None = None
    asked: list[str] = field(default_factory=list)
    credentials: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.asked.append(head.split("\r\n", 1)[0])
        self.credentials += [line.partition(": ")[2] for line in head.split("\r\n")
                             if line.lower().startswith("proxy-authorization:")]
        if self.refusal:
            writer.write(self.refusal)
            writer.close()
            return
        inner, outer = await asyncio.open_connection("127.0.0.1", self.leads_to)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(_pass(reader, outer), _pass(inner, writer))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65536):
        writer.write(piece)
    writer.close()


@asynccontextmanager
async def house(authority: Authority, monkeypatch: pytest.MonkeyPatch,
                refusal: bytes | None = None) -> AsyncIterator[tuple[Transport, Proxy]]:
    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(text="taken")
    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=authority.server(NAME)).start()
    proxy = Proxy(leads_to=runner.addresses[0][1], refusal=refusal)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv("TUNEWORKS_WEBHOOK_PROXY", f"http://house:word@127.0.0.1:{proxy.port}")
    settings.cache_clear()
    async with server, Transport(tls=authority.trusted()) as transport:
        yield transport, proxy
    await runner.cleanup()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedNames]:
    """A house in production, on a machine that resolves no name but numbers."""
    monkeypatch.setenv("TUNEWORKS_WEBHOOK_ALLOW_PRIVATE", "false")
    scripted = ScriptedNames({})
    monkeypatch.setattr(socket, "getaddrinfo", scripted.getaddrinfo)
    yield scripted
    settings.cache_clear()


def test_the_proxy_is_asked_for_the_name_and_tls_is_with_the_receiver(
        authority: Authority, names: ScriptedNames, monkeypatch: pytest.MonkeyPatch) -> None:
    async def send() -> tuple[Reply, Proxy]:
        async with house(authority, monkeypatch) as (transport, proxy):
            return await transport.send(Message(f"https://{NAME}/hook", {}, b"{}")), proxy
    reply, proxy = asyncio.run(send())
    assert (reply.status, reply.body) == (200, "taken")
    assert proxy.asked == [f"CONNECT {NAME}:443 HTTP/1.1"]
    assert proxy.credentials == ["Basic " + base64.b64encode(b"house:word").decode()]
    assert NAME not in names.asked
    assert "proxy-authorization" not in reply.request_headers


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize("url", ["https://169.254.169.254/", "https://[::ffff:10.0.0.1]/", "https://localhost/",
                                 "http://hooks.example.com/", "https://hooks.example.com:22/"])
def test_what_may_not_be_called_is_not_asked_of_the_proxy(authority: Authority, monkeypatch: pytest.MonkeyPatch,
                                                          url: str) -> None:
    async def send() -> tuple[Reply, Proxy]:
        async with house(authority, monkeypatch) as (transport, proxy):
            return await transport.send(Message(url, {}, b"{}")), proxy
    reply, proxy = asyncio.run(send())
    assert reply.error_class in {ErrorClass.FORBIDDEN_ADDRESS, ErrorClass.INVALID_URL}
    assert proxy.asked == []


@pytest.mark.usefixtures("names")
def test_a_proxy_that_refuses_is_an_outcome_that_names_no_secret(authority: Authority,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    async def send() -> Reply:
        async with house(authority, monkeypatch, b"HTTP/1.1 407 No\r\ncontent-length: 0\r\n\r\n") as (transport, _):
            return await transport.send(Message(f"https://{NAME}/", {}, b"{}"))
    reply = asyncio.run(send())
    assert (reply.status, reply.error_class) == (None, ErrorClass.CONNECT)
    assert "407" in (reply.error or "")
    assert "word" not in repr(reply)


def test_a_name_is_registered_without_asking_a_resolver_of_ours(
        authority: Authority, names: ScriptedNames, monkeypatch: pytest.MonkeyPatch) -> None:
    names.answers[NAME] = ("10.0.0.1",)
    settings.cache_clear()
    asyncio.run(check_early(f"https://{NAME}/", destinations(), through_proxy=True))
    assert names.asked == []


@pytest.mark.usefixtures("names")
def test_a_house_of_its_own_is_reached_by_http_through_the_proxy_too(receiver: Receiver,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    async def send() -> list[Reply]:
        monkeypatch.setenv("TUNEWORKS_WEBHOOK_ALLOW", "hooks.internal")
        monkeypatch.setenv("TUNEWORKS_WEBHOOK_PROXY", receiver.url.replace("://", "://house:word@"))
        settings.cache_clear()
        async with Transport() as transport:
            return [await transport.send(Message("http://hooks.internal/hook", {}, b"{}")) for _ in range(2)]
    assert [each.status for each in asyncio.run(send())] == [200, 200]
    assert [(each.path, each.headers["host"], each.headers["proxy-authorization"].split()[0])
            for each in receiver.requests] == [("/hook", "hooks.internal", "Basic")] * 2


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "http://house:word@proxy.internal:3128"])
def test_a_proxy_that_is_away_is_told_without_its_address(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    async def send() -> Reply:
        monkeypatch.setenv("TUNEWORKS_WEBHOOK_PROXY", proxy)
        settings.cache_clear()
        async with Transport() as transport:
            return await transport.send(Message(f"https://{NAME}/", {}, b"{}"))
    reply = asyncio.run(send())
    assert (reply.error_class, reply.error) == (ErrorClass.CONNECT, "The proxy of this house could not be reached.")


@pytest.mark.usefixtures("names")
def test_proxies_of_the_environment_are_not_used(authority: Authority, names: ScriptedNames,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    async def send() -> tuple[Reply, Proxy]:
        async with house(authority, monkeypatch) as (_, proxy):
            monkeypatch.delenv("TUNEWORKS_WEBHOOK_PROXY")
            for variable in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
                monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
            settings.cache_clear()
            async with Transport(tls=authority.trusted()) as direct:
                return await direct.send(Message(f"https://{NAME}/", {}, b"{}")), proxy
    reply, proxy = asyncio.run(send())
    assert (reply.error_class, proxy.asked) == (ErrorClass.DNS, [])
