"""One attempt on the wire: what is sent, what is read back, and what is never followed or trusted."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from service.kit.addresses import ForbiddenAddress
from service.kit.connections import CheckedResolver, resolve_early
from service.settings import settings
from service.webhooks.replies import Reply
from service.webhooks.sending import Message, Transport, send
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

    def test_the_head_that_is_kept_is_the_head_that_arrived(self, receiver: Receiver) -> None:
        reply = asyncio.run(send(message(receiver.url)))
        assert reply.request_headers == receiver.requests[0].headers
        assert reply.response_headers is not None
        assert {"date", "server"} <= set(reply.response_headers)

    @pytest.mark.parametrize(("status", "found"), [
        (301, "redirect"), (302, "redirect"), (307, "redirect"), (308, "redirect"), (304, "redirect"),
        (400, "client_error"), (404, "client_error"), (410, "gone"), (429, "throttled"), (500, "server_error"),
        (503, "server_error"), (599, "server_error"), (600, "malformed"), (999, "malformed")])
    def test_only_2xx_is_accepted(self, receiver: Receiver, status: int, found: str) -> None:
        receiver.answers = [status]
        reply = asyncio.run(send(message(receiver.url)))
        assert (reply.status, reply.accepted, reply.error_class) == (status, False, found)
        assert reply.error == f"The endpoint answered {status}."

    @pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 299])
    def test_every_2xx_is(self, receiver: Receiver, status: int) -> None:
        receiver.answers = [status]
        reply = asyncio.run(send(message(receiver.url)))
        assert (reply.status, reply.accepted, reply.error, reply.error_class) == (status, True, None, None)

    @pytest.mark.parametrize("long", [0, 300])
    def test_heads_are_bounded_and_storable(self, long: int) -> None:
        async def talk() -> Reply:
            many = b"".join(b"x-%d: %s\r\n" % (number, b"v" * long) for number in range(60))
            async with raw_receiver([b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nx-odd: a\xffb\r\n"
                                     + many + b"content-length: 0\r\n\r\n"]) as (url, _):
                return await send(message(url))
        kept = asyncio.run(talk()).response_headers or {}
        assert (kept["set-cookie"], kept["x-odd"]) == ("a=1, b=2", "a?b")
        assert len(kept) == (28 if long else 50)
        assert sum(len(name) + len(value) for name, value in kept.items()) <= 8192

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
        assert (reply.status, reply.error, reply.error_class) == (None, "No answer within 1 s.", "timeout")

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
        assert (reply.error_class, reply.error) == ("connect", "The connection to 127.0.0.1 was refused.")
        assert reply.response_headers is None

    @pytest.mark.parametrize(("answer", "found", "told"), [
        (b"SSH-2.0-OpenSSH\r\n\r\n", "malformed", "The answer is no valid HTTP: bad status line 'SSH-2.0-OpenSSH'."),
        (b"HTTP/1.1 abc OK\r\n\r\n", "malformed", "The answer is no valid HTTP: bad status line 'HTTP/1.1 abc OK'."),
        (b"HTTP/1.1 200 OK\r\nx: " + b"v" * 100_000 + b"\r\n\r\n", "malformed",
         "The answer is no valid HTTP: got more than 8190 bytes when reading."),
        (b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", "malformed",
         "The answer is no valid HTTP: invalid header token 'bad header'."),
        (b"HTTP/1.1 200", "reset", "The connection was closed before the answer had begun."),
        (b"", "reset", "The connection was closed before the answer had begun.")])
    def test_an_answer_that_is_no_http_is_an_outcome_too(self, answer: bytes, found: str, told: str) -> None:
        async def talk() -> Reply:
            async with raw_receiver([answer]) as (url, _):
                return await send(message(url))
        reply = asyncio.run(talk())
        assert (reply.status, reply.error_class, reply.error) == (None, found, told)

    @pytest.mark.parametrize(("number", "status"), [(3, 200), (100_000, None)])
    def test_some_interim_answers_are_passed_over_and_a_flood_of_them_is_not(self, number: int,
                                                                             status: int | None) -> None:
        async def talk() -> Reply:
            async with raw_receiver([b"HTTP/1.1 100 Continue\r\n\r\n" * number + _OK]) as (url, _):
                return await send(message(url))
        reply = asyncio.run(talk())
        assert (reply.status, reply.error_class) == (status, None if status else "malformed")

    def test_a_receiver_that_resets_the_connection_is_an_outcome(self) -> None:
        async def talk() -> Reply:
            async with raw_receiver([None]) as (url, _):
                return await send(message(url))
        reply = asyncio.run(talk())
        assert (reply.error_class, reply.error) == ("reset", "The connection was reset before the answer had begun.")

    def test_a_body_that_breaks_off_counts_by_its_status(self) -> None:
        async def talk() -> Reply:
            async with raw_receiver([b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegun"]) as (url, _):
                return await send(message(url))
        reply = asyncio.run(talk())
        assert (reply.accepted, reply.body) == (True, "begun")


@pytest.mark.usefixtures("private_allowed")
class TestKeptConnections:
    def test_a_connection_serves_the_next_message_too(self) -> None:
        async def talk() -> tuple[list[int | None], int]:
            async with raw_receiver([_OK, _OK], keep=True) as (url, opened), Transport() as transport:
                return [(await transport.send(message(url))).status for _ in range(2)], len(opened)
        assert asyncio.run(talk()) == ([200, 200], 1)

    def test_one_that_the_receiver_gives_up_between_two_messages_costs_no_attempt(self) -> None:
        async def talk() -> tuple[list[int | None], int]:
            async with raw_receiver([_OK, b"", _OK], keep=True) as (url, opened), Transport() as transport:
                return [(await transport.send(message(url))).status for _ in range(2)], len(opened)
        assert asyncio.run(talk()) == ([200, 200], 2)

    def test_a_new_one_that_breaks_is_not_tried_again(self) -> None:
        async def talk() -> tuple[str | None, int]:
            async with raw_receiver([b"", _OK]) as (url, opened), Transport() as transport:
                return (await transport.send(message(url))).error_class, len(opened)
        assert asyncio.run(talk()) == ("reset", 1)

    def test_many_at_once_disturb_one_another_not(self, receiver: Receiver) -> None:
        async def talk() -> list[int | None]:
            async with Transport() as transport:
                sent = [transport.send(message(f"{receiver.url}/{number}")) for number in range(50)]
                return [each.status for each in await asyncio.gather(*sent)]
        assert asyncio.run(talk()) == [200] * 50
        assert len({each.path for each in receiver.requests}) == 50


_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


@asynccontextmanager
async def raw_receiver(answers: list[bytes | None], *, keep: bool = False) -> AsyncIterator[tuple[str, list[int]]]:
    """Answers requests with these bytes in turn, and hangs up after each (b"": without an answer, None: resets).

    With `keep` it hangs up after an empty answer only. Yields its URL and the connections as they come.
    """
    opened: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.append(1)
        while answers:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]))
            answer = answers.pop(0)
            if answer is None:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                break
            writer.write(answer)
            await writer.drain()
            if not (keep and answer):
                break
        writer.close()
    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", opened


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
        assert reply.error_class == "forbidden_address"
        assert "127.0.0.1" not in (reply.error or "127.0.0.1")
        assert receiver.requests == []
        with pytest.raises(ForbiddenAddress):
            asyncio.run(resolve_early("https://hooks.example.com/", allow_private=False))

    def test_a_name_that_does_not_resolve_yet_may_be_registered(self) -> None:
        asyncio.run(resolve_early("https://nowhere.invalid/hook", allow_private=False))
