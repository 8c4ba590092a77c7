"""Kills at random points: every job ends as it should, every event is told once, training goes on where it was.

The seed is printed with each failure; `pytest --seed N` repeats its choices.
"""

import json
import time
from collections import Counter

from openai import OpenAI

from tests.fixtures.receiver import Receiver
from tests.fixtures.whole_house import BASE, WholeHouse, chat_lines, until
from tests.system.chaos_runs import patiently
from tests.system.nemesis import Nemesis
from tests.system.test_main_job import messages, upload

JOBS = 4
KILLS = 8


def test_nothing_is_lost_and_nothing_happens_twice(whole_house: WholeHouse, receiver: Receiver, seed: int) -> None:
    nemesis = Nemesis(whole_house, seed)
    client = whole_house.client()
    client.webhooks.create(name="kills", url=f"{receiver.url}/hook", event_types=["fine_tuning.job.succeeded"])
    file = upload(client, chat_lines(16, turns=3))
    jobs = [client.fine_tuning.jobs.create(model=BASE, training_file=file, seed=number, suffix=f"k{number}",
                                           hyperparameters={"n_epochs": 4, "batch_size": 2}).id
            for number in range(JOBS)]
    for _ in range(KILLS):
        time.sleep(nemesis.random.uniform(1.0, 5.0))
        nemesis.strike()
    context = f"seed {seed}, {dict(nemesis.struck)}"

    def states() -> dict[str, str]:
        return {job: str(patiently(lambda job=job: client.fine_tuning.jobs.retrieve(job).status)) for job in jobs}  # type: ignore[misc]  # the default binds the loop's job
    until(lambda: set(states().values()) <= {"succeeded", "failed", "cancelled"}, 300, f"all jobs end ({context})")
    assert states() == dict.fromkeys(jobs, "succeeded"), context
    for job in jobs:
        check_log(client, job, context)

    def told() -> set[str]:
        """Deliveries may come more than once; their ids tell them apart."""
        return {request.headers["webhook-id"] for request in receiver.requests}
    until(lambda: len(told()) >= JOBS, 60, f"a webhook for each job ({context})")
    told_of = Counter(json.loads(body)["data"]["id"] for body in {request.body for request in receiver.requests})
    assert told_of == dict.fromkeys(jobs, 1), context


def check_log(client: OpenAI, job: str, context: str) -> None:
    """Every line once, every step there, and the end at the end."""
    log = messages(client, job)
    once = Counter(line.split(":")[0] if line.startswith("Step ") else line for line in log
                   if not line.startswith("Training "))
    assert not [line for line, times in once.items() if times > 1], f"told twice ({context}): {once}"
    assert len([line for line in once if line.startswith("Step ")]) == 32, context
    assert log[-1] == "The job has successfully completed", context


def test_training_goes_on_where_it_was(whole_house: WholeHouse) -> None:
    """A killed training process resumes from its newest checkpoint instead of starting again."""
    client = whole_house.client()
    job = client.fine_tuning.jobs.create(model=BASE, training_file=upload(client, chat_lines(16, turns=3)),
                                         hyperparameters={"n_epochs": 20, "batch_size": 2}).id
    until(lambda: "Checkpoint created at step 16" in messages(client, job), 120, "a checkpoint is stored")
    Nemesis(whole_house, 0).training_process()
    until(lambda: client.fine_tuning.jobs.retrieve(job).status == "succeeded", 180, "the job succeeds")
    log = messages(client, job)
    assert [line for line in log if line.startswith("Resumed from step ")], log
    assert len({line.split(":")[0] for line in log if line.startswith("Step ")}) == 160
