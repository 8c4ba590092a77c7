"""The control side of a simulated server, as tests call it; and how to start one."""

import json
import subprocess
import sys
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from tests.remote.world import DEFAULT_KEY, OTHER_KEY

KEY_PAIR = "tuneworks_key"
"""The metadata entry by which a house finds its jobs again."""
_START_SECONDS = 60.0
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Whatever proxies the environment names, this goes to loopback."""


class ControlRefused(Exception):
    """The simulator did not understand an order."""


@dataclass(frozen=True)
class Ledger:
    """What the server made and billed. `jobs` are dictionaries with id, metadata, status, live, paid, ran, …"""

    jobs: list[dict[str, Any]]
    files: list[dict[str, Any]]
    uploads: list[dict[str, Any]]
    requests: dict[str, int]
    refused: dict[str, int]
    faults: list[dict[str, Any]]

    def by(self, name: str = KEY_PAIR) -> dict[str, list[dict[str, Any]]]:
        """The jobs that bear a metadata entry, by its value."""
        grouped: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for job in self.jobs:
            if name in job["metadata"]:
                grouped[job["metadata"][name]].append(job)
        return dict(grouped)

    def doubled(self, name: str = KEY_PAIR) -> dict[str, list[dict[str, Any]]]:
        """Values of a metadata entry with more than one job that is live or was paid: this must be empty."""
        costly = {key: [job for job in jobs if job["live"] or job["paid"]] for key, jobs in self.by(name).items()}
        return {key: jobs for key, jobs in costly.items() if len(jobs) > 1}

    @property
    def micro_dollars(self) -> int:
        return sum(job["micro_dollars"] for job in self.jobs)


@dataclass
class Simulator:
    """`url` is what a client takes for https://api.openai.com, without its /v1; `key` opens the default project."""

    url: str
    control_url: str
    key: str = DEFAULT_KEY
    other_key: str = OTHER_KEY
    pid: int = 0

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    @property
    def azure_url(self) -> str:
        """What stands for https://RESOURCE.openai.azure.com: the same server, its other face under /openai."""
        return self.url

    # -- time ------------------------------------------------------------------------------------------

    def reset(self, *, seed: int = 0, speed: float = 1.0) -> None:
        self.order("reset", seed=seed, speed=speed)

    def advance(self, seconds: float) -> None:
        self.order("advance", seconds=seconds)

    def run(self, speed: float) -> None:
        """So many simulated seconds in each real one; 0 stops the clock."""
        self.order("run", speed=speed)

    def pace(self, *, validating: float | None = None, queued: float | None = None, step: float | None = None) -> None:
        """Simulated seconds that new jobs spend in each state, and on each step."""
        given = {"validating": validating, "queued": queued, "step": step}
        self.order("pace", **{name: value for name, value in given.items() if value is not None})

    def hurry(self, seconds: float) -> None:
        """Have every job that waits move on within so many simulated seconds."""
        self.order("hurry", seconds=seconds)

    # -- trouble ---------------------------------------------------------------------------------------

    def behave(self, **ways: Any) -> None:
        """Fields of tests.remote.world.Behaviour: list_lag, filters_metadata, failing_share, page_limit, …"""
        self.order("behave", **ways)

    def fault(self, do: str | int, *, method: str | None = None, path: str | None = None, key: str | None = None,
              **how: Any) -> str:
        """Spoil requests that match; `how` are fields of tests.remote.faults.Fault. Returns the fault's id.

        `do`: refuse, reset_before, reset_after, timeout, timeout_before, truncate, garbage, html, slow, huge, deep,
        empty, mutate (set=…, drop=…), redirect (location=…), late (carried out after so many seconds), double
        (carried out twice, as a box between may do), or a status. `nth`, `count`, `probability` say which.
        """
        told = self.order("faults", do=do, match={"method": method, "path": path, "key": key}, **how)
        return str(told["id"])

    def clear_faults(self, fault: str | None = None) -> None:
        self.order("clear_faults", id=fault)

    def struck(self, fault: str) -> int:
        """How often a fault has struck."""
        return next(int(each["struck"]) for each in self._get("faults") if each["id"] == fault)

    def refuse(self, seconds: float = 0) -> None:
        """Close the port for so many real seconds; 0 until `accept` or `reset`."""
        self.order("refuse", seconds=seconds)

    def accept(self) -> None:
        self.order("refuse", accept=True)

    # -- what is there ---------------------------------------------------------------------------------

    def account(self, key: str, **fields: Any) -> dict[str, Any]:
        """Make or change a project: slug, same_as, standing (open, revoked, forbidden, closed, quota),
        requests_per_minute."""
        return dict(self.order("accounts", key=key, **fields))

    def job(self, job_id: str, **change: Any) -> dict[str, Any]:
        """Change a job by hand: move="succeeded", vanish=True, show={…}, error={code, message, param}, twin=True."""
        return dict(self.order("job", id=job_id, **change))

    def move(self, job_id: str, status: str) -> dict[str, Any]:
        return self.job(job_id, move=status)

    def deploy(self, deployment: str, model: str, *, key: str | None = None) -> None:
        self.order("deployments", deployment=deployment, model=model, key=key)

    def webhook(self, url: str, **fields: Any) -> None:
        """Tell a URL of the ends of jobs; fields of tests.remote.webhooks.Endpoint."""
        self.order("webhooks", url=url, **fields)

    def send_webhook(self, url: str, job: str, **fields: Any) -> None:
        self.order("send_webhook", url=url, job=job, **fields)

    def estate(self, **wanted: Any) -> dict[str, Any]:
        """Seed a project; fields of tests.remote.estate.Wanted, and `key`."""
        return dict(self.order("estate", **wanted))

    def ledger(self) -> Ledger:
        return Ledger(**self._get("ledger"))

    def requests(self) -> list[dict[str, Any]]:
        """The last thousands of requests: method, path, headers."""
        return list(self._get("requests"))

    def state(self) -> dict[str, Any]:
        return dict(self._get("state"))

    # -- how -------------------------------------------------------------------------------------------

    def order(self, verb: str, **given: Any) -> Any:
        return self._ask(urllib.request.Request(f"{self.control_url}/_control/{verb}", json.dumps(given).encode(),
                                                {"Content-Type": "application/json"}))

    def _get(self, name: str) -> Any:
        return self._ask(urllib.request.Request(f"{self.control_url}/_control/{name}"))

    @staticmethod
    def _ask(request: urllib.request.Request) -> Any:
        try:
            with _OPENER.open(request, timeout=60) as answer:
                return json.loads(answer.read())
        except HTTPError as refusal:
            with refusal:
                raise ControlRefused(refusal.read().decode(errors="replace")) from None


@contextmanager
def simulating(directory: Path, *options: str) -> Iterator[Simulator]:
    """A simulator in a process of its own until the block ends."""
    ready = directory / "simulator.json"
    ready.unlink(missing_ok=True)
    with (directory / "simulator.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "tests.remote", "--ready-file", str(ready), *options],
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not ready.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        assert ready.exists(), (directory / "simulator.log").read_text()
        yield Simulator(**json.loads(ready.read_text()), pid=process.pid)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
