"""The long run of blows: many jobs in a whole house, and afterwards the question whether anything was lost or doubled.

    python -m tests.system.chaos [--seed N] [--jobs 40] [--kills 150]

Exits with 1 when an invariant is broken. The same seed chooses the same blows; when they land is the machine's affair.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from openai import OpenAI

from service import commands
from service.settings import adopt
from tests.fixtures.receiver import Receiver, receiving
from tests.fixtures.whole_house import BASE, WholeHouse, chat_lines, make_base, running_house, until
from tests.system.chaos_runs import ask, options, patiently, report, table
from tests.system.invariants import EPOCHS, Verdict, judge
from tests.system.nemesis import KILLS, OUTAGES, Nemesis
from tests.system.test_main_job import ENDS, upload
from tests.system.watch import Watch

_END_SECONDS = 900.0
_PAUSE = (1.0, 6.0)
"""Seconds between two blows: shorter than a job, longer than most recoveries."""


class Campaign:
    """Creates jobs while the blows fall; every eighth is cancelled on its way, and every eighth paused and resumed."""

    def __init__(self, client: OpenAI, jobs: int) -> None:
        self.client = client
        self.wanted = jobs
        self.jobs: dict[str, set[str]] = {}
        "How each job may end, by id."
        self._file = upload(client, chat_lines(16, turns=3))

    def create_until(self, count: int) -> None:
        while len(self.jobs) < min(count, self.wanted):
            number = str(len(self.jobs))
            self.jobs[patiently(lambda number=number: self._create(number))] = {"succeeded"}  # type: ignore[misc]  # the default binds the loop's number

    def _create(self, number: str) -> str:
        """Whoever got no answer asks again under the same key: that must not make a second job."""
        return self.client.with_options(max_retries=8).fine_tuning.jobs.create(
            model=BASE, training_file=self._file, seed=int(number), metadata={"number": number},
            hyperparameters={"n_epochs": EPOCHS, "batch_size": 2},
            extra_headers={"Idempotency-Key": f"chaos-{number}"}).id

    def meddle(self) -> None:
        """Cancel, pause and resume what is due for it; a job that has just ended refuses, which is right."""
        for number, (job, ends) in enumerate(list(self.jobs.items())):
            if number % 8 not in (3, 6):
                continue
            status = patiently(lambda job=job: self.client.fine_tuning.jobs.retrieve(job).status)  # type: ignore[misc]
            if number % 8 == 3 and status == "running" and "cancelled" not in ends:
                ends.add("cancelled")  # what the trainer reports decides
                ask(self.client, job, "cancel")
            elif number % 8 == 6 and status == "running" and "paused" not in ends:
                ends.add("paused")
                ask(self.client, job, "pause")
            elif str(status) == "paused":
                ask(self.client, job, "resume")

    def all_ended(self) -> bool:
        self.meddle()
        return all(patiently(lambda job=job: self.client.fine_tuning.jobs.retrieve(job).status) in ENDS  # type: ignore[misc]
                   for job in self.jobs)


@contextmanager
def second_worker(house: WholeHouse) -> Iterator[None]:
    """One more training worker beside the house's own, so that somebody takes over while the first is frozen."""
    environment = psutil.Process(house.ready["pids"]["training"]).environ()
    environment.pop("TUNEWORKS_PARENT_FD")
    with (house.data_dir / "logs" / "second.log").open("wb") as log:
        process = subprocess.Popen(commands.worker(commands.TRAINING_QUEUES, concurrency=1), env=environment,
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def campaign(house: WholeHouse, receiver: Receiver, *, seed: int, jobs: int, kills: int) -> Verdict:
    client = house.client()
    client.webhooks.create(name="chaos", url=f"{receiver.url}/hook", event_types=["fine_tuning.job.succeeded"])
    nemesis, order = Nemesis(house, seed, KILLS + OUTAGES), Campaign(client, jobs)
    with Watch(client) as watch:
        for number in range(kills):
            order.create_until(1 + jobs * number // kills)
            time.sleep(nemesis.random.uniform(*_PAUSE))
            watch.blow(nemesis.strike())
            order.meddle()
        order.create_until(jobs)
        late = ""
        try:
            until(order.all_ended, _END_SECONDS, "all jobs end")
        except pytest.fail.Exception as failure:
            late = str(failure)
        verdict = judge(house, client, receiver, order.jobs, watch)
    return verdict.with_fault(late)


def main() -> int:
    given = options("chaos", __doc__, jobs=40, kills=150)
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    models = directory / "models"
    models.mkdir()
    with (running_house(directory, make_base(models)) as house, receiving() as receiver, second_worker(house)):
        adopt(database_url=house.setting("database_url"))
        verdict = campaign(house, receiver, seed=given.seed, jobs=given.jobs, kills=given.kills)
    recoveries = {name: (count, f"{slowest:.1f}") for name, (count, slowest) in sorted(verdict.recoveries.items())}
    return report([table("Blows", ("blow", "struck", "slowest recovery, s"), recoveries),
                   table("What came of it", ("what", "count"), {what: (n,) for what, n in verdict.counts.items()})],
                  verdict.broken, directory, keep=given.keep)


if __name__ == "__main__":
    sys.exit(main())
