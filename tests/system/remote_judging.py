"""Whether anything was lost, doubled or paid twice: asked of the house's API, its webhooks and the server's ledger."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from openai import OpenAI

from tests.fixtures.receiver import Receiver
from tests.fixtures.whole_house import until
from tests.remote.control import Ledger, Simulator
from tests.system import telling
from tests.system.remote_campaign import EXAMPLES
from tests.system.test_main_job import ENDS

_SETTLE_SECONDS = 240.0


@dataclass
class Verdict:
    broken: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    books: dict[str, tuple[str, str]] = field(default_factory=dict)
    "The ledger: what the house says, and what the server says."


@dataclass
class Books:
    """The house's ledger, by the keys that the server's jobs bear."""

    held: dict[str, int] = field(default_factory=dict)
    settled: Counter[str] = field(default_factory=Counter)
    "What was paid, extra jobs and all."
    closed: Counter[str] = field(default_factory=Counter)
    "How often each hold was ended."
    job_of: dict[str, str] = field(default_factory=dict)


def read_books(client: OpenAI) -> Books:
    books = Books()
    for entry in _entries(client):
        key = entry["key"]
        books.job_of[key] = entry["fine_tuning_job_id"]
        if entry["kind"] == "hold":
            books.held[key] = entry["micro_dollars"]
        elif entry["kind"] == "extra":
            books.settled[key.partition(":")[0]] += entry["micro_dollars"]
        else:
            books.closed[key] += 1
        if entry["kind"] == "settle":
            books.settled[key] += entry["micro_dollars"]
    return books


def _entries(client: OpenAI) -> Iterator[dict[str, Any]]:
    asked: dict[str, object] = {"limit": 1000}
    while True:
        page: Any = client.get("/usage/ledger", cast_to=object, options={"params": asked})
        yield from page["data"]
        if not page["has_more"]:
            return
        asked["after"] = page["data"][-1]["id"]


def judge(client: OpenAI, simulator: Simulator, receiver: Receiver, jobs: dict[str, set[str]], *,
          database_url: str) -> Verdict:
    """`jobs` says by id how each may have ended; the database is the house's."""
    verdict = Verdict(counts=Counter({"lost": 0, "doubled effects": 0, "keys with two live or paid jobs": 0}))
    _settled(lambda: not [job for job in simulator.ledger().jobs if job["live"]],
             "no job is left running at the server", verdict)
    there = {job.id: job for job in client.fine_tuning.jobs.list(limit=100)}
    if len(there) != len(jobs):
        verdict.broken.append(f"{len(jobs)} jobs were created, {len(there)} are there")
    for job_id, ends in jobs.items():
        status = str(there[job_id].status) if job_id in there else "gone"
        verdict.counts[status] += 1
        if status not in ends:
            verdict.counts["lost"] += 1
            verdict.broken.append(f"{job_id} is {status}: {there[job_id].error if job_id in there else ''}")
    ended = {job_id: str(job.status) for job_id, job in there.items() if job.status in ENDS}
    _judge_logs(client, ended, verdict)
    _judge_webhooks(receiver, ended, verdict)
    verdict.broken += telling.faults(ended, database_url)
    judge_money(read_books(client), simulator.ledger(), ended, verdict)
    return verdict


def _judge_logs(client: OpenAI, ended: dict[str, str], verdict: Verdict) -> None:
    """Every line of the server's once, every step of what succeeded, and one end."""
    def read(job_id: str) -> list[tuple[str, str]]:
        return [(event.id, event.message) for event in client.fine_tuning.jobs.list_events(job_id, limit=100)]
    with ThreadPoolExecutor(4) as pool:
        logs = dict(zip(ended, pool.map(read, ended), strict=True))
    for job_id, lines in logs.items():
        steps = Counter(line.split(":")[0] for _, line in lines if line.startswith("Step "))
        ends = [line for _, line in lines if line.startswith((
            "The job succeeded at", "The job was cancelled", "The job failed at", "The job has successfully"))]
        twice = [each for each, times in (steps + Counter(ends) + Counter(each for each, _ in lines)).items()
                 if times > 1]
        if twice:
            verdict.counts["doubled effects"] += len(twice)
            verdict.broken.append(f"{job_id} tells twice: {twice[:3]}")
        if ended[job_id] == "succeeded" and len(steps) != EXAMPLES:
            verdict.broken.append(f"{job_id} succeeded, but its log has {len(steps)} of {EXAMPLES} steps")


def _judge_webhooks(receiver: Receiver, ended: dict[str, str], verdict: Verdict) -> None:
    """Deliveries may come more than once under one id; each end has one id."""
    def told() -> Counter[tuple[str, str]]:
        by_id = {each.headers["webhook-id"]: json.loads(each.body) for each in receiver.requests}
        return Counter((each["data"]["id"], each["type"].rpartition(".")[2]) for each in by_id.values())
    _settled(lambda: len(told()) >= len(ended), "an event for each end", verdict)
    wanted = Counter(ended.items())
    verdict.counts["events of an end"] = told().total()
    if told() != wanted:
        verdict.counts["doubled effects"] += (told() - wanted).total()
        verdict.broken.append(f"events lost {list((wanted - told()).items())[:3]}, too many "
                              f"{list((told() - wanted).items())[:3]}")


def judge_money(books: Books, ledger: Ledger, ended: dict[str, str], verdict: Verdict) -> None:
    by_key = ledger.by()
    _judge_doubles(books, by_key, verdict)
    there = {key: sum(job["micro_dollars"] for job in jobs) for key, jobs in by_key.items()}
    for key in sorted(set(there) | set(books.settled)):
        if there.get(key, 0) != books.settled.get(key, 0):
            verdict.broken.append(f"{key}: {books.settled.get(key, 0)} settled here, {there.get(key, 0)} billed there")
    for key in books.held:
        if books.closed[key] != 1:
            verdict.broken.append(f"{key}: the hold was ended {books.closed[key]} times")
    unknown = [key for key in by_key if key not in books.held]
    if unknown:
        verdict.broken.append(f"the server has jobs that the house never held money for: {unknown[:3]}")
    _judge_ends(books, by_key, ended, verdict)
    all_jobs = [job for jobs in by_key.values() for job in jobs]
    verdict.counts["extra jobs, cancelled before they cost anything"] = len(all_jobs) - len(by_key)
    verdict.books = {
        "jobs ordered": (str(len(ended)), ""),
        "attempts": (str(len(books.held)), str(len(by_key))),
        "jobs made": ("", str(len(ledger.jobs))),
        "paid": (str(sum(cost > 0 for cost in books.settled.values())), str(sum(job["paid"] for job in all_jobs))),
        "still live": (str(len(books.held) - len(books.closed)), str(sum(job["live"] for job in all_jobs))),
        "micro-dollars": (f"{sum(books.settled.values()):,}", f"{ledger.micro_dollars:,}"),
    }


def _judge_doubles(books: Books, by_key: dict[str, list[dict[str, Any]]], verdict: Verdict) -> None:
    """Neither a key nor a job of ours may have bought two."""
    costly: dict[str, list[str]] = defaultdict(list)
    for key, jobs in by_key.items():
        for job in jobs:
            if job["live"] or job["paid"]:
                costly[f"key {key}"].append(job["id"])
                costly[f"job {books.job_of.get(key, key)}"].append(job["id"])
    for name, ids in costly.items():
        if len(ids) > 1:
            verdict.counts["keys with two live or paid jobs"] += name.startswith("key")
            verdict.broken.append(f"{name} has more than one live or paid job: {ids}")


def _judge_ends(books: Books, by_key: dict[str, list[dict[str, Any]]], ended: dict[str, str],
                verdict: Verdict) -> None:
    """What succeeded here has succeeded there, and nothing that succeeded there is anything else here."""
    won = {books.job_of[key] for key, jobs in by_key.items() if key in books.job_of
           for job in jobs if job["status"] == "succeeded"}
    here = {job for job, status in ended.items() if status == "succeeded"}
    if won != here:
        verdict.counts["lost"] += len(won - here)
        verdict.broken.append(f"succeeded there only: {sorted(won - here)[:3]}; here only: {sorted(here - won)[:3]}")


def _settled(holds: Callable[[], bool], what: str, verdict: Verdict) -> None:
    try:
        until(holds, _SETTLE_SECONDS, what)
    except pytest.fail.Exception as late:
        verdict.broken.append(str(late))
