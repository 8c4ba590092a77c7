"""kill -9 of senders in the middle of deliveries: nothing is lost, and what comes twice bears the same id and body."""

import asyncio
import json
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import select

from service.embedded.health import live_senders
from service.events import operations as events
from service.events.tables import Event
from service.events.types import EventType
from service.kit.database import transaction
from service.settings import child_environment, settings
from service.webhooks.tables import WebhookAttempt, WebhookDelivery
from tests.fixtures.api import Tenant
from tests.fixtures.receiver import Receiver
from tests.fixtures.whole_house import until
from tests.worker.sender.driving import deliveries, register

Start = Callable[[], "subprocess.Popen[bytes]"]
_ENDPOINTS = 5
_EVENTS = 120
_KILLS = 6


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts senders whose leases are short, and ends them after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def begin() -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(
            [sys.executable, "-m", "worker.sender"], stdin=subprocess.DEVNULL,
            env=child_environment(TUNEWORKS_WEBHOOK_TIMEOUT_SECONDS="1.5")))
        return started[-1]
    yield begin
    for each in started:
        each.kill()
        each.wait()


def watching() -> int:
    return live_senders(settings().database_url.get_secret_value())


def slowly(seconds: float) -> Any:
    async def answer(_: web.Request) -> web.Response:
        await asyncio.sleep(seconds)
        return web.Response()
    return answer


def happen(tenant: Tenant, count: int) -> None:
    with transaction(tenant.scope) as session:
        for number in range(count):
            events.append(session, EventType.JOB_SUCCEEDED, f"ftjob-{number}", project_id=tenant.project_id)


def all_delivered(tenant: Tenant, count: int) -> bool:
    found = deliveries(tenant)
    return len(found) == count and all(each.state == "delivered" for each in found)


def test_nothing_is_lost_and_ids_are_stable(tenant: Tenant, receiver: Receiver, start: Start, seed: int) -> None:
    draw = random.Random(seed)
    receiver.answers = [slowly(0.05)]
    for number in range(_ENDPOINTS):
        register(tenant, f"{receiver.url}/{number}")
    senders = [start(), start()]
    until(lambda: watching() == 2, 60, "both are there")
    for _ in range(_KILLS):
        happen(tenant, _EVENTS // _KILLS)
        seen = len(receiver.requests)
        until(lambda seen=seen: len(receiver.requests) > seen + 3, 60, f"deliveries are under way (seed {seed})")  # type: ignore[misc]  # the default binds the loop's number
        time.sleep(draw.uniform(0.0, 0.1))
        victim = senders.pop(draw.randrange(2))
        victim.kill()
        victim.wait()
        senders.append(start())
    until(lambda: all_delivered(tenant, _EVENTS * _ENDPOINTS), 120, f"everything is delivered (seed {seed})")
    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    bodies: dict[str, set[tuple[str, bytes]]] = defaultdict(set)
    for request in receiver.requests:
        bodies[request.headers["webhook-id"]].add((request.path, request.body))
        ids[request.path, json.loads(request.body)["id"]].add(request.headers["webhook-id"])
    assert set(bodies) == {each.id for each in deliveries(tenant)}, f"seed {seed}"
    assert len(ids) == _EVENTS * _ENDPOINTS
    assert {len(each) for each in ids.values()} == {len(each) for each in bodies.values()} == {1}, f"seed {seed}"
    _judge_what_is_kept(tenant)


def _judge_what_is_kept(tenant: Tenant) -> None:
    """Every event told, one attempt at least for each delivery, numbered without a gap, and none left under way."""
    with transaction(tenant.scope) as session:
        assert not session.scalars(select(Event.id).where(Event.told_at.is_(None))).all()
        numbers = defaultdict(list)
        for attempt in session.scalars(select(WebhookAttempt).order_by(WebhookAttempt.position)):
            numbers[attempt.delivery_id].append(attempt.number)
        found = session.scalars(select(WebhookDelivery)).all()
    assert {each.lease for each in found} == {None}
    assert numbers == {each.id: list(range(1, each.attempts + 1)) for each in found}


def test_what_a_killed_one_held_is_sent_by_another_after_its_lease(tenant: Tenant, receiver: Receiver,
                                                                   start: Start) -> None:
    receiver.answers = [slowly(30), 200]
    register(tenant, receiver.url)
    first = start()
    happen(tenant, 1)
    until(lambda: len(receiver.requests) == 1, 60, "it is under way")
    first.kill()
    start()
    until(lambda: all_delivered(tenant, 1), 60, "another sends it")
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
    assert len(receiver.requests) == 2
    assert deliveries(tenant)[0].attempts == 1  # the first one is known to nobody


def test_a_stopped_one_ends_what_it_has_begun(tenant: Tenant, receiver: Receiver, start: Start) -> None:
    receiver.answers = [slowly(1.0)]
    register(tenant, receiver.url)
    sender = start()
    happen(tenant, 8)
    until(lambda: len(receiver.requests) == settings().webhook_concurrency, 60, "some are under way")
    sender.send_signal(signal.SIGTERM)
    assert sender.wait(60) == 0
    found = deliveries(tenant)
    assert {each.lease for each in found} == {None}
    assert sorted(each.state for each in found) == ["delivered"] * 4 + ["pending"] * 4
    assert len(receiver.requests) == 4
