"""What goes wrong on our side of the sender: an outage, a planner that fails, an answer that cannot be kept."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from fastapi.testclient import TestClient
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from service.webhooks import operations
from service.webhooks.operations import Due
from service.webhooks.replies import Reply
from service.webhooks.sending import Transport
from tests.fixtures.api import Tenant, make_tenant
from tests.fixtures.receiver import Receiver
from tests.fixtures.whole_house import until
from tests.worker.sender.driving import Driver, attempts, deliveries, happen, register, states
from worker.sender import loop, places, turns
from worker.sender.loop import Sender


def test_an_outage_while_recording_loses_no_outcome_and_sends_nothing_twice(
        tenant: Tenant, receiver: Receiver, send: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    sound, refused = operations.record, [2]

    def record(*given: Any) -> None:
        if refused[0]:
            refused[0] -= 1
            raise OperationalError("update", {}, Exception("the server closed the connection"))
        sound(*given)
    monkeypatch.setattr(operations, "record", record)
    register(tenant, receiver.url)
    happen(tenant)
    for _ in range(2):
        with pytest.raises(OperationalError):
            send()
    assert states(tenant) == ["pending"]
    send()
    assert (states(tenant), len(receiver.requests), refused) == (["delivered"], 1, [0])


def test_a_planner_that_fails_keeps_no_delivery_back_and_no_event_is_lost(
        tenant: Tenant, receiver: Receiver, send: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[str]] = []

    def planner(_: Session, event_ids: Sequence[str]) -> None:
        asked.append(event_ids)
        if len(asked) == 1:
            raise RuntimeError("broken")
    register(tenant, receiver.url)
    happen(tenant)
    send()
    monkeypatch.setattr(turns, "PLANNERS", (planner,))
    receiver.answers = [200]
    second = happen(tenant)
    send()
    assert states(tenant) == ["delivered"]
    send()
    assert states(tenant) == ["delivered", "delivered"]
    assert asked == [[second], [second]]


def test_a_claim_that_fails_ends_no_sender_and_loses_no_delivery(
        tenant: Tenant, receiver: Receiver, send: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    sound, asked = operations.compose, list[Due]()

    def compose(due: Sequence[Due], *given: Any) -> Any:
        asked.extend(due)
        if len(due) == len(asked) == 1:
            raise RuntimeError("broken")
        return sound(due, *given)
    monkeypatch.setattr(operations, "compose", compose)
    register(tenant, receiver.url)
    happen(tenant)
    send()
    assert (states(tenant), len(asked)) == (["pending"], 1), "it is not tried again and again"
    send.clock.move(timedelta(minutes=5))
    send()
    assert states(tenant) == ["delivered"]


def test_one_event_that_cannot_be_read_fails_its_delivery_and_no_other(
        tenant: Tenant, receiver: Receiver, send: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = operations.load

    def load(session: Session, due: Sequence[Due], known: Any) -> Any:
        if any(each.subject == "ftjob-bad" for each in due):
            raise RecursionError("too deep")
        return sound(session, due, known)
    monkeypatch.setattr(operations, "load", load)
    register(tenant, receiver.url, payload="full")
    for subject in ("ftjob-1", "ftjob-bad", "ftjob-2"):
        happen(tenant, subject=subject)
    send()
    assert states(tenant) == ["delivered", "failed", "delivered"]


@pytest.mark.parametrize("unstorable", ["\x00", "\ud800"])
def test_one_attempt_that_cannot_be_kept_keeps_no_other_from_being_kept(
        tenant: Tenant, receiver: Receiver, send: Driver, monkeypatch: pytest.MonkeyPatch, unstorable: str) -> None:
    async def fine(_: web.Request) -> web.Response:
        return web.Response(text="fine")
    receiver.answers = [fine]
    sound = Transport.send

    async def send_(self: Transport, message: Any) -> Reply:
        reply = await sound(self, message)
        return Reply(reply.status, body=unstorable) if message.url.endswith("/odd") else reply
    monkeypatch.setattr(Transport, "send", send_)
    odd = register(tenant, f"{receiver.url}/odd")["id"]
    register(tenant, receiver.url)
    happen(tenant)
    send()
    assert states(tenant) == ["delivered", "delivered"]
    assert {each.endpoint_id == odd: each.response_body for each in deliveries(tenant)} == {True: "", False: "fine"}
    assert len(attempts(tenant)) == 2


def test_what_the_transport_raises_fails_that_delivery_alone(
        tenant: Tenant, receiver: Receiver, send: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = Transport.send

    async def send_(self: Transport, message: Any) -> Reply:
        if message.url.endswith("/odd"):
            raise RuntimeError("a fault of ours")
        return await sound(self, message)
    monkeypatch.setattr(Transport, "send", send_)
    odd = register(tenant, f"{receiver.url}/odd")["id"]
    register(tenant, receiver.url)
    happen(tenant)
    send()
    assert {each.endpoint_id == odd: (each.state, each.error) for each in deliveries(tenant)} == {
        True: ("failed", "It could not be sent: RuntimeError."), False: ("delivered", None)}


def test_receivers_that_hang_keep_no_other_waiting(tenant: Tenant, receiver: Receiver) -> None:
    """The others' deliveries are written down while those under way have no answer yet."""
    release = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/hangs":
            await release.wait()
        return web.Response()
    receiver.answers = [answer]
    register(tenant, f"{receiver.url}/hangs")
    well = register(tenant, f"{receiver.url}/well")["id"]
    for _ in range(10):
        happen(tenant)

    def of_the_well() -> list[str]:
        return [each.state for each in deliveries(tenant) if each.endpoint_id == well]

    async def run() -> None:
        sender = Sender()
        running = asyncio.create_task(sender.run())
        try:
            await asyncio.to_thread(until, lambda: of_the_well() == ["delivered"] * 10, 30, "the well one has them all")
            assert sum(request.path == "/hangs" for request in receiver.requests) == 4
        finally:
            release._loop.call_soon_threadsafe(release.set)  # type: ignore[attr-defined]  # the receiver's loop
            sender.stop()
            await running
    asyncio.run(run())
    assert states(tenant).count("delivered") == 14
    assert {each.lease for each in deliveries(tenant)} == {None}


def test_projects_with_many_slow_endpoints_leave_room_for_others(
        app_client: TestClient, tenant: Tenant, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of five could hold half of the forty places, and together they leave a 1 / (1 + 5 / 2)."""
    for module, name, value in ((places, "AT_ONCE", 40), (places, "QUICK_AT_ONCE", 20), (loop, "_SLOW_SECONDS", 0.0)):
        monkeypatch.setattr(module, name, value)
    release = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        if request.path == "/hangs":
            await release.wait()
        return web.Response()
    receiver.answers = [answer]
    for number in range(5):
        slow = make_tenant(app_client, f"Slow {number}")
        for _ in range(5):
            register(slow, f"{receiver.url}/hangs")
        for _ in range(4):
            happen(slow)

    async def run() -> None:
        sender = Sender()
        running = asyncio.create_task(sender.run())
        try:
            await asyncio.to_thread(until, lambda: len(receiver.requests) >= 20, 30, "many hang")
            register(tenant, f"{receiver.url}/well")
            happen(tenant)
            await asyncio.to_thread(until, lambda: states(tenant) == ["delivered"], 30, "the other's is delivered")
            assert len(receiver.requests) - 1 <= 40 - 40 / (1 + 5 / 2)
        finally:
            release._loop.call_soon_threadsafe(release.set)  # type: ignore[attr-defined]  # the receiver's loop
            sender.stop()
            await running
    asyncio.run(run())
