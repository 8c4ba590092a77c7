"""5,000 jobs at another server, followed by one poller, beside a loop that asks for each job once per minute."""

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from aiohttp import web
from openai import AsyncOpenAI
from sqlalchemy import insert, text

from benchmarks.report import ROUNDS, Line, percentile, show
from benchmarks.scratch import Scratch, process, scratch, server
from service import commands
from service.credentials import operations as credentials
from service.credentials.operations.sealing import Owner
from service.credentials.schemas import CredentialCreate
from service.jobs.tables import Job, RemoteAttempt
from service.kit.database import Scope, transaction
from service.kit.encryption import new_data_key
from service.kit.identifiers import new_id
from service.kit.keyring import new_line
from service.kit.work import Work
from service.settings import adopt
from worker.poller import reading

_JOBS = 5_000
_CREDENTIALS = 50
_INTERVAL = 60.0
_SETTLE_SECONDS = 75.0
"""Until every job has been polled once and waits as old jobs do."""
_WATCH_SECONDS = 120.0
_CHANGES = 200
_PAGES = 30
_AT_ONCE = 64
_OURS, _THEIRS = "Tuneworks/1.0 (polling)", "one-by-one"


# -- the other server ------------------------------------------------------------------------------------------

class Remote:
    """Jobs of several accounts, newest first, as OpenAI lists them; counts who asks, and changes jobs when told."""

    def __init__(self, jobs: int, accounts: int) -> None:
        each = jobs // accounts
        self.accounts = {f"sk-{number:032}": [f"ftjob-{number:04}-{job:06}" for job in range(each)]
                         for number in range(accounts)}
        self.place = {job: (key, index) for key, ids in self.accounts.items() for index, job in enumerate(ids)}
        self.status = dict.fromkeys(self.place, "running")
        self.asked: Counter[str] = Counter()
        self.changed: dict[str, float] = {}

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.get("/healthz", self.count), web.get("/v1/fine_tuning/jobs", self.list),
                        web.get("/v1/fine_tuning/jobs/{id}", self.one), web.post("/change/{id}", self.change)])
        return app

    async def list(self, request: web.Request) -> web.Response:
        self.asked[request.headers["user-agent"]] += 1
        ids = self.accounts[request.headers["authorization"].removeprefix("Bearer ")]
        after = request.query.get("after")
        first = 0 if after is None else self.place[after][1] + 1
        shown = ids[first:first + int(request.query.get("limit", "20"))]
        return web.json_response({"object": "list", "data": [self.told(job) for job in shown],
                                  "has_more": first + len(shown) < len(ids)})

    async def one(self, request: web.Request) -> web.Response:
        self.asked[request.headers["user-agent"]] += 1
        return web.json_response(self.told(request.match_info["id"]))

    async def change(self, request: web.Request) -> web.Response:
        job = request.match_info["id"]
        self.status[job], self.changed[job] = "succeeded", time.time()
        return web.json_response({})

    async def count(self, _: web.Request) -> web.Response:
        return web.json_response({"asked": self.asked, "changed": self.changed})

    def told(self, job: str) -> dict[str, Any]:
        parameters = {"n_epochs": 3, "batch_size": 8, "learning_rate_multiplier": 1.8}
        return {"object": "fine_tuning.job", "id": job, "model": "gpt-4o-mini-2024-07-18", "created_at": 1700000000,
                "finished_at": None, "fine_tuned_model": None, "organization_id": "org-123", "result_files": [],
                "status": self.status[job], "validation_file": None, "training_file": "file-abc123", "seed": 7,
                "hyperparameters": parameters, "trained_tokens": None, "error": {}, "user_provided_suffix": None,
                "estimated_finish": None, "integrations": [], "metadata": {"tuneworks_key": "0" * 36},
                "usage_metrics": None, "shared_with_openai": False,
                "method": {"type": "supervised", "supervised": {"hyperparameters": parameters}}}


# -- what a user would write -----------------------------------------------------------------------------------

async def one_by_one(url: str, journal: Path) -> None:
    """A GET for each job once per interval, evenly spread; writes down when it saw what."""
    remote = Remote(_JOBS, 1)
    limit = asyncio.Semaphore(_AT_ONCE)
    connector = aiohttp.TCPConnector(limit=_AT_ONCE)
    async with aiohttp.ClientSession(headers={"user-agent": _THEIRS}, connector=connector) as client:
        async def follow(job: str, delay: float) -> None:
            await asyncio.sleep(delay)
            while True:
                async with limit, client.get(f"{url}/v1/fine_tuning/jobs/{job}") as answer:
                    if (await answer.json())["status"] != "running":
                        with journal.open("a") as file:
                            file.write(f"{job} {time.time()}\n")
                        return
                await asyncio.sleep(_INTERVAL)
        jobs = list(remote.place)
        await asyncio.gather(*(follow(job, _INTERVAL * number / len(jobs)) for number, job in enumerate(jobs)))


# -- measuring -------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Watched:
    """What one way of following cost while it was watched, and how late it saw what changed."""

    requests_per_minute: float
    cpu_seconds: float
    megabytes: float
    lags: Sequence[float]


def prepare(house: Scratch, url: str, accounts: int) -> None:
    """Old jobs that run: our rows of what the server has."""
    remote = Remote(_JOBS, accounts)
    with transaction(house.scope) as session:
        organization_id = session.execute(text("select organization_id from projects")).scalar_one()
    stored = {}
    for number, key in enumerate(remote.accounts):
        body = CredentialCreate.model_validate({"provider": "openai", "name": f"account-{accounts}-{number}",
                                                "secret": key, "base_url": f"{url}/v1"})
        with transaction(Scope.project(house.project_id)) as session:
            stored[key] = credentials.create(session, Owner(organization_id, house.project_id), body, by="bench").id
    jobs, attempts = [], []
    for remote_id, (key, _) in remote.place.items():
        jobs.append({"id": new_id("ftjob-"), "project_id": house.project_id, "organization_id": organization_id,
                     "model": "gpt-4o-mini", "base_model": "gpt-4o-mini", "provider": "openai", "model_code": "c",
                     "method": {"type": "supervised"}, "training_file": "file-x", "seed": 1})
        attempts.append({"id": new_id("rjob_"), "project_id": house.project_id, "job_id": jobs[-1]["id"],
                         "credential_id": stored[key], "provider": "openai", "key": new_id("key_"), "state": "live",
                         "remote_id": remote_id, "remote_status": "running"})
    with transaction(house.scope) as session:
        session.execute(text("update remote_jobs set next_poll_at = null, state = 'ended'"))
        session.execute(text("delete from work_items"))
        session.execute(insert(Job), jobs)
        session.execute(insert(RemoteAttempt), attempts)
        session.execute(text("update remote_jobs set next_poll_at = now(), status_since = now() - interval '2 hours'"
                             " where state = 'live'"))


@contextmanager
def their_loop(url: str, journal: Path) -> Iterator[psutil.Process]:
    with process([sys.executable, "-m", "benchmarks.polling", "one-by-one", url, str(journal)]) as running:
        yield psutil.Process(running.pid)


async def told(url: str) -> dict[str, Any]:
    async with aiohttp.ClientSession() as client, client.get(f"{url}/healthz") as answer:
        return dict(await answer.json())


async def make_changes(url: str, house: Scratch, changes: int) -> None:
    """Jobs end at random moments while we watch."""
    draw = random.Random(1)
    jobs = draw.sample(list(Remote(_JOBS, 1).place), changes) if changes else []
    moments = sorted(draw.uniform(0, _WATCH_SECONDS) for _ in jobs)
    began = time.monotonic()
    following = asyncio.create_task(follow_as_workers_do(house))
    async with aiohttp.ClientSession() as client:
        for moment, job in zip(moments, jobs, strict=True):
            await asyncio.sleep(max(0.0, began + moment - time.monotonic()))
            await client.post(f"{url}/change/{job}")
    await asyncio.sleep(max(0.0, began + _WATCH_SECONDS - time.monotonic()))
    following.cancel()


async def follow_as_workers_do(house: Scratch) -> None:
    """A job that is to be followed and has ended is not polled any more."""
    def close() -> None:
        with transaction(house.scope) as session:
            session.execute(text("""
                update remote_jobs set state = 'ended', next_poll_at = null, poll_lease = null where state = 'live'
                and job_id in (select subject from work_items where kind = :kind)"""), {"kind": Work.FOLLOW_JOB.value})
    while True:
        await asyncio.to_thread(close)
        await asyncio.sleep(1)


def seen_by_us(house: Scratch) -> dict[str, float]:
    with transaction(house.scope) as session:
        found = session.execute(text("""
            select remote_id, extract(epoch from item.created_at)::float8 as at from work_items item
            join remote_jobs on remote_jobs.job_id = item.subject where item.kind = :kind"""),
            {"kind": Work.FOLLOW_JOB.value})
        return {row.remote_id: row.at for row in found}


def seen_by_them(journal: Path) -> dict[str, float]:
    return {job: float(at) for job, at in map(str.split, journal.read_text().splitlines())} if journal.exists() else {}


def watch(url: str, house: Scratch, *, changes: int, theirs: Path | None) -> tuple[Watched, Watched | None]:
    """One poller, and where `theirs` is given the other loop beside it, over the same minutes."""
    with process(commands.poller()) as poller:
        ours = psutil.Process(poller.pid)
        if theirs is None:
            time.sleep(_SETTLE_SECONDS)
            return _watch(url, house, [(ours, _OURS, lambda: seen_by_us(house))], changes)[0], None
        with their_loop(url, theirs) as other:
            time.sleep(_SETTLE_SECONDS)
            first, second = _watch(url, house, [(ours, _OURS, lambda: seen_by_us(house)),
                                                (other, _THEIRS, lambda: seen_by_them(theirs))], changes)
            return first, second


def _watch(url: str, house: Scratch, watched: Sequence[tuple[psutil.Process, str, Any]],
           changes: int) -> list[Watched]:
    before = asyncio.run(told(url))["asked"]
    cpu = [sum(each.cpu_times()[:2]) for each, _, _ in watched]
    asyncio.run(make_changes(url, house, changes))
    after = asyncio.run(told(url))["asked"]
    spent = [sum(each.cpu_times()[:2]) - first for (each, _, _), first in zip(watched, cpu, strict=True)]
    memory = [each.memory_info().rss / 2**20 for each, _, _ in watched]
    changed = asyncio.run(told(url))["changed"]
    deadline = time.monotonic() + 4 * _INTERVAL
    while time.monotonic() < deadline and any(set(changed) - set(seen()) for _, _, seen in watched):
        time.sleep(1)
    results = []
    for (_, agent, seen), seconds, megabytes in zip(watched, spent, memory, strict=True):
        times = seen()
        missed = set(changed) - set(times)
        assert not missed, f"{agent} did not see {len(missed)} of {len(changed)} changes"
        results.append(Watched((after.get(agent, 0) - before.get(agent, 0)) * 60 / _WATCH_SECONDS, seconds, megabytes,
                               [times[job] - at for job, at in changed.items()]))
    return results


async def pages_per_second(url: str) -> tuple[float, float]:
    """Pages of 100 jobs, fetched and read one after another: with aiohttp as the poller does, and with the SDK."""
    key = next(iter(Remote(_JOBS, 1).accounts))
    address = f"{url}/v1/fine_tuning/jobs?limit=100"
    async with aiohttp.ClientSession(headers={"authorization": f"Bearer {key}", "user-agent": "pages"}) as client:
        began = time.perf_counter()
        for _ in range(_PAGES):
            async with client.get(address) as answer:
                assert len(reading.page(await answer.read()).statuses) == 100
        ours = _PAGES / (time.perf_counter() - began)
    async with AsyncOpenAI(api_key=key, base_url=f"{url}/v1", max_retries=0) as sdk:
        began = time.perf_counter()
        for _ in range(_PAGES):
            assert len((await sdk.fine_tuning.jobs.list(limit=100)).data) == 100
        return ours, _PAGES / (time.perf_counter() - began)


def serve_with(accounts: int) -> Any:
    def command(port: int) -> list[str]:
        return [sys.executable, "-m", "benchmarks.polling", "serve", str(port), str(accounts)]
    return server(command)


def main() -> None:
    with scratch() as house:
        adopt(remote_allow_private="true", keks=new_line("bench", new_data_key()))
        with serve_with(1) as (url, _):
            rates = [asyncio.run(pages_per_second(url)) for _ in range(ROUNDS)]
            prepare(house, url, 1)
            ours, theirs = watch(url, house, changes=_CHANGES, theirs=house.directory / "seen")
        with serve_with(_CREDENTIALS) as (url, _):
            prepare(house, url, _CREDENTIALS)
            many, _ = watch(url, house, changes=0, theirs=None)
    assert theirs is not None
    page, sdk_page = (sorted(each)[ROUNDS // 2] for each in zip(*rates, strict=True))
    show(f"{_JOBS:,} jobs that run at another server, followed for {_WATCH_SECONDS:.0f} s by one process",
         f"one GET per job per {_INTERVAL:.0f} s, aiohttp, {_AT_ONCE} at once, beside it; for pages: AsyncOpenAI", [
             Line("one credential", "requests/min", ours.requests_per_minute, theirs.requests_per_minute, "less"),
             Line(f"{_CREDENTIALS} credentials", "requests/min", many.requests_per_minute,
                  theirs.requests_per_minute, "less"),
             Line("memory", "MiB", ours.megabytes, theirs.megabytes, "less"),
             Line(f"memory, {_CREDENTIALS} credentials", "MiB", many.megabytes),
             Line("processor", "s/min", ours.cpu_seconds * 60 / _WATCH_SECONDS,
                  theirs.cpu_seconds * 60 / _WATCH_SECONDS, "less"),
             Line("lag of a change, p50", "s", percentile(ours.lags, 50), percentile(theirs.lags, 50), "less"),
             Line("lag of a change, p99", "s", percentile(ours.lags, 99), percentile(theirs.lags, 99), "less"),
             Line("pages of 100 fetched and read", "pages/s", page, sdk_page)], rounds=1)


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        web.run_app(Remote(_JOBS, int(sys.argv[3])).app(), port=int(sys.argv[2]), print=None)
    elif sys.argv[1:2] == ["one-by-one"]:
        asyncio.run(one_by_one(sys.argv[2], Path(sys.argv[3])))
    else:
        main()
