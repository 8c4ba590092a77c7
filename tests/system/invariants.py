"""What must hold after any number of blows, read from the API, the webhook receiver and the database only."""

import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import psutil
import pytest
from openai import APIStatusError, OpenAI
from sqlalchemy import text

from service.kit.database import DISPATCH, transaction
from service.settings import settings
from tests.fixtures.receiver import Receiver
from tests.fixtures.whole_house import WholeHouse, until
from tests.system import telling
from tests.system.nemesis import trains
from tests.system.watch import Watch

EPOCHS = 12
STEPS = 8 * EPOCHS
"""Of each job: 16 examples, 2 at a time."""
_SETTLE_SECONDS = 120.0


@dataclass
class Verdict:
    broken: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    recoveries: dict[str, tuple[int, float]] = field(default_factory=dict)

    def with_fault(self, fault: str) -> "Verdict":
        if fault:
            self.broken.append(fault)
        return self


def judge(house: WholeHouse, client: OpenAI, receiver: Receiver, jobs: dict[str, set[str]], watch: Watch) -> Verdict:
    """`jobs` says by id how each may have ended."""
    verdict = Verdict(recoveries=watch.recoveries)
    there = {job.id: job for job in client.fine_tuning.jobs.list()}
    if len(there) != len(jobs):
        verdict.broken.append(f"{len(jobs)} jobs were created, {len(there)} are there")
    verdict.counts.update(dict.fromkeys(["lost", "doubled", "lines missing"], 0))
    succeeded = set()
    for job_id, ends in jobs.items():
        job = there.get(job_id)
        status = str(job.status) if job else "gone"
        verdict.counts[status] += 1
        if status not in ends - {"paused"}:
            verdict.counts["lost"] += 1
            verdict.broken.append(f"{job_id} is {status}: {job.error.message if job and job.error else ''}")
        if status == "succeeded":
            succeeded.add(job_id)
            _judge_checkpoints(client, job_id, verdict)
        log = [event.message for event in client.fine_tuning.jobs.list_events(job_id, limit=100)][::-1] if job else []
        _judge_log(log, job_id, status, verdict)
    _judge_webhooks(receiver, succeeded, verdict)
    verdict.broken += telling.faults({job_id: str(job.status) for job_id, job in there.items()
                                      if job.status in {"succeeded", "failed", "cancelled"}},
                                     settings().database_url.get_secret_value(), milestones=10)
    _judge_work(verdict)
    verdict.broken += watch.fallen
    verdict.counts["items taken over from dead or frozen workers"] = watch.takeovers
    left = training_processes(house)
    return verdict.with_fault(f"training processes are left: {left}" if left else "")


def training_processes(house: WholeHouse) -> list[int]:
    """Pids of runs in the house's directory, whoever started them."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if trains(process) and any(str(house.data_dir) in word for word in process.cmdline()):
                found.append(process.pid)
    return found


def _judge_log(log: list[str], job_id: str, status: str, verdict: Verdict) -> None:
    """Every line once; of a job that succeeded every step, in order, and its end at the end."""
    resumed = sum(line.startswith("Resumed from step") for line in log)
    verdict.counts["resumed from a checkpoint"] += resumed
    steps = [int(line.split()[1].split("/")[0]) for line in log if line.startswith("Step ")]
    once = Counter(line.split(":")[0] if line.startswith("Step ") else line for line in log
                   if line not in {"The job was paused", "The job was resumed and is queued again"})
    twice = [line for line, times in once.items() if times > 1]
    if twice:
        verdict.counts["doubled"] += len(twice)
        verdict.broken.append(f"{job_id} tells twice: {twice[:3]}")
    if steps != list(range(1, len(steps) + 1)):
        verdict.broken.append(f"{job_id}: steps out of order: {steps}")
    if status == "succeeded" and (len(steps) != STEPS or log[-1] != "The job has successfully completed"):
        verdict.counts["lines missing"] += STEPS - len(steps)
        verdict.broken.append(f"{job_id}: {len(steps)} steps, and {log[-1]!r} at the end")


def _judge_checkpoints(client: OpenAI, job_id: str, verdict: Verdict) -> None:
    """The last three are kept, and each of them answers."""
    checkpoints = list(client.fine_tuning.jobs.checkpoints.list(job_id))
    if [each.step_number for each in checkpoints] != [STEPS, STEPS - 8, STEPS - 16]:
        verdict.broken.append(f"{job_id} keeps {[each.step_number for each in checkpoints]}")
    for checkpoint in checkpoints:
        try:
            client.chat.completions.create(model=checkpoint.fine_tuned_model_checkpoint, max_completion_tokens=1,
                                           messages=[{"role": "user", "content": "say 3"}])
            verdict.counts["checkpoints that answer"] += 1
        except APIStatusError as refusal:
            verdict.broken.append(f"{checkpoint.fine_tuned_model_checkpoint} does not answer: {refusal}")


def _judge_webhooks(receiver: Receiver, succeeded: set[str], verdict: Verdict) -> None:
    """Deliveries may come more than once under one id; each job has one id."""
    def told() -> Counter[str]:
        by_id = {each.headers["webhook-id"]: json.loads(each.body)["data"]["id"] for each in receiver.requests}
        return Counter(by_id.values())
    _settled(lambda: len(told()) >= len(succeeded), "a webhook for each job", verdict)
    verdict.counts["webhook events"] = told().total()
    verdict.counts["webhook deliveries"] = len(receiver.requests)
    if told() != Counter(succeeded):
        verdict.counts["doubled"] += (told() - Counter(succeeded)).total()
        verdict.broken.append(f"webhooks lost {Counter(succeeded) - told()}, too many {told() - Counter(succeeded)}")


def _judge_work(verdict: Verdict) -> None:
    """Only what looks after an upload a day later may wait; work that was given up is left too."""
    def left() -> list[str]:
        with transaction(DISPATCH) as session:
            rows = session.execute(text("select kind, subject, state, crashes, failures, last_error from work_items"
                                        " where state <> 'pending' or run_at < now() + interval '1 hour'"))
            return [str(tuple(row)) for row in rows]
    _settled(lambda: not left(), "no work is left", verdict)
    verdict.broken += left()


def _settled(holds: Callable[[], bool], what: str, verdict: Verdict) -> None:
    try:
        until(holds, _SETTLE_SECONDS, what)
    except pytest.fail.Exception as late:
        verdict.broken.append(str(late))
