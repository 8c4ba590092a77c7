"""Requests get to the database in the order they came, and however many come, those that began can end."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence

import aiohttp
import httpx2
import pytest

from service.app import create_app
from service.kit import admission
from service.kit.admission import Admission, Overloaded, admitted
from service.tenants.access import Caller, in_transaction
from tests.fixtures.api import Tenant
from tests.fixtures.database import begin_anew


@pytest.fixture(autouse=True)
def four_connections(house: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TUNEWORKS_DATABASE_POOL_SIZE", "4")
    begin_anew()
    yield
    monkeypatch.undo()
    begin_anew()


def test_one_connection_is_left_to_others_and_places_go_to_those_who_waited_longest() -> None:
    order: list[int] = []

    async def follow(places: Admission, number: int) -> None:
        await places.enter(number)
        order.append(number)

    async def run() -> None:
        places = Admission()
        tasks = []
        for number in range(6):
            tasks.append(asyncio.create_task(follow(places, number)))
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        assert order == [0, 1, 2]
        for number in range(3):
            places.leave(number)
        await asyncio.gather(*tasks)
        assert order == [0, 1, 2, 3, 4, 5]

    asyncio.run(run())


def test_who_waits_too_long_is_told_to_come_again_and_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "_PATIENCE_SECONDS", 0.02)

    async def run() -> None:
        places = Admission()
        for number in range(3):
            await places.enter(number)
        with pytest.raises(Overloaded) as refused:
            await places.enter("late")
        assert (refused.value.status, refused.value.headers["retry-after"]) == (503, "2")
        places.leave(0)
        await places.enter("again")

    asyncio.run(run())


def test_what_is_one_transaction_within_one_thread_waits_for_its_turn_too(tenant: Tenant) -> None:
    order: list[str] = []

    async def run() -> None:
        async with admitted(), admitted(), admitted():
            caller = Caller("key_1", "org_1", tenant.project_id, "slug")
            asked = asyncio.create_task(in_transaction(caller, lambda _: order.append("transaction")))
            await asyncio.sleep(0.1)
            order.append("place")
        await asked

    asyncio.run(run())
    assert order == ["place", "transaction"]


@pytest.mark.parametrize("path", ["/notifications/confirm/x", "/notifications/unsubscribe/x",
                                  "/v1/credentials/cred_1/webhook"])
def test_so_does_what_needs_no_key(path: str) -> None:
    async def run() -> int:
        transport = httpx2.ASGITransport(create_app())
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            await client.post(path, json={})  # the first one makes the connection
            async with admitted(), admitted(), admitted():
                asked = asyncio.create_task(client.post(path, json={}))
                await asyncio.sleep(0.3)
                assert not asked.done()
            return (await asked).status_code

    assert asyncio.run(run()) in {400, 404}


def answers(live_api: str, tenant: Tenant, asked: Sequence[tuple[str, str, dict[str, str] | None]]) -> Counter[int]:
    """The statuses of requests that are all made at once."""
    async def ask(session: aiohttp.ClientSession, method: str, path: str, body: dict[str, str] | None) -> int:
        async with session.request(method, f"{live_api}/v1/{path}", json=body) as answer:
            return answer.status

    async def run() -> Counter[int]:
        headers = {"authorization": f"Bearer {tenant.key}"}
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers) as session:
            return Counter(await asyncio.gather(*(ask(session, *each) for each in asked)))

    return asyncio.run(run())


def test_many_more_requests_than_threads_and_connections_are_all_answered(tenant: Tenant, live_api: str) -> None:
    """Were every connection held by requests that wait for a thread, no thread would get one, for ten seconds each."""
    assert answers(live_api, tenant, [("GET", "events?limit=1", None)] * 120) == {200: 120}


def test_requests_that_all_want_one_row_leave_a_thread_to_the_one_that_has_it(tenant: Tenant, live_api: str) -> None:
    """Those that are one transaction within one thread would take all threads else, and wait there for the row."""
    made = tenant.client.post("/v1/webhook_endpoints", json={
        "name": "one", "url": "https://1.1.1.1/", "event_types": ["*"]}).json()
    path = f"webhook_endpoints/{made['id']}"
    asked: list[tuple[str, str, dict[str, str] | None]] = [
        ("POST", f"{path}/rotate_secret", {}), ("POST", f"{path}/rotate_secret", {}), ("POST", path, {"name": "other"})]
    assert answers(live_api, tenant, asked * 60) == {200: 180}
