"""How jobs move: by the clock through validation, queue and steps to their end, or by what callers ask for."""

import base64
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.remote import refusals
from tests.remote.accounts import Account
from tests.remote.datasets import Problem
from tests.remote.files import Generated, StoredFile
from tests.remote.jobs import Checkpoint, Event, Job, Steps
from tests.remote.models import Tuned, azure_name, tuned_name
from tests.remote.names import Names

if TYPE_CHECKING:
    from tests.remote.world import World

_KEPT_CHECKPOINTS = 3


@dataclass
class Pace:
    """How long each state lasts, in simulated seconds."""

    validating: float = 10.0
    queued: float = 20.0
    step: float = 1.0


class Training:
    """The moves of one project's jobs. `ended` is told of each job that came to its end."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.ended: Callable[[Account, Job], None] = nothing

    @property
    def names(self) -> Names:
        return self.world.names

    # -- by the clock ----------------------------------------------------------------------------------

    def begin(self, account: Account, job: Job) -> None:
        account.add(job)
        self._tell(job, job.created_at, f"Created fine-tuning job: {job.id}")
        files = f"Validating training file: {job.training_file}"
        self._tell(job, job.created_at, files + (f" and validation file: {job.validation_file}"
                                                 if job.validation_file else ""))
        self._wait(account, job, job.created_at + self.world.pace.validating)

    def move_on(self, account: Account, job: Job, now: float) -> None:
        """What is due at `now`, which is when it was due, however late anybody looks."""
        if job.status == "validating_files":
            if job.problem and job.problem.code != "server_error":
                self.fail(account, job, job.problem, now)
            else:
                self._enter_queue(account, job, now)
        elif job.status == "queued":
            self._start(account, job, now)
        elif job.status == "running":
            self.catch_up(job, now)
            if job.problem:
                self.fail(account, job, job.problem, now)
            else:
                self.succeed(account, job, now)

    def _enter_queue(self, account: Account, job: Job, now: float) -> None:
        job.status = "queued"
        self._tell(job, now, "Files validated, moving job to queued state")
        self._wait(account, job, now + self.world.pace.queued)

    def _start(self, account: Account, job: Job, now: float) -> None:
        job.status, job.running_since = "running", now
        left = job.steps - job.steps_done
        if not job.ran:
            resolve(job)
            left = job.steps
        job.ran = True
        job.estimated_finish = now + left * job.step_seconds
        self._tell(job, now, "Fine-tuning job started", data=None)
        self._wait(account, job, now + (left / 2 if job.problem else left) * job.step_seconds)

    def catch_up(self, job: Job, now: float) -> None:
        """Tell the steps that passed until now."""
        if job.status != "running" or job.running_since is None:
            return
        passed = int((now - job.running_since + 1e-6) / job.step_seconds) if job.step_seconds > 0 else job.steps
        count = min(passed, job.steps - job.steps_done)
        if count > 0:
            job.events.append(Steps(job.steps_done + 1, job.steps_done + count, job.running_since + job.step_seconds))
            job.steps_done += count
            job.running_since += count * job.step_seconds

    def unfold(self, job: Job) -> list[Event]:
        """Every line of a job's log, oldest first."""
        if any(isinstance(each, Steps) for each in job.events):
            job.events = [line for each in job.events
                          for line in (self._lines(job, each) if isinstance(each, Steps) else [each])]
        return [each for each in job.events if isinstance(each, Event)]

    def _lines(self, job: Job, steps: Steps) -> Iterator[Event]:
        for step in range(steps.first, steps.last + 1):
            data = metrics(job, step)
            yield Event(self.names.event(), steps.since + (step - steps.first) * job.step_seconds,
                        f"Step {step}/{job.steps}: training loss={data['train_loss']:.2f}", type="metrics",
                        data=data | {"total_steps": job.steps})

    # -- ends ------------------------------------------------------------------------------------------

    def succeed(self, account: Account, job: Job, now: float) -> None:
        job.steps_done = job.steps
        job.fine_tuned_model = self._name(account, job)
        self._make_checkpoints(account, job, now)
        self._tell(job, now, f"New fine-tuned model created: {job.fine_tuned_model}")
        self._tell(job, now, "The job has successfully completed")
        job.trained_tokens = job.tokens * job.epochs
        self._bill(job)
        make = partial(encoded_csv if self.world.behaviour.results_base64 else result_csv, job)
        file = StoredFile(self.names.file(azure=job.azure), "step_metrics.csv", "fine-tune-results", now,
                          Generated(make))
        account.files[file.id] = file
        job.result_files = [file.id]
        self._end(account, job, "succeeded", now)

    def fail(self, account: Account, job: Job, problem: Problem, now: float) -> None:
        job.error = problem.wire()
        self._tell(job, now, f"The job failed: {problem.message}", level="error",
                   data={"error_code": problem.code, "error_param": problem.param})
        self._end(account, job, "failed", now)

    def cancel(self, account: Account, job: Job, now: float) -> None:
        if not job.is_live:
            raise refusals.wrong_state(job.id, job.status, "cancelled")
        self.catch_up(job, now)
        if job.ran and self.world.behaviour.bills_cancelled:
            job.trained_tokens = job.tokens * job.epochs * job.steps_done // max(job.steps, 1)
            self._bill(job)
        self._tell(job, now, "The job has been cancelled")
        self._end(account, job, "cancelled", now, finished=False)

    def pause(self, account: Account, job: Job, now: float) -> None:
        if job.status != "running":
            raise refusals.wrong_state(job.id, job.status, "paused")
        self.catch_up(job, now)
        job.status, job.running_since, job.estimated_finish = "paused", None, None
        self._tell(job, now, "The job has been paused")
        self._wait(account, job, None)

    def resume(self, account: Account, job: Job, now: float) -> None:
        if job.status != "paused":
            raise refusals.wrong_state(job.id, job.status, "resumed")
        job.status = "queued"
        self._tell(job, now, "The job has been resumed and is queued again")
        self._wait(account, job, now + self.world.pace.queued)

    def _end(self, account: Account, job: Job, status: str, now: float, *, finished: bool = True) -> None:
        job.status, job.running_since, job.estimated_finish = status, None, None
        job.finished_at = now if finished else None
        self._wait(account, job, None)
        self.ended(account, job)

    # -- parts -----------------------------------------------------------------------------------------

    def _bill(self, job: Job) -> None:
        job.billed_tokens = 0 if job.base.by_time else job.trained_tokens or 0
        job.billed_seconds = job.steps_done * job.step_seconds if job.base.by_time else 0.0

    def _name(self, account: Account, job: Job) -> str:
        if job.azure:
            return azure_name(job.base, job.suffix, self.names.azure_tail())
        return tuned_name(job.base, account.slug, job.suffix, self.names.tail())

    def _make_checkpoints(self, account: Account, job: Job, now: float) -> None:
        """One for each of the last epochs; the last bears the model's own name."""
        per_epoch = max(1, job.steps // job.epochs)
        for epoch in range(max(1, job.epochs - _KEPT_CHECKPOINTS + 1), job.epochs + 1):
            last = epoch == job.epochs
            step = job.steps if last else epoch * per_epoch
            name = job.fine_tuned_model if last else (
                f"{self._name(account, job)}:ckpt-step-{step}")
            assert name is not None
            made = now - (job.steps - step) * job.step_seconds
            job.checkpoints.append(Checkpoint(self.names.checkpoint(), made, name, job.id, step,
                                              metrics(job, step) | {"type": job.method}))
            account.models[name] = Tuned(name, job.base, job.id, made, account.slug)
            if not last:
                self._tell(job, now, f"Checkpoint created at step {step}")

    def _tell(self, job: Job, moment: float, message: str, *, level: str = "info",
              data: dict[str, Any] | None = {}) -> None:  # noqa: B006  # never changed, as each Event's data is
        job.events.append(Event(self.names.event(), moment, message, level, data=data))

    def _wait(self, account: Account, job: Job, until: float | None) -> None:
        job.due = until
        job.changed()
        if until is not None:
            self.world.schedule(until, account, job)


def nothing(_account: Account, _job: Job) -> None:
    """Nobody is told of the end of a job."""


def resolve(job: Job) -> None:
    """Put numbers in the place of every "auto", as the server does when training begins."""
    given: dict[str, Any] = job.options["hyperparameters"]
    auto = {"n_epochs": default_epochs(job.examples), "batch_size": max(1, job.examples // 500),
            "learning_rate_multiplier": job.base.learning_rate, "beta": 0.1, "compute_multiplier": 1.0,
            "eval_interval": 1, "eval_samples": 1}
    job.options["hyperparameters"] = {key: auto[key] if value == "auto" else value for key, value in given.items()}
    job.epochs = job.options["hyperparameters"]["n_epochs"]
    job.steps = job.epochs * math.ceil(job.examples / job.options["hyperparameters"]["batch_size"])


def default_epochs(examples: int) -> int:
    epochs = 3
    if examples * epochs < 100:
        return min(25, 100 // max(examples, 1))
    return max(1, 25_000 // examples) if examples * epochs > 25_000 else epochs


def metrics(job: Job, step: int) -> dict[str, Any]:
    """Falling, the same for the same job and step, and whole enough for a CSV."""
    loss = round(2.0 / (1 + step * 0.1) + (job.seed % 97) / 1000, 4)
    if job.method == "reinforcement":
        return {"step": step, "train_loss": loss, "train_mean_reward": round(1 - loss / 3, 4)}
    told = {"step": step, "train_loss": loss, "train_mean_token_accuracy": round(1 - loss / 3, 4)}
    if job.validation_file:
        told |= {"valid_loss": round(loss * 1.1, 4), "valid_mean_token_accuracy": round(1 - loss / 2.7, 4)}
    return told


def encoded_csv(job: Job) -> bytes:
    return base64.b64encode(result_csv(job))


def result_csv(job: Job) -> bytes:
    lines = ["step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"]
    for step in range(1, job.steps + 1):
        told = metrics(job, step)
        lines.append(",".join(str(told.get(name, "")) for name in
                              ("step", "train_loss", "train_mean_token_accuracy", "valid_loss",
                               "valid_mean_token_accuracy")))
    return ("\n".join(lines) + "\n").encode()
