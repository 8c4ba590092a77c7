"""What every request passes through: ids, headers, and the limits on bodies."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from service.kit.http import BodyGuard, RequestContext
from service.settings import settings
from tests.fixtures.api import Administrator, Tenant


def test_answers_carry_the_headers_that_clients_of_openai_know(tenant: Tenant, administrator: Administrator) -> None:
    told = tenant.client.get("/v1/webhook_endpoints").headers
    assert (told["openai-organization"], told["openai-project"]) == (tenant.organization_id, tenant.project_id)
    assert told["openai-version"] == "2020-10-01"
    assert told["openai-processing-ms"].isdecimal()
    assert "openai-project" not in administrator.client.get("/v1/organization/projects").headers


def test_every_request_has_an_id_of_its_own(app_client: TestClient) -> None:
    ids = {app_client.get("/v1/nothing").headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5


@pytest.mark.parametrize(("sent", "status"), [("a" * 512, 404), ("a" * 513, 400), ("é", 400)])
def test_a_clients_own_id_is_short_ascii(app_client: TestClient, sent: str, status: int) -> None:
    answer = app_client.get("/v1/nothing", headers=[(b"x-client-request-id", sent.encode())])
    assert answer.status_code == status


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_that_is_too_large_is_refused(tenant: Tenant, declared: bool) -> None:
    size = settings().max_body_bytes + 1
    body: Any = b" " * size if declared else iter([b" " * 65_536] * (size // 65_536 + 1))
    answer = tenant.client.post("/v1/webhook_endpoints", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "request_too_large"


@pytest.fixture
def impatient(house: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TUNEWORKS_BODY_TIMEOUT_SECONDS", "0.05")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


async def exchange(app: Any, messages: list[Message]) -> list[Message]:
    """Run an ASGI application on the given messages; after the last one nothing more arrives."""
    sent: list[Message] = []

    async def receive() -> Message:
        if messages:
            return messages.pop(0)
        await asyncio.sleep(60)
        raise AssertionError("waited for a body that never comes")

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"type": "http", "method": "POST", "path": "/v1/files", "headers": []}, receive, send)
    return sent


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("piece", "status"), [(b"x", 408), (b"x" * 1024, 200)])
def test_a_body_that_trickles_is_cut_off_and_a_slow_one_is_not(piece: bytes, status: int) -> None:
    async def reads_all(_: Scope, receive: Receive, send: Send) -> None:
        async def slowly() -> Message:
            await asyncio.sleep(0.02)
            return await receive()

        async def reads(_: Scope, receive: Receive, send: Send) -> None:
            while (await receive()).get("more_body"):
                pass
            await send({"type": "http.response.start", "status": 200, "headers": []})

        await BodyGuard(reads)({"type": "http", "path": "/v1/files", "headers": []}, slowly, send)

    body: list[Message] = [{"type": "http.request", "body": piece, "more_body": number < 9} for number in range(10)]
    assert asyncio.run(exchange(RequestContext(reads_all), body))[0]["status"] == status


@pytest.mark.usefixtures("impatient")
def test_a_body_that_stops_arriving_is_cut_off() -> None:
    async def reads_all(_: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
    sent = asyncio.run(exchange(RequestContext(BodyGuard(reads_all)),
                                [{"type": "http.request", "body": b"{", "more_body": True}]))
    assert sent[0]["status"] == 408


@pytest.mark.usefixtures("house")
def test_a_caller_who_goes_away_is_no_fault_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    async def reads_all(scope: Scope, receive: Receive, _: Send) -> None:
        await Request(scope, receive).body()
    with caplog.at_level(logging.INFO):
        assert asyncio.run(exchange(RequestContext(BodyGuard(reads_all)), [{"type": "http.disconnect"}])) == []
    assert [record.levelname for record in caplog.records if record.name.startswith("service")] == ["INFO"]


@pytest.mark.usefixtures("house")
def test_a_fault_in_the_middle_of_an_answer_is_not_made_into_another() -> None:
    async def breaks(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise KeyError("late")
    with pytest.raises(KeyError):
        asyncio.run(exchange(RequestContext(breaks), []))
