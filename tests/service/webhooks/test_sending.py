"""One attempt on the wire: what is sent, what is read back, and what is never followed or trusted."""

import asyncio
import gzip
import socket
from collections.abc import Iterator

import pytest
from aiohttp import web

from service.kit.addresses import ForbiddenAddress
from service.kit.connections import CheckedResolver, resolve_early
from service.settings import settings
from service.webhooks.sending import Message, send
from tests.fixtures.receiver import Receiver


@pytest.fixture
def private_allowed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TUNEWORKS_WEBHOOK_ALLOW_PRIVATE", "true")
    monkeypatch.setenv("TUNEWORKS_WEBHOOK_TIMEOUT_SECONDS", "1")
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def public_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TUNEWORKS_WEBHOOK_ALLOW_PRIVATE", "false")
    monkeypatch.setenv("TUNEWORKS_WEBHOOK_PORTS", ",".join(map(str, range(1024, 65536))))
    settings.cache_clear()
    yield
    settings.cache_clear()


def message(url: str) -> Message:
    return Message(url, {"webhook-id": "wh_1"}, b'{"a":1}')


@pytest.mark.usefixtures("private_allowed")
class TestSend:
    def test_the_bytes_and_headers_arrive_as_they_were_signed(self, receiver: Receiver) -> None:
        reply = asyncio.run(send(message(f"{receiver.url}/hook?x=%2F")))
        assert (reply.status, reply.accepted, reply.error) == (200, True, None)
        [request] = receiver.requests
        assert request.body == b'{"a":1}'
        assert request.headers["content-type"] == "application/json"
        assert request.headers["webhook-id"] == "wh_1"
        assert request.headers["user-agent"].startswith("Tuneworks/")

    @pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 410, 500, 503])
    def test_only_2xx_is_accepted(self, receiver: Receiver, status: int) -> None:
        receiver.answers = [status]
        reply = asyncio.run(send(message(receiver.url)))
        assert (reply.status, reply.accepted) == (status, False)
        assert reply.error == f"The endpoint answered {status}."

    def test_redirects_are_not_followed(self, receiver: Receiver) -> None:
        async def elsewhere(_: web.Request) -> web.Response:
            return web.Response(status=307, headers={"location": f"{receiver.url}/secret"})
        receiver.answers = [elsewhere]
        assert asyncio.run(send(message(f"{receiver.url}/hook"))).status == 307
        assert [request.path for request in receiver.requests] == ["/hook"]

    def test_a_long_answer_is_cut(self, receiver: Receiver) -> None:
        async def long(_: web.Request) -> web.Response:
            return web.Response(body=b"x" * 100_000)
        receiver.answers = [long]
        assert asyncio.run(send(message(receiver.url))).body == "x" * 4096

    def test_an_answer_that_cannot_be_stored_as_text_is_mended(self, receiver: Receiver) -> None:
        async def odd(_: web.Request) -> web.Response:
            return web.Response(body=b"a\x00\xff")
        receiver.answers = [odd]
        assert asyncio.run(send(message(receiver.url))).body == "a\ufffd\ufffd"

    def test_a_compressed_answer_is_not_unpacked(self, receiver: Receiver) -> None:
        async def bomb(_: web.Request) -> web.Response:
            return web.Response(body=gzip.compress(b"\x00" * 1_000_000), headers={"content-encoding": "gzip"})
        receiver.answers = [bomb]
        reply = asyncio.run(send(message(receiver.url)))
        assert reply.accepted
        assert len(reply.body) <= 4096

    def test_a_receiver_that_never_answers_is_left_after_the_deadline(self, receiver: Receiver) -> None:
        async def never(_: web.Request) -> web.Response:
            await asyncio.sleep(30)
            return web.Response()
        receiver.answers = [never]
        reply = asyncio.run(send(message(receiver.url)))
        assert (reply.status, reply.error) == (None, "No answer within 1 s.")

    def test_an_answer_that_drips_counts_by_its_status(self, receiver: Receiver) -> None:
        async def drip(request: web.Request) -> web.StreamResponse:
            answer = web.StreamResponse(status=200)
            await answer.prepare(request)
            await answer.write(b"begun")
            await asyncio.sleep(30)
            return answer
        receiver.answers = [drip]
        reply = asyncio.run(send(message(receiver.url)))
        assert (reply.accepted, reply.body) == (True, "begun")

    @pytest.mark.parametrize(("header", "seconds"), [("120", 120.0), ("soon", None), ("-1", None), ("", None),
                                                     ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("9" * 40, 999999999.0)])
    def test_retry_after(self, receiver: Receiver, header: str, seconds: float | None) -> None:
        async def later(_: web.Request) -> web.Response:
            return web.Response(status=503, headers={"retry-after": header})
        receiver.answers = [later]
        assert asyncio.run(send(message(receiver.url))).retry_after == seconds

    def test_a_closed_port_is_an_outcome_not_an_exception(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}/"
            reply = asyncio.run(send(message(url)))
        assert reply.status is None
        assert "Connect" in (reply.error or "")

    def test_an_answer_that_is_no_http_is_an_outcome_too(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            async def talk() -> str | None:
                loop = asyncio.get_running_loop()
                sending = asyncio.create_task(send(message(f"http://127.0.0.1:{server.getsockname()[1]}/")))
                connection, _ = await loop.run_in_executor(None, server.accept)
                with connection:
                    connection.sendall(b"SSH-2.0-OpenSSH\r\n\r\n")
                    return (await sending).error
            assert asyncio.run(talk())


@pytest.mark.usefixtures("public_only")
class TestWalls:
    def test_no_socket_is_opened_to_a_literal_private_address(self, receiver: Receiver) -> None:
        reply = asyncio.run(send(message(receiver.url.replace("http:", "https:"))))
        assert reply.status is None
        assert "not a public address" in (reply.error or "")

    def test_no_name_that_resolves_to_loopback_is_connected_to(self) -> None:
        async def resolve() -> None:
            await CheckedResolver().resolve("localhost", 443)
        with pytest.raises(ForbiddenAddress):
            asyncio.run(resolve())

    def test_a_name_that_turned_private_after_registration_is_refused_at_the_attempt(
            self, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
        real = socket.getaddrinfo

        def rebound(host: str | bytes | None, *rest: object, **named: object) -> object:
            return real("127.0.0.1" if host == "hooks.example.com" else host, *rest, **named)  # type: ignore[arg-type]  # passed through
        monkeypatch.setattr(socket, "getaddrinfo", rebound)
        port = receiver.url.rpartition(":")[2]
        reply = asyncio.run(send(message(f"https://hooks.example.com:{port}/")))
        assert reply.status is None
        assert "127.0.0.1 is not a public address" in (reply.error or "")
        assert receiver.requests == []
        with pytest.raises(ForbiddenAddress):
            asyncio.run(resolve_early("https://hooks.example.com/", allow_private=False))

    def test_a_name_that_does_not_resolve_yet_may_be_registered(self) -> None:
        asyncio.run(resolve_early("https://nowhere.invalid/hook", allow_private=False))
