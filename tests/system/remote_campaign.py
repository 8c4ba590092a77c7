"""Orders thousands of small jobs of a house while it is struck; some are cancelled or paused on their way."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from openai import OpenAI

from tests.fixtures.whole_house import chat_lines
from tests.system.chaos_runs import ask, patiently
from tests.system.test_main_job import ENDS

MODEL = "gpt-4o-mini-2024-07-18"
EXAMPLES = 12
"""One epoch of them, one at a time: so many steps has each job."""
AMBIGUOUS: tuple[tuple[str, float, dict[str, Any]], ...] = (
    ("reset_after", 0.08, {}), ("reset_before", 0.05, {}), ("truncate", 0.04, {}), ("garbage", 0.03, {}),
    ("status", 0.05, {"status": 500, "effect": True}), ("html", 0.03, {}), ("empty", 0.02, {}),
    ("timeout", 0.02, {"seconds": 2.0}),
)
"""Of creations, how many get no answer or none that can be read: three in ten, most of them with a job made."""
FILES = 5
_PATIENCE_SECONDS = 180.0


class Campaign:
    """`jobs` tells by its id how each may end. `create` and `meddle` are called again and again."""

    def __init__(self, client: OpenAI, wanted: int, seed: int, *, threads: int = 6) -> None:
        self.client, self.wanted = client, wanted
        self.jobs: dict[str, set[str]] = {}
        self.statuses: dict[str, str] = {}
        self._random = random.Random(seed)
        self._files = [self._upload(number) for number in range(FILES)]
        self._numbers = iter(range(wanted))
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="campaign")
        self._orders = [self._pool.submit(self._order) for _ in range(threads)]
        self._asked: set[str] = set()

    def __str__(self) -> str:
        return f"{len(self.jobs)} ordered, {self.ended()} ended"

    def _upload(self, number: int) -> str:
        lines = chat_lines(EXAMPLES).replace(b"it is", f"in {number} it is".encode())
        file = patiently(lambda: self.client.files.create(file=(f"data-{number}.jsonl", lines), purpose="fine-tune"))
        return self.client.files.wait_for_processing(file.id, poll_interval=0.2).id

    # -- creating --------------------------------------------------------------------------------------

    def _order(self) -> None:
        while True:
            with self._lock:
                number = next(self._numbers, None)
            if number is None:
                return
            job = self._create(number)
            with self._lock:
                self.jobs[job] = {"succeeded", "failed"}

    def _create(self, number: int) -> str:
        """Whoever got no answer asks again under the same key: that must not make a second job."""
        return patiently(lambda: self.client.with_options(max_retries=8).fine_tuning.jobs.create(
            model=MODEL, training_file=self._files[number % FILES], seed=number, metadata={"number": str(number)},
            method={"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 1, "batch_size": 1}}},
            extra_headers={"Idempotency-Key": f"chaos-{number}"}).id)

    def wait_created(self) -> None:
        for order in self._orders:
            order.result()
        self._pool.shutdown()

    # -- meddling --------------------------------------------------------------------------------------

    def look(self) -> None:
        """Read how all jobs stand, page by page."""
        self.statuses = patiently(lambda: {job.id: str(job.status)
                                           for job in self.client.fine_tuning.jobs.list(limit=100)})

    def ended(self) -> int:
        return sum(status in ENDS for status in self.statuses.values())

    def going(self) -> int:
        """How many have not ended, as last looked at."""
        return len(self.statuses) - self.ended()

    def meddle(self, most: int = 10) -> None:
        """Cancel some jobs, pause others, and resume what is paused; whatever has just ended refuses, rightly."""
        self.look()
        with self._lock:
            known = list(self.jobs)
        going = [job for job in known if self.statuses.get(job) in {"queued", "running"} and job not in self._asked]
        for job in self._random.sample(going, min(len(going), most)):
            share = self._random.random()
            if share < 0.3:
                self._asked.add(job)
                self.jobs[job].add("cancelled")
                ask(self.client, job, "cancel")
            elif share < 0.5:
                self._asked.add(job)
                ask(self.client, job, "pause")
        for job in [job for job in known if self.statuses.get(job) == "paused"]:
            ask(self.client, job, "resume")

    def all_ended(self) -> bool:
        self.meddle(0)
        return len(self.statuses) >= len(self.jobs) and all(self.statuses.get(job) in ENDS for job in self.jobs)
