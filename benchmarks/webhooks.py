"""Deliveries per second of one sender, with everything that belongs to them, beside a bare loop to the same sink.

Everything: events planned from their rows, claimed with a lease, signed, checked, sent, and recorded with the heads of
request and answer. The bare loop sends the same bytes to the same URLs over kept connections, and does nothing else.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import aiohttp
import psutil
import uvloop
from sqlalchemy import insert, text

from benchmarks.report import ROUNDS, Line, percentile, show
from benchmarks.scratch import process, scratch, server
from service import commands
from service.events import operations as events
from service.events.tables import Event
from service.events.types import EventType
from service.kit.database import DISPATCH, NOBODY, Scope, transaction
from service.kit.identifiers import new_id
from service.settings import adopt
from service.tenants import operations as tenants
from service.webhooks import signatures
from service.webhooks.tables import WebhookEndpoint

_EVENTS = 20_000
_ENDPOINTS = 100
"""Each in a project of its own."""
_BARE_AT_ONCE = 100
_BARE_REQUESTS = 20_000
_PATIENCE_SECONDS = 180.0
_SINGLE_EVENTS = 200


# -- the sink --------------------------------------------------------------------------------------------------

class Sink(asyncio.Protocol):
    """As little of an HTTP server as will do: whoever sends is to be the slower one."""

    requests = 0
    _ANSWER = b"HTTP/1.1 200 OK\r\nserver: sink\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._write: Callable[[bytes], None] = transport.write  # type: ignore[attr-defined]  # uvloop's has it
        self._left = b""

    def data_received(self, data: bytes) -> None:
        data = self._left + data
        while (end := data.find(b"\r\n\r\n")) >= 0:
            head = data[:end].lower()
            _, found, rest = head.partition(b"content-length:")
            length = int(rest.split(b"\r\n", 1)[0]) if found else 0
            if len(data) < end + 4 + length:
                break
            data = data[end + 4 + length:]
            Sink.requests += 1
            self._write(self._ANSWER)
        self._left = data


async def serve(port: int) -> None:
    listening = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port)
    await listening.serve_forever()


def sink(port: int) -> list[str]:
    return [sys.executable, "-m", "benchmarks.webhooks", "serve", str(port)]


# -- the bare loop ---------------------------------------------------------------------------------------------

async def bare(url: str, requests: int) -> float:
    """Requests per second."""
    body = json.dumps({"id": new_id("evt_"), "object": "event", "type": EventType.JOB_SUCCEEDED, "created_at": 1,
                       "sequence": 1, "data": {"id": new_id("ftjob-")}}, separators=(",", ":")).encode()
    headers = {**signatures.headers([signatures.new_secret()], new_id("wh_"), 1, body),
               "content-type": "application/json"}
    numbers = iter(range(requests))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        async def one() -> None:
            for number in numbers:
                async with session.post(f"{url}/{number % _ENDPOINTS}", data=body, headers=headers) as answer:
                    await answer.read()
                    answer.raise_for_status()
        began = time.perf_counter()
        await asyncio.gather(*(one() for _ in range(_BARE_AT_ONCE)))
        return requests / (time.perf_counter() - began)


# -- the sender ------------------------------------------------------------------------------------------------

def prepare(url: str) -> list[str]:
    """Projects with one endpoint each; their ids."""
    projects = []
    with transaction(NOBODY) as session:
        organization = tenants.bootstrap(session, "Benchmarks").id
        projects = [tenants.create_project(session, organization, f"p{number}").id for number in range(_ENDPOINTS)]
    for number, project_id in enumerate(projects):
        with transaction(Scope.project(project_id)) as session:
            session.add(WebhookEndpoint(id=new_id("we_"), project_id=project_id, name="bench", url=f"{url}/{number}",
                                        event_types=[EventType.JOB_SUCCEEDED.value], secret=signatures.new_secret()))
    return projects


def happen(projects: Sequence[str], number_of_events: int) -> None:
    """So many events, none of them told."""
    for number, project_id in enumerate(projects[:number_of_events]):
        subjects = [new_id("ftjob-") for _ in range(number, number_of_events, len(projects))]
        with transaction(Scope.project(project_id)) as session:
            session.execute(insert(Event), [
                {"id": new_id("evt_"), "project_id": project_id, "type": EventType.JOB_SUCCEEDED.value,
                 "subject": subject, "sequence": 1, "data": {"id": subject}} for subject in subjects])


def tell(project_id: str) -> None:
    """One event, as the house appends them."""
    with transaction(Scope.project(project_id)) as session:
        events.append(session, EventType.JOB_SUCCEEDED, new_id("ftjob-"), project_id=project_id)


def all_delivered(number: int) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with transaction(DISPATCH) as session:
            if session.scalar(text("select count(*) from webhook_deliveries where state = 'delivered'")) == number:
                return
        time.sleep(0.5)
    raise RuntimeError("not everything was delivered")


def forget() -> None:
    """The next round begins as this one did."""
    with transaction(DISPATCH) as session:
        for table in ("webhook_attempts", "webhook_deliveries", "events"):
            session.execute(text(f"delete from {table}"))


def sent(projects: Sequence[str]) -> tuple[float, float, float]:
    """Deliveries per second, seconds of processor for a thousand of them, and MiB, of a sender that finds events."""
    happen(projects, _EVENTS)
    with process(commands.sender()) as running:
        all_delivered(_EVENTS)
        sender = psutil.Process(running.pid)
        cpu, memory = sum(sender.cpu_times()[:2]), sender.memory_info().rss / 2**20
    with transaction(DISPATCH) as session:
        seconds = session.execute(text("""
            select extract(epoch from max(delivered_at) - (select min(told_at) from events))::float8
            from webhook_deliveries""")).scalar_one()
    forget()
    return _EVENTS / seconds, cpu * 1000 / _EVENTS, memory


def delays(projects: Sequence[str]) -> list[float]:
    """Seconds from an event's commit to the request, of single events of a house at rest."""
    with process(commands.sender()):
        happen(projects, 1)
        all_delivered(1)
        for number in range(_SINGLE_EVENTS):
            time.sleep(0.02)
            tell(projects[number % len(projects)])
        all_delivered(_SINGLE_EVENTS + 1)
    with transaction(DISPATCH) as session:
        found = session.scalars(text("""
            select extract(epoch from attempt.started_at - event.created_at)::float8 from webhook_attempts attempt
            join webhook_deliveries delivery on delivery.id = attempt.delivery_id
            join events event on event.id = delivery.event_id"""))
        taken: list[Any] = list(found)
    forget()
    return taken


def main() -> None:
    with scratch():
        adopt(webhook_allow="127.0.0.1/32")  # every connection is checked, and this one may be opened
        with server(sink, path="/") as (url, _):
            projects = prepare(url)
            asyncio.run(bare(url, _BARE_REQUESTS // 10))
            rounds = [(asyncio.run(bare(url, _BARE_REQUESTS)), uvloop.run(bare(url, _BARE_REQUESTS)), sent(projects))
                      for _ in range(ROUNDS)]
            waits = delays(projects)
    plain, fast, ours = (sorted(each)[ROUNDS // 2] for each in zip(*rounds, strict=True))
    show(f"{_EVENTS:,} events to {_ENDPOINTS} endpoints, one sender process",
         f"a bare aiohttp loop to the same sink, {_BARE_AT_ONCE} at once: no signature, no database, no check", [
             Line("delivered (theirs: asyncio)", "deliveries/s", ours[0], plain),
             Line("delivered (theirs: uvloop, as ours)", "deliveries/s", ours[0], fast),
             Line("processor of the sender", "s per 1,000", ours[1]),
             Line("memory of the sender", "MiB", ours[2]),
             Line("from an event's commit to its request, p50", "ms", percentile(waits, 50) * 1000),
             Line("from an event's commit to its request, p99", "ms", percentile(waits, 99) * 1000)])


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        uvloop.run(serve(int(sys.argv[2])))
    else:
        main()
