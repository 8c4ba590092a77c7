"""Open streams on one API process: threads, memory, and how long an event takes to the last of them, against polling.

    python -m benchmarks.streams [--streams 1000] [--events 20]
"""

import argparse
import asyncio
import resource
import time
from dataclasses import dataclass, field

import aiohttp
import psutil
from sqlalchemy import text

from benchmarks.report import Line, percentile, show
from benchmarks.scratch import Scratch, scratch, server
from service import commands
from service.events import operations
from service.events.types import EventType
from service.kit.database import NOBODY, transaction
from service.settings import adopt

_PATH = "/v1/events/stream"
_OPENING = 50
_POLL_SECONDS = 1.0
_POLLING = 16
"""Polls under way at once: more would be answered no sooner, and wait in the process instead of here."""
_QUIET_SECONDS = 8.0
_PATIENCE = 60.0


def uvicorn(port: int) -> list[str]:
    return [*commands.api("127.0.0.1", port), "--log-level", "warning"]


@dataclass
class Crowd:
    """What all clients together have got: when each event reached how many."""

    size: int
    seen: dict[str, list[float]] = field(default_factory=dict)
    reached: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def note(self, event_id: str) -> None:
        times = self.seen.setdefault(event_id, [])
        times.append(time.perf_counter())
        if len(times) >= self.size:
            async with self.reached:
                self.reached.notify_all()

    async def all_have(self, event_id: str) -> list[float]:
        async with self.reached:
            await asyncio.wait_for(self.reached.wait_for(lambda: len(self.seen.get(event_id, ())) >= self.size),
                                   _PATIENCE)
        return sorted(self.seen[event_id])


async def follow(session: aiohttp.ClientSession, url: str, crowd: Crowd, opened: asyncio.Semaphore,
                 ready: list[int]) -> None:
    async with opened:
        answer = await session.get(url + _PATH, timeout=aiohttp.ClientTimeout(total=None))
        answer.raise_for_status()
        while not (await answer.content.readline()).startswith(b"id: at_"):
            pass
        ready.append(1)
    async with answer:
        async for raw in answer.content:
            if raw.startswith(b"id: evt_"):
                await crowd.note(raw[4:].decode().strip())


async def poll(session: aiohttp.ClientSession, url: str, crowd: Crowd, first: float, asked: list[float],
               turn: asyncio.Semaphore) -> None:
    """What a client does without streams: ask for the newest event each second, or as often as it is its turn."""
    await asyncio.sleep(first)
    last = ""
    while True:
        began = time.perf_counter()
        async with turn, session.get(url + "/v1/events?limit=1") as answer:
            answer.raise_for_status()
            found = (await answer.json())["data"]
        asked.append(time.perf_counter())
        if found and found[0]["id"] != last:
            last = found[0]["id"]
            await crowd.note(last)
        await asyncio.sleep(max(0.0, _POLL_SECONDS - (time.perf_counter() - began)))


def tell(house: Scratch) -> tuple[str, float]:
    """An event, and when it was committed."""
    with transaction(house.scope) as session:
        event = operations.append(session, EventType.JOB_SUCCEEDED, "ftjob-bench", project_id=house.project_id,
                                  data={"status": "succeeded", "fine_tuned_model": "ft:bench"})
    return event.id, time.perf_counter()


@dataclass
class Found:
    """Of one way to hear of events."""

    first: list[float] = field(default_factory=list)
    last: list[float] = field(default_factory=list)
    processor: float = 0.0
    "Seconds of processor time a second, while nothing happens."


async def measure(house: Scratch, crowd: Crowd, process: psutil.Process, events: int) -> Found:
    found = Found()
    before, began = _spent(process), time.perf_counter()
    await asyncio.sleep(_QUIET_SECONDS)
    found.processor = (_spent(process) - before) / (time.perf_counter() - began)
    for _ in range(events):
        event_id, committed = await asyncio.to_thread(tell, house)
        times = await crowd.all_have(event_id)
        found.first.append(times[0] - committed)
        found.last.append(times[-1] - committed)
        await asyncio.sleep(0.1)
    found_twice = sum(len(times) != crowd.size for times in crowd.seen.values())
    assert not found_twice, f"{found_twice} events came twice"
    return found


def _spent(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


@dataclass
class Footprint:
    threads: int
    listeners: int
    "Connections to Postgres that streams need: reads take those of the pool, for as long as they take."
    rss: int


def footprint(process: psutil.Process) -> Footprint:
    with transaction(NOBODY) as session:
        listeners = session.execute(text("select count(*) from pg_stat_activity"
                                         " where application_name = 'tuneworks streams'")).scalar_one()
    return Footprint(process.num_threads(), listeners, process.memory_info().rss)


async def streams(house: Scratch, url: str, pid: int, number: int, events: int) -> tuple[Found, Footprint, Footprint]:
    process, crowd, opened = psutil.Process(pid), Crowd(number), asyncio.Semaphore(_OPENING)
    ready: list[int] = []
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers={"authorization": f"Bearer {house.key}"}) as session:
        async with session.get(f"{url}/v1/events") as answer:
            answer.raise_for_status()
        warm = Crowd(_OPENING)
        few = [asyncio.create_task(follow(session, url, warm, opened, ready)) for _ in range(_OPENING)]
        await _until(ready, _OPENING, few)
        before = footprint(process)
        tasks = [asyncio.create_task(follow(session, url, crowd, opened, ready)) for _ in range(number)]
        await _until(ready, _OPENING + number, tasks)
        for each in few:
            each.cancel()
        after = footprint(process)
        found = await measure(house, crowd, process, events)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*few, *tasks, return_exceptions=True)
    return found, before, after


async def _until(ready: list[int], number: int, tasks: list[asyncio.Task[None]]) -> None:
    deadline = time.monotonic() + 4 * _PATIENCE
    while len(ready) < number:
        for task in tasks:
            if task.done():
                await task
        assert time.monotonic() < deadline, f"{len(ready)} streams opened"
        await asyncio.sleep(0.05)


async def polling(house: Scratch, url: str, pid: int, number: int, events: int) -> tuple[Found, float]:
    crowd = Crowd(number)
    asked: list[float] = []
    turn = asyncio.Semaphore(_POLLING)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers={"authorization": f"Bearer {house.key}"}) as session:
        await asyncio.to_thread(tell, house)
        tasks = [asyncio.create_task(poll(session, url, crowd, _POLL_SECONDS * each / number, asked, turn))
                 for each in range(number)]
        found = await measure(house, crowd, psutil.Process(pid), events)
        for task in tasks:
            if task.done():
                await task
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return found, len(asked) / (asked[-1] - asked[0])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--events", type=int, default=20)
    asked = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with scratch() as house:
        adopt(streams_per_project=str(asked.streams + 2 * _OPENING))
        with server(uvicorn) as (url, pid):
            ours, before, after = asyncio.run(streams(house, url, pid, asked.streams, asked.events))
        with server(uvicorn) as (url, pid):
            theirs, answered = asyncio.run(polling(house, url, pid, asked.streams, max(3, asked.events // 4)))
    print(f"{asked.streams} streams: threads {before.threads} with {_OPENING} open, {after.threads} with all;"
          f" {after.listeners} connection to Postgres;"
          f" RSS {after.rss / 2**20:.0f} MiB, {(after.rss - before.rss) / asked.streams / 1024:.1f} kB a stream")
    instead = ("the same clients asking each second, or as often as the process answers:"
               f" {answered:,.0f} answers a second of {asked.streams:,}")
    show(f"An event to {asked.streams} clients of one API process", instead,
         [Line("commit to the first client", "ms", _ms(ours.first, 50), _ms(theirs.first, 50), "less"),
          Line("commit to the last client", "ms", _ms(ours.last, 50), _ms(theirs.last, 50), "less"),
          Line("commit to the last client, worst", "ms", _ms(ours.last, 100), _ms(theirs.last, 100), "less"),
          Line("processor while nothing happens", "%", ours.processor * 100, theirs.processor * 100, "less")],
         rounds=asked.events)


def _ms(seconds: list[float], percent: float) -> float:
    return percentile(seconds, percent) * 1000


if __name__ == "__main__":
    main()
