"""Whatever a caller sends: never a fault of ours, always the whole envelope, always a request id."""

import json
import logging
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web
from fastapi.testclient import TestClient

from service.settings import settings
from tests.fixtures.receiver import Receiver
from tests.isolation.estate import Estate, settle
from tests.isolation.routes import Route, fields, routes

RAW = [
    b"", b"{", b"}", b"nul", b"[]", b"[[[]]]", b'"text"', b"5", b"null", b"NaN", b"{}{}", b"\x00", b"\xff\xfe",
    b"\xef\xbb\xbf{}", "{}".encode("utf-16"), b"[" * 100_000, b'{"a":' * 50_000, b'{"a": ' + b"9" * 5_000 + b"}",
    b'{"a": 1e999}', b'{"a": NaN}', b'{"a": -Infinity}', b'{"a": "\\u0000"}', b'{"a": "\\ud800"}', b'{"\\ud800": 1}',
    b'{"\\u0000": 1}', b'{"a": 1, "a": 2}', b"{'a': 1}", b'{"a": "\xff"}', b'{"is_admin": true, "project_id": "p"}',
    b'{"": ""}', b'{"' + b"k" * 70_000 + b'": 1}', b"-" * 1000, b'{"a": ' + b"[" * 900 + b"]" * 900 + b"}",
]
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 1.5, -0.0, 2**31, 2**63, -(2**63) - 1, 10**30, 10**400, 1e308, float("nan"),
    float("inf"), "", " ", "auto", "a\x00b", "\ud800", "\U0010ffff", "\u202e", "../../etc/passwd", "' or 1=1 --",
    "%s%n{}${x}", "x" * 70_000, [], [None], ["x"], [1], [[]], [{}], ["\x00"], ["\ud800"], [{"a": "\x00"}], {},
    {"a": None}, {"": ""}, {"a": {"b": {"c": []}}}, {"type": "x"}, {"type": 1}, {"a\x00": "b"}, {"a": "\x00"},
    {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 10**400}}}, {"k" * 5_000: "v"},
    {str(number): "v" for number in range(200)}, [0] * 5_000,
]
NAMES = ["is_admin", "", "a.b", "\x00", "\ud800", "x" * 5_000, "__proto__", "constructor", "id", "[key]", "💩"]
CONTENT_TYPES = [
    "", "text/plain", "application/xml", "application/x-www-form-urlencoded", "multipart/form-data",
    "multipart/form-data; boundary=", "multipart/form-data; boundary=x", "application/json; charset=utf-7",
    "application/json; charset=\xff", "APPLICATION/JSON", "application/vnd.api+json", ";", "a" * 5_000,
]
QUERY = [
    "abc", "-1", "0", "1.5", "1e3", "1" + "0" * 30, "9" * 5_000, "", "%00", "%FF", "%ED%A0%80", "true", "null", "[]",
    "x" * 3_000, "%F0%9F%92%A9", "' or 1=1", "%25s", "NaN", "+1", "%EF%BC%91",
]
SEGMENTS = [
    "%00", "a%00b", "%FF%FE", "%ED%A0%80", "..%2F..%2Fetc", "%2E%2E", "x" * 300, "x" * 5_000, "%F0%9F%92%A9", "%20",
    "%0D%0Aset-cookie:a", "a%2Fb", "'--", "{}", "$x", "-1", "null", "%25", ":", "ft:a:b::c",
]
KEYS = [
    "", "Bearer", "Bearer ", "bearer x", "Basic x", "Bearer \xff\xfe", "Bearer " + "k" * 10_000, "Bearer a b c",
    "Digest", "Bearer tw-proj-\x80",
]
HEADERS = [{"authorization": key} for key in KEYS] + [
    {"x-client-request-id": "r" * 513}, {"x-client-request-id": "é"}, {"openai-organization": "\xff"},
    {"content-encoding": "gzip"}, {"transfer-encoding": "gzip"}, {"content-length": "-1"}, {"accept": "\xff"},
    {"range": "bytes=5-1"}, {"host": ""}, {"expect": "the unexpected"}, {"if-match": "*"},
    {"idempotency-key": ""}, {"idempotency-key": "é"}, {"idempotency-key": "k" * 256}, {"idempotency-key": "k"},
]
WIRE = [
    b"GET /v1/files/\xff\xfe HTTP/1.1\r\nhost: x\r\n", b"GET /v1/files/caf\xc3\xa9 HTTP/1.1\r\nhost: x\r\n",
    b"GET /v1/files?after=\xff HTTP/1.1\r\nhost: x\r\n", b"GET //v1//files HTTP/1.1\r\nhost: x\r\n",
    b"GET /v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer \xff\xfe\r\n", b"OPTIONS * HTTP/1.1\r\nhost: x\r\n",
    b"GET http://elsewhere/v1/files HTTP/1.1\r\nhost: x\r\n", b"GET /v1/files HTTP/9.9\r\nhost: x\r\n",
    b"GET /v1/files HTTP/1.1\r\n", b"GET /v1/files%zz HTTP/1.1\r\nhost: x\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01",
    b"POST /v1/uploads HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n",
    b"POST /v1/uploads HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n",
    b"POST /v1/uploads HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    b"GET /v1/files HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 2_000,
    b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nhost: x\r\n", b"CONNECT /v1/files HTTP/1.1\r\nhost: x\r\n",
    b"GET /v1/files HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n",
]


def deep(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = {"a": [value]}
    return value


@pytest.fixture(scope="module")
def quiet() -> Iterator[None]:
    """No log line for each of thousands of requests."""
    logger = logging.getLogger("httpx2")
    before, logger.level = logger.level, logging.WARNING
    yield
    logger.setLevel(before)


async def answer_chat(request: web.Request) -> web.Response:
    """As a chat server does that knows every model, for a request that passed everything of ours."""
    asked = json.loads(await request.read())
    return web.json_response({"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": asked["model"],
                              "choices": []})


@pytest.fixture
def chat_server(house: None, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """What hostile requests make of mappings may lead to a base model: its server is there, so that no 503 is due."""
    receiver.answers = [answer_chat]
    monkeypatch.setenv("TUNEWORKS_SERVING_URL", receiver.url)
    settings.cache_clear()
    yield receiver
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def estate(chat_server: Receiver, app_client: TestClient, quiet: None) -> Estate:
    return settle(app_client, "Target")


class Judge:
    """Collects every answer that is not as it must be."""

    def __init__(self) -> None:
        self.asked = 0
        self.wrong: list[str] = []

    def hear(self, answer: Any, about: str) -> None:
        self.asked += 1
        fault = self._fault(answer)
        if fault:
            self.wrong.append(f"{about[:160]}: {fault}")

    @staticmethod
    def _fault(answer: Any) -> str | None:
        if answer.status_code >= 500:
            return f"{answer.status_code} {answer.text[:200]}"
        if not answer.headers.get("x-request-id", "").startswith("req_"):
            return "no x-request-id"
        if answer.status_code < 400:
            return None
        try:
            error = json.loads(answer.content)["error"]
        except (ValueError, KeyError, TypeError):
            return f"no envelope: {answer.text[:200]}"
        if set(error) != {"message", "type", "param", "code"} or not error["message"]:
            return f"no whole envelope: {error}"
        return None if len(answer.content) < 3_000 else f"an answer of {len(answer.content)} bytes"


@pytest.fixture
def judge() -> Iterator[Judge]:
    judge = Judge()
    yield judge
    assert judge.wrong == []
    assert judge.asked > 100


def client_for(estate: Estate, route: Route) -> TestClient:
    return estate.admin if route.is_administrative else estate.tenant.client


def send(estate: Estate, route: Route, **request: Any) -> Any:
    return client_for(estate, route).request(route.method, route.url(estate.ids), **request)


JSON_ROUTES = [route for route in routes() if route.content_type == "application/json"]


def test_bodies_that_are_no_sensible_json(estate: Estate, judge: Judge) -> None:
    for route in JSON_ROUTES:
        for raw in RAW:
            answer = send(estate, route, content=raw, headers={"content-type": "application/json"})
            judge.hear(answer, f"{route} {raw!r}")


def test_wrong_values_in_every_field(estate: Estate, judge: Judge) -> None:
    for route in JSON_ROUTES:
        valid = route.request()["json"]
        for field in fields(route):
            for value in [*VALUES, deep(60)]:
                raw = json.dumps({**valid, field: value}).encode()
                answer = send(estate, route, content=raw, headers={"content-type": "application/json"})
                judge.hear(answer, f"{route} {field}={value!r}")


def test_fields_that_nobody_knows(estate: Estate, judge: Judge) -> None:
    for route in JSON_ROUTES:
        for name in NAMES:
            raw = json.dumps({**route.request()["json"], name: 1}).encode()
            answer = send(estate, route, content=raw, headers={"content-type": "application/json"})
            judge.hear(answer, f"{route} {name!r}")


def test_content_types(estate: Estate, judge: Judge) -> None:
    for route in routes():
        if route.method in {"POST", "PUT", "PATCH"}:
            for content_type in CONTENT_TYPES:
                for raw in (b"{}", b"--x\r\n\r\n", b"\xff\x00" * 10):
                    headers = {"content-type": content_type.encode("latin-1")}
                    judge.hear(send(estate, route, content=raw, headers=headers), f"{route} {content_type!r} {raw!r}")


def test_bodies_that_are_too_large(estate: Estate, judge: Judge) -> None:
    for route in JSON_ROUTES:
        size = settings().max_body_bytes
        for body in (b" " * (size + 1), iter([b" " * 1024] * (size // 1024 + 2))):
            answer = send(estate, route, content=body, headers={"content-type": "application/json"})
            judge.hear(answer, f"{route} too large")
            if answer.status_code != 413:
                judge.wrong.append(f"{route}: {answer.status_code} for a body that is too large")
    judge.asked += 100


def test_query_values(estate: Estate, judge: Judge) -> None:
    for route in routes():
        if route.method != "GET":
            continue
        client, url = client_for(estate, route), route.url(estate.ids)
        for name in (*route.query_parameters, "metadata[a]"):
            for value in QUERY:
                judge.hear(client.get(f"{url}?{name}={value}"), f"{route} {name}={value}")
            judge.hear(client.get(f"{url}?{name}=1&{name}=2&{name}"), f"{route} {name} repeated")
        for odd in ("?", "&&&", "=", "%", "a=b=c", ";", "%00=1", "limit[]=1", "\xff", "limit=1;limit=2", "a" * 5_000):
            judge.hear(client.get(f"{url}?{odd}"), f"{route} ?{odd}")


def test_path_segments(estate: Estate, judge: Judge) -> None:
    for route in routes():
        client = client_for(estate, route)
        for name in route.path_parameters:
            for segment in SEGMENTS:
                answer = client.request(route.method, route.url({**estate.ids, name: segment}), **route.request())
                judge.hear(answer, f"{route} {name}={segment}")


def test_headers(estate: Estate, judge: Judge) -> None:
    for route in routes():
        for headers in HEADERS:
            encoded = {name: value.encode("latin-1") for name, value in headers.items()}
            judge.hear(send(estate, route, headers=encoded, **route.request()), f"{route} {headers}")


def test_methods_and_paths_that_are_not_there(estate: Estate, judge: Judge) -> None:
    for route in routes():
        for method in ("PUT", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "DELETE" if route.method == "GET" else "GET"):
            judge.hear(client_for(estate, route).request(method, route.url(estate.ids)), f"{method} {route.path}")
        for path in (f"{route.url(estate.ids)}/", f"/{route.url(estate.ids)}", f"{route.url(estate.ids)}/nothing"):
            judge.hear(client_for(estate, route).request(route.method, path), f"{route.method} {path}")


def test_bytes_that_no_client_library_sends(live_api: str) -> None:
    """Some are refused by the HTTP server before we hear of them; none may be answered with a fault."""
    host, _, port = live_api.removeprefix("http://").partition(":")
    statuses = {}
    for raw in WIRE:
        with (suppress(ConnectionError),  # cut off by the server, which had heard enough
              socket.create_connection((host, int(port)), timeout=5) as connection):
            connection.sendall(raw + b"connection: close\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile("rb") as told:
                statuses[raw[:60]] = told.readline()
    assert {raw: line for raw, line in statuses.items() if b" 5" in line[:13]} == {}
    assert any(b"401" in line for line in statuses.values())
