"""Carries fine-tuning jobs: prepares them, has a provider train them, and records what it tells."""

import csv
import hashlib
import io
import json
import logging
import time
from datetime import timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from service.catalog import operations as catalog
from service.catalog.machines import trained_on
from service.files import operations as files
from service.jobs import operations as jobs
from service.jobs import queries as job_queries
from service.jobs.plans import TrainingPlan
from service.kit import work
from service.kit.storage import storage
from service.kit.work import Claim, Work
from worker.app import Running, Transient, task, unit_of_work
from worker.providers.base import (
    Cancelled,
    Failed,
    Handle,
    Paused,
    Provider,
    Rejected,
    Saved,
    Succeeded,
    Unavailable,
    Update,
)
from worker.providers.base import Running as Progress
from worker.providers.registry import provider
from worker.tasks.preflights import leakage_between

_log = logging.getLogger(__name__)
_POLL_SECONDS = 0.5
_STOP_POLL_SECONDS = 1.0
_CANCEL_GRACE_SECONDS = 10.0
_SHUTDOWN_GRACE_SECONDS = 15.0
_MAX_CRASHES = 5
_RESULT_COLUMNS = {"step": "step", "train_loss": "train_loss", "train_accuracy": "train_mean_token_accuracy",
                   "valid_loss": "valid_loss", "valid_mean_token_accuracy": "valid_mean_token_accuracy"}


@task(Work.PREPARE_JOB)
def prepare(running: Running) -> timedelta | None:
    """Move a job from validating_files to queued once its files are validated, or fail it with their verdict."""
    with unit_of_work(running.claim) as session:
        step = jobs.step_for_job(session, running.claim.subject)
    leakage = leakage_between(step) if step is not None else None
    try:
        with unit_of_work(running.claim) as session:
            waiting = jobs.prepare(session, running.claim.subject, leakage=leakage, compared=step is not None)
    except jobs.NotCompared:  # a report landed between the two: everything is undone, and told anew
        return timedelta(0)
    return timedelta(seconds=1) if waiting else None


@task(Work.TRAIN_JOB)
def train(running: Running) -> timedelta | None:
    """Run one job to its end, its pause, or this worker's; then say what is next."""
    with unit_of_work(running.claim) as session:
        plan = jobs.begin(session, running.claim.subject)
    if plan is None:
        return None
    try:
        return Supervision(running, plan, provider(plan.provider)).carry()
    except Rejected as refused:
        with unit_of_work(running.claim) as session:
            jobs.record_failure(session, plan.job_id, refused.code, refused.message, refused.param)
        return None
    except Unavailable as trouble:
        raise Transient(str(trouble), trouble.retry_after) from trouble


@prepare.abandoned
@train.abandoned
def give_up(session: Session, claim: Claim, cause: str) -> None:
    """The attempts are spent: the job fails, and says why."""
    _log.error("job %s is failed: %s", claim.subject, cause)
    jobs.record_failure(session, claim.subject, "server_error",
                        "The job failed due to an internal error: it was tried several times and each try was cut"
                        " short. Create it again; if that fails too, ask your platform team.", None)


class Supervision:
    """One worker's watch over one run."""

    def __init__(self, running: Running, plan: TrainingPlan, trainer: Provider) -> None:
        self.running = running
        self.claim = running.claim
        self.plan = plan
        self.trainer = trainer
        self.asked: str | None = None
        self.asked_at = 0.0
        self.next_look = 0.0
        self.training_since: float | None = None

    def carry(self) -> timedelta | None:
        """Submit, follow, record. Whatever happens, no process of this run is left behind."""
        handle: Handle = self.trainer.submit(self.plan)
        try:
            with unit_of_work(self.claim) as session:
                jobs.record_handle(session, self.plan.job_id, handle)
            update = self._follow(handle)
        finally:
            self.trainer.release(handle)
        return self._conclude(update)

    def _follow(self, handle: Handle) -> Update:
        while True:
            update = self.trainer.poll(handle)
            handle = update.running.handle
            self.running.advance(json.dumps(handle, sort_keys=True))
            self._record(update.running)
            if update.ended is not None or self._out_of_patience():
                return update
            self._pass_on_requests(handle)
            time.sleep(_POLL_SECONDS)

    def _record(self, progress: Progress) -> None:
        """Steps before checkpoints: whoever goes on from a stored checkpoint finds every step before it recorded."""
        if self.training_since is None and progress.total_steps is not None:
            self.training_since = time.monotonic()
        if progress.steps or progress.notes or progress.stage:
            with unit_of_work(self.claim) as session:
                for note in progress.notes:
                    jobs.record_note(session, self.plan.job_id, note)
                jobs.record_metrics(session, self.plan.job_id, [dict(step.values) for step in progress.steps])
                if progress.total_steps is not None:
                    jobs.record_progress(session, self.plan.job_id, total_steps=progress.total_steps,
                                         seconds_left=progress.seconds_left)
        for saved in progress.saved:
            if self.plan.resume is None or saved.step > self.plan.resume.step:
                self._store(saved)

    def _store(self, saved: Saved) -> None:
        """Bring a checkpoint into the object store, then record it; one that is gone already was superseded."""
        prefix = artifact_prefix(self.plan, saved.step)
        try:
            manifest = json.loads((Path(saved.path) / "manifest.json").read_text())
            storage().upload_dir(Path(saved.path), prefix)
        except FileNotFoundError:
            return
        with unit_of_work(self.claim) as session:
            is_headway = jobs.record_checkpoint(session, self.plan.job_id, saved.step, metrics=dict(saved.metrics),
                                                artifact_prefix=prefix, kind=saved.kind, manifest=manifest)
            claim = work.note_headway(session, self.claim) if is_headway else self.claim
        self.claim = self.running.claim = claim

    def _pass_on_requests(self, handle: Handle) -> None:
        """Tell the trainer, once, what was asked for: an end, a pause, or room for this worker's shutdown."""
        if self.asked is None and self.running.must_stop:
            self._ask("shutdown", handle)
        if time.monotonic() < self.next_look or self.asked == "cancel":
            return
        self.next_look = time.monotonic() + _STOP_POLL_SECONDS
        with unit_of_work(self.claim) as session:
            wanted = jobs.stop_requested(session, self.plan.job_id)
        if wanted is not None and wanted != self.asked:
            self._ask(wanted, handle)

    def _ask(self, what: str, handle: Handle) -> None:
        self.asked, self.asked_at = what, time.monotonic()
        if what == "cancel":
            self.trainer.cancel(handle)
        else:
            self.trainer.pause(handle)

    def _out_of_patience(self) -> bool:
        """A cancelled run that does not end, or one that outlasts this worker's shutdown, is ended for it."""
        grace = {"cancel": _CANCEL_GRACE_SECONDS, "shutdown": _SHUTDOWN_GRACE_SECONDS}.get(self.asked or "")
        return grace is not None and time.monotonic() - self.asked_at > grace

    def _conclude(self, update: Update) -> timedelta | None:
        match update.ended:
            case Succeeded() as success:
                self._succeed(success)
            case Failed(transient=True) as failure if self.claim.failures < _MAX_CRASHES:
                with unit_of_work(self.claim) as session:
                    jobs.record_note(session, self.plan.job_id, f"{failure.message} Trying again.")
                raise Transient(failure.message)
            case Failed() as failure:
                with unit_of_work(self.claim) as session:
                    jobs.record_failure(session, self.plan.job_id, failure.code, failure.message, failure.param)
            case Cancelled() | None if self.asked == "cancel":
                with unit_of_work(self.claim) as session:
                    jobs.record_cancelled(session, self.plan.job_id)
            case Paused() if self.asked == "pause":
                with unit_of_work(self.claim) as session:
                    jobs.record_paused(session, self.plan.job_id)
                return None
            case _:  # this worker's end, not the job's: another goes on from the newest checkpoint
                return timedelta(0)
        self.trainer.discard(self.plan)
        return None

    def _succeed(self, success: Succeeded) -> None:
        with unit_of_work(self.claim) as session:
            rows = job_queries.metrics(session, self.plan.job_id)
        table = result_table(rows)
        file_id = f"file-{hashlib.sha256(self.plan.job_id.encode()).hexdigest()[:24]}"
        key = f"projects/{self.plan.project_id}/files/{file_id}"
        storage().write(key, table)
        with unit_of_work(self.claim) as session:
            files.register(session, project_id=self.plan.project_id, file_id=file_id, filename="step_metrics.csv",
                           purpose="fine-tune-results", bytes=len(table), sha256=hashlib.sha256(table).hexdigest(),
                           object_key=key, status="processed")
            jobs.record_success(session, self.plan.job_id, trained_tokens=success.trained_tokens,
                                result_file=file_id)
            self._note_rate(session, success.trained_tokens)

    def _note_rate(self, session: Session, tokens: int) -> None:
        """For estimates to come: how fast it was, if all of it was trained under this watch."""
        if self.training_since is None or self.plan.resume is not None:
            return
        local = self.plan.provider == "local"
        catalog.note_rate(session, base_model=self.plan.base_model_id, tuning=self.plan.method.tuning.get("type", ""),
                          device=trained_on() if local else self.plan.provider, tokens=tokens,
                          seconds=time.monotonic() - self.training_since)


def artifact_prefix(plan: TrainingPlan, step: int) -> str:
    """Where the files of a checkpoint lie in the object store."""
    return f"projects/{plan.project_id}/jobs/{plan.job_id}/checkpoints/step-{step}/"


def result_table(rows: list[dict[str, object]]) -> bytes:
    """The result file: one line per step, in the columns of OpenAI's; empty where a step has no such value."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_RESULT_COLUMNS)
    for row in rows:
        writer.writerow([row.get(name, "") for name in _RESULT_COLUMNS.values()])
    return out.getvalue().encode()
