"""Requests get to the database in the order they came, and however many come, those that began can end."""

import asyncio
from collections import Counter
from collections.abc import Iterator

import aiohttp
import pytest

from service.kit import admission, database
from service.kit.admission import Admission, Overloaded
from service.settings import settings
from tests.fixtures.api import Tenant


@pytest.fixture(autouse=True)
def four_connections(house: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TUNEWORKS_DATABASE_POOL_SIZE", "4")
    settings.cache_clear()
    database.engine.cache_clear()
    yield
    database.engine().dispose()
    monkeypatch.undo()
    settings.cache_clear()
    database.engine.cache_clear()


def test_one_connection_is_left_to_others_and_places_go_to_those_who_waited_longest() -> None:
    order: list[int] = []

    async def follow(admitted: Admission, number: int) -> None:
        await admitted.enter(number)
        order.append(number)

    async def run() -> None:
        admitted = Admission()
        tasks = []
        for number in range(6):
            tasks.append(asyncio.create_task(follow(admitted, number)))
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        assert order == [0, 1, 2]
        for number in range(3):
            admitted.leave(number)
        await asyncio.gather(*tasks)
        assert order == [0, 1, 2, 3, 4, 5]

    asyncio.run(run())


def test_who_waits_too_long_is_told_to_come_again_and_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "_PATIENCE_SECONDS", 0.02)

    async def run() -> None:
        admitted = Admission()
        for number in range(3):
            await admitted.enter(number)
        with pytest.raises(Overloaded) as refused:
            await admitted.enter("late")
        assert (refused.value.status, refused.value.headers["retry-after"]) == (503, "2")
        admitted.leave(0)
        await admitted.enter("again")

    asyncio.run(run())


def test_many_more_requests_than_threads_and_connections_are_all_answered(tenant: Tenant, live_api: str) -> None:
    """Were every connection held by requests that wait for a thread, no thread would get one, for ten seconds each."""
    async def ask(session: aiohttp.ClientSession) -> int:
        async with session.get(f"{live_api}/v1/events?limit=1") as answer:
            return answer.status

    async def run() -> Counter[int]:
        headers = {"authorization": f"Bearer {tenant.key}"}
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers) as session:
            return Counter(await asyncio.gather(*(ask(session) for _ in range(120))))

    assert asyncio.run(run()) == {200: 120}
