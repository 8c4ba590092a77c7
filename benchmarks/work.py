"""Work items: what durable work costs beside bare Celery messages, and how soon a task starts after its wake-up."""

import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from benchmarks import stamps
from benchmarks.report import Line, median_of, percentile, show
from benchmarks.scratch import Scratch, process, scratch
from service import commands
from service.kit import work
from service.kit.database import DISPATCH, transaction

_ITEMS = 200
_PINGS = 100
_PING_SECONDS = 0.03
_LEASE = timedelta(seconds=30)


def enqueue(house: Scratch, subject: str) -> None:
    with transaction(house.scope) as session:
        work.enqueue(session, stamps.KIND, subject, project_id=house.project_id)


def by_hand(house: Scratch) -> float:
    """Items per second through enqueue, claim and finish, each in its transaction, by one process."""
    began = time.perf_counter()
    for number in range(_ITEMS):
        enqueue(house, f"hand-{number}")
        with transaction(DISPATCH) as session:
            item_id = session.execute(text("select id from work_items")).scalar_one()
            claim = work.claim(session, item_id, owner="bench", lease=_LEASE)
        assert claim is not None
        with transaction(house.scope) as session:
            work.finish(session, claim)
    return _ITEMS / (time.perf_counter() - began)


def latencies(send: Callable[[str], None], journal: Path) -> list[float]:
    """Milliseconds from sending to the task's first line, one after another on an idle house."""
    sent = {}
    for number in range(_PINGS):
        name = f"ping-{time.time_ns()}-{number}"
        sent[name] = time.time()
        send(name)
        time.sleep(_PING_SECONDS)
    started = arrived(journal, set(sent))
    return [(started[name] - at) * 1000 for name, at in sent.items()]


def throughput(send: Callable[[str], None], journal: Path) -> float:
    """Tasks per second from the first send to the last start, with a backlog in between."""
    names = [f"many-{time.time_ns()}-{number}" for number in range(_ITEMS)]
    began = time.time()
    for name in names:
        send(name)
    return _ITEMS / (max(arrived(journal, set(names)).values()) - began)


def arrived(journal: Path, names: set[str]) -> dict[str, float]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        lines = [line.split() for line in journal.read_text().splitlines()] if journal.exists() else []
        found = {name: float(at) for name, at in (line for line in lines if len(line) == 2) if name in names}
        if len(found) == len(names):
            return found
        time.sleep(0.1)
    raise RuntimeError("tasks did not start within a minute")


def plain_worker() -> list[str]:
    return [sys.executable, "-m", "celery", "-A", "benchmarks.stamps:plain", "worker", "--concurrency", "4",
            "--loglevel", "ERROR"]


def our_worker() -> list[str]:
    command = commands.worker([stamps.KIND.queue.value], concurrency=4)
    return [{"worker.app": "benchmarks.stamps:app", "INFO": "ERROR"}.get(word, word) for word in command]


def main() -> None:
    with scratch() as house:
        journal = stamps.journal()
        hand = median_of(lambda: by_hand(house))
        stamps.plain.conf.broker_url = stamps.broker_url()

        def bare(name: str) -> None:
            stamps.stamp.delay(name)
        with process(plain_worker()):
            bare("warm")
            arrived(journal, {"warm"})
            their_latency, their_rate = latencies(bare, journal), median_of(lambda: throughput(bare, journal))
        with process(our_worker()), process(commands.relay()):
            enqueue(house, "warm-ours")
            arrived(journal, {"warm-ours"})
            our_latency = latencies(lambda name: enqueue(house, name), journal)
            our_rate = median_of(lambda: throughput(lambda name: enqueue(house, name), journal))
    show("Durable work", "Celery's own .delay(), which loses what the broker loses", [
        Line("enqueue, claim, finish by one process", "items/s", hand),
        Line("enqueued to started, median", "ms", percentile(our_latency, 50), percentile(their_latency, 50), "less"),
        Line("enqueued to started, p99", "ms", percentile(our_latency, 99), percentile(their_latency, 99), "less"),
        Line(f"{_ITEMS} at once, one project", "tasks/s", our_rate, their_rate),
    ])


if __name__ == "__main__":
    main()
