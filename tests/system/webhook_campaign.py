"""Days of webhooks in minutes: one sender whose clock we move, and receivers of every bad habit among healthy ones.

`python -m tests.system.webhook_campaign` prints what became of everything that was to be told. One receiver is down for
a day; others hang, are slow, reset connections, redirect, throttle, fail at first, are gone, or were never there.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from aiohttp import web
from rich.console import Console
from rich.table import Table
from sqlalchemy import select, text

from service import schema
from service.embedded.ownership import free_port
from service.embedded.postgres import EmbeddedPostgres
from service.events import operations as events
from service.events.types import EventType
from service.kit.database import DISPATCH, NOBODY, Scope, transaction
from service.kit.identifiers import new_id
from service.settings import adopt
from service.tenants import operations as tenants
from service.webhooks import signatures
from service.webhooks.sending import Transport
from service.webhooks.tables import WebhookDelivery, WebhookEndpoint
from tests.worker.sender.driving import HeldClock
from worker.sender.loop import Sender

DOWN_FROM, DOWN_FOR = timedelta(hours=2), timedelta(hours=24)
_STEP = timedelta(minutes=5)
"""How far the clock moves while something is due to a receiver that is left alone."""
HABITS = ("down for a day", "dead", "hangs", "slow", "resets", "resets once", "redirects", "throttles", "500, then 200",
          "gone")
HEALTHY = "healthy"
ALWAYS_DELIVERED = frozenset({HEALTHY, "down for a day", "slow", "resets once", "throttles", "500, then 200"})
_SLOW_SECONDS = 0.4


@dataclass(frozen=True, slots=True)
class Plan:
    """How much happens: `healthy` endpoints beside one of each habit, and so many events, spread over `spread`."""

    healthy: int
    events: int
    spread: timedelta = timedelta(days=1, hours=6)
    lasts: timedelta = timedelta(days=9)


@dataclass(frozen=True, slots=True)
class Received:
    id: str
    event_id: str
    body: bytes
    at: float
    "When it came, by this machine's clock."
    status: int | None
    "What was answered; None when the connection was reset."


class Receivers:
    """A server for all habits, told apart by the path, and one of its own for the receiver that is down."""

    def __init__(self) -> None:
        self.received: dict[str, list[Received]] = defaultdict(list)
        self.down_port = free_port()
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._other: web.AppRunner | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="receivers")
        self._thread.start()
        self._do(self._begin())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, coroutine: Any) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _begin(self) -> None:
        self._runner = await self._serve(0)
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _serve(self, port: int) -> web.AppRunner:
        app = web.Application()
        app.router.add_post("/{habit}/{number}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        return runner

    async def _finish(self) -> None:
        await self._runner.cleanup()
        await self._go_down()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def up(self) -> None:
        self._do(self._come_up())

    def down(self) -> None:
        """Nobody listens any more, and what was open is closed."""
        self._do(self._go_down())

    async def _come_up(self) -> None:
        self._other = await self._serve(self.down_port)

    async def _go_down(self) -> None:
        if self._other is not None:
            await self._other.cleanup()
            self._other = None

    def address(self, habit: str, number: int) -> str:
        path = f"/{HABITS.index(habit) if habit in HABITS else HEALTHY}/{number}"
        if habit == "dead":
            return f"http://127.0.0.1:9{path}"
        return f"http://127.0.0.1:{self.down_port}{path}" if habit == "down for a day" else self.url + path

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["habit"]
        habit = HEALTHY if name == HEALTHY else HABITS[int(name)]
        body, message_id = await request.read(), request.headers["webhook-id"]
        before = sum(each.id == message_id for each in self.received[habit]) if habit != HEALTHY else 0
        status = self._status(habit, before)
        self.received[habit].append(Received(message_id, json.loads(body)["id"], body, time.time(), status))
        if status is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if habit in {"hangs", "slow"}:
            await asyncio.sleep(60 if habit == "hangs" else _SLOW_SECONDS)
        headers = {302: {"location": self.url}, 429: {"retry-after": "3600"}}
        return web.Response(status=status, headers=headers.get(status))

    @staticmethod
    def _status(habit: str, before: int) -> int | None:
        """What the next answer to a message is that came `before` times."""
        if habit == "resets" or (habit == "resets once" and not before):
            return None
        firsts = {"throttles": 429, "500, then 200": 500}
        always = {"redirects": 302, "gone": 410}
        return always.get(habit, 200) if before else always.get(habit, firsts.get(habit, 200))


@dataclass
class Row:
    """What became of what was to be told to the endpoints of one habit."""

    habit: str
    endpoints: int = 0
    states: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    attempts: int = 0
    received: int = 0
    doubled: int = 0
    "Received more than once though it had been taken, under the same id."
    strange: int = 0
    "Ids or bodies that are not those of the delivery."
    latest: timedelta = timedelta()
    "The longest time, by the clock that we move, from an event to its delivery."
    delays: list[float] = field(default_factory=list)
    "Real seconds from the event's commit to the first request."
    disabled: str = ""


@dataclass
class Outcome:
    rows: list[Row]
    disabled_told: int
    broken: list[str]
    took: float

    @cached_property
    def by_habit(self) -> dict[str, Row]:
        return {row.habit: row for row in self.rows}


class Campaign:
    """Runs against the database of the settings, in a project of its own."""

    def __init__(self, plan: Plan, project_id: str) -> None:
        self.plan = plan
        self._project_id = project_id
        self._scope = Scope.project(project_id)
        self._clock = HeldClock()
        self._begun = self._clock.now
        self._happened: dict[str, tuple[datetime, float]] = {}
        self._endpoints: dict[str, str] = {}

    async def run(self) -> Outcome:
        began = time.monotonic()
        with Receivers() as receivers:
            receivers.up()
            self._register(receivers)
            sender = Sender(self._clock)
            async with Transport() as transport:
                for moment, happens in self._moments():
                    await self._pass_until(moment, sender, transport)
                    if happens == "event":
                        self._happen()
                    elif happens:
                        await asyncio.to_thread(receivers.down if happens == "down" else receivers.up)
                    await sender.settle(transport)
            return self._judge(receivers, time.monotonic() - began)

    def _moments(self) -> list[tuple[datetime, str]]:
        spread = self.plan.spread / max(1, self.plan.events - 1)
        planned = [(self._begun + spread * number, "event") for number in range(self.plan.events)]
        planned += [(self._begun + DOWN_FROM, "down"), (self._begun + DOWN_FROM + DOWN_FOR, "up"),
                    (self._begun + self.plan.lasts, "")]
        return sorted(planned)

    async def _pass_until(self, moment: datetime, sender: Sender, transport: Transport) -> None:
        """Move the clock from one thing that is due to the next."""
        while (due := self._next_due()) is not None and max(due, self._clock.now) < moment:
            self._clock.now = due if due > self._clock.now else min(moment, self._clock.now + _STEP)
            await sender.settle(transport)
        self._clock.now = moment

    def _next_due(self) -> datetime | None:
        with transaction(DISPATCH) as session:
            found: datetime | None = session.scalar(
                text("select min(next_attempt_at) from webhook_deliveries where state = 'pending'"))
        return found

    def _register(self, receivers: Receivers) -> None:
        with transaction(self._scope) as session:
            for habit, number in [*((habit, 1) for habit in HABITS), *((HEALTHY, n) for n in range(self.plan.healthy))]:
                types = [EventType.JOB_SUCCEEDED.value]
                if (habit, number) == (HEALTHY, 0):
                    types.append(EventType.ENDPOINT_DISABLED.value)
                endpoint = WebhookEndpoint(
                    id=new_id("we_"), project_id=self._project_id, name=habit, url=receivers.address(habit, number),
                    event_types=types, secret=signatures.new_secret())
                session.add(endpoint)
                self._endpoints[endpoint.id] = habit

    def _happen(self) -> None:
        with transaction(self._scope) as session:
            event = events.append(session, EventType.JOB_SUCCEEDED, f"ftjob-{len(self._happened)}",
                                  project_id=self._project_id)
        self._happened[event.id] = self._clock.now, time.time()

    # -- judging ---------------------------------------------------------------------------------------------

    def _judge(self, receivers: Receivers, took: float) -> Outcome:
        rows = {habit: Row(habit) for habit in (HEALTHY, *HABITS)}
        with transaction(self._scope) as session:
            for endpoint in session.scalars(select(WebhookEndpoint)):
                rows[endpoint.name].endpoints += 1
                rows[endpoint.name].disabled = endpoint.disabled_reason or rows[endpoint.name].disabled
            deliveries = session.scalars(select(WebhookDelivery)).all()
        ours = [each for each in deliveries if each.event_id in self._happened]
        for delivery in ours:
            row = rows[self._endpoints[delivery.endpoint_id]]
            row.states[delivery.state] += 1
            row.attempts += delivery.attempts
            if delivery.state == "failed":
                row.causes[delivery.error_class or "?"] += 1
            if delivery.delivered_at is not None:
                row.latest = max(row.latest, delivery.delivered_at - self._happened[delivery.event_id][0])
        for habit, received in receivers.received.items():
            self._compare(rows[habit], received, {each.id: each for each in deliveries})
        told = sum(each.event_id not in self._happened and each.state == "delivered" for each in deliveries)
        return Outcome(list(rows.values()), told, list(self._broken(rows.values(), receivers, ours)), took)

    def _compare(self, row: Row, received: Sequence[Received], deliveries: dict[str, WebhookDelivery]) -> None:
        bodies: dict[str, set[bytes]] = defaultdict(set)
        taken: Counter[str] = Counter()
        for each in received:
            delivery = deliveries.get(each.id)
            row.strange += delivery is None or delivery.event_id != each.event_id
            if each.id not in bodies and each.event_id in self._happened:
                row.delays.append(each.at - self._happened[each.event_id][1])
            bodies[each.id].add(each.body)
            taken[each.id] += each.status == 200
        row.received = len(received)
        row.strange += sum(len(each) > 1 for each in bodies.values())
        row.doubled = sum(max(0, number - 1) for number in taken.values()) if row.habit != "hangs" else 0

    def _broken(self, rows: Any, receivers: Receivers, ours: Sequence[WebhookDelivery]) -> Iterator[str]:
        expected = len(self._happened)
        for row in rows:
            if row.states["pending"]:
                yield f"{row.habit}: {row.states['pending']} neither delivered nor failed after {self.plan.lasts}"
            if row.causes["?"]:
                yield f"{row.habit}: {row.causes['?']} failed without a cause"
            if row.strange:
                yield f"{row.habit}: {row.strange} messages bear another's id or body"
            if row.habit in ALWAYS_DELIVERED and row.states["delivered"] != expected * row.endpoints:
                yield f"{row.habit}: {row.states['delivered']} of {expected * row.endpoints} delivered"
            elif row.states.total() != expected * row.endpoints and not row.disabled:
                yield f"{row.habit}: {row.states.total()} deliveries of {expected * row.endpoints} were planned"
        taken = {each.id for received in receivers.received.values() for each in received if each.status == 200}
        if lost := {each.id for each in ours if each.state == "delivered"} - taken:
            yield f"{len(lost)} are called delivered and never came"


def show(outcome: Outcome, plan: Plan) -> None:
    table = Table(title=f"{plan.events} events over {plan.spread}, watched for {plan.lasts} of a clock that was moved",
                  title_justify="left")
    for name in ("receiver", "endpoints", "delivered", "failed", "because", "attempts", "received", "doubled",
                 "latest (moved clock)", "to first request, p50/p99/max (real)", "disabled"):
        table.add_column(name, justify="left" if name in {"receiver", "because", "disabled"} else "right")
    for row in outcome.rows:
        delays = _delays(row.delays) if row.habit in {HEALTHY, "slow"} else ""
        table.add_row(row.habit, str(row.endpoints), str(row.states["delivered"]), str(row.states["failed"]),
                      ", ".join(f"{cause} {number}" for cause, number in row.causes.items()), str(row.attempts),
                      str(row.received), str(row.doubled), str(row.latest).partition(".")[0], delays,
                      row.disabled.partition(":")[0])
    Console(width=200).print(table)
    print(f"{outcome.disabled_told} times told that an endpoint was disabled; {outcome.took:.0f} s of real time")  # noqa: T201 - a report
    print("\n".join(outcome.broken) or "everything was delivered or says why not, each under one id")  # noqa: T201 - as above


def _delays(delays: Sequence[float]) -> str:
    ordered = sorted(delays)
    return " / ".join(f"{ordered[min(len(ordered) - 1, int(len(ordered) * part))]:.2f}"
                      for part in (0.5, 0.99, 1.0)) + " s" if ordered else ""


@contextmanager
def own_house() -> Iterator[str]:
    """A database of its own with one project; the project's id."""
    with tempfile.TemporaryDirectory(prefix="campaign-") as name, EmbeddedPostgres(Path(name) / "pg") as database:
        adopt(database_url=database.url(), webhook_allow_private="true", webhook_timeout_seconds="1",
              log_level="ERROR")
        schema.upgrade()
        with transaction(NOBODY) as session:
            organization = tenants.bootstrap(session, "Campaign")
            project_id = tenants.create_project(session, organization.id, "campaign").id
        yield project_id


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--healthy", type=int, default=90)
    parser.add_argument("--events", type=int, default=20)
    asked = parser.parse_args()
    plan = Plan(asked.healthy, asked.events)
    with own_house() as project_id:
        outcome = asyncio.run(Campaign(plan, project_id).run())
    show(outcome, plan)
    return bool(outcome.broken)


if __name__ == "__main__":
    sys.exit(main())
