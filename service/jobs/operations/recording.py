"""What workers tell of a running job. Each is safe to repeat, and says nothing about a job that has ended."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy.orm import Session

from service.catalog import operations as catalog
from service.catalog.base_models import BaseModelEntry, find_base_model
from service.jobs import queries
from service.jobs.operations import telling
from service.jobs.operations.transitions import Line, fail, log, move
from service.jobs.states import JobStatus
from service.jobs.tables import Checkpoint, Job
from service.kit.database import database_now
from service.kit.identifiers import new_id, random_text
from service.kit.schemas import JSONObject

CHECKPOINTS_KEPT = 3


def _running(session: Session, job_id: str) -> Job | None:
    """The job, locked, if it runs."""
    job = queries.lock(session, job_id)
    return job if job is not None and job.status is JobStatus.RUNNING else None


def _unended(session: Session, job_id: str) -> Job | None:
    job = queries.lock(session, job_id)
    return None if job is None or job.status.is_terminal else job


def stop_requested(session: Session, job_id: str) -> Literal["cancel", "pause"] | None:
    """What the job's owner asked of the running job; a cancel comes before a pause, and an archive is one."""
    job = queries.job(session, job_id)
    if job is None or job.cancel_requested_at is not None or queries.is_archived(session, job.project_id):
        return "cancel"
    return "pause" if job.pause_requested_at is not None else None


def record_handle(session: Session, job_id: str, handle: JSONObject) -> None:
    """Keep what the provider gave for the run."""
    job = _running(session, job_id)
    if job is not None:
        job.handle = handle


def record_note(session: Session, job_id: str, note: str) -> None:
    """Write a line of the provider's into the log; the same words are written once."""
    job = _running(session, job_id)
    if job is not None:
        log(session, job, [Line(note, key="note:" + hashlib.sha256(note.encode()).hexdigest()[:16])])


def record_progress(session: Session, job_id: str, *, total_steps: int, seconds_left: float | None) -> None:
    """Keep how long the job still takes."""
    job = _running(session, job_id)
    if job is None:
        return
    job.total_steps = total_steps
    if seconds_left is not None and math.isfinite(seconds_left):
        left = timedelta(seconds=min(max(seconds_left, 0.0), 365 * 86_400.0))
        job.estimated_finish = database_now(session) + left


def record_metrics(session: Session, job_id: str, metrics: Sequence[Mapping[str, Any]]) -> None:
    """Write the metrics of some steps (each with `step`), one line per step however often they are told."""
    job = _running(session, job_id)
    if job is None or not metrics:
        return
    steps = sorted((_plain(step) for step in metrics), key=lambda step: int(step["step"]))
    before = telling.reach(job)
    job.last_step = max(job.last_step, int(steps[-1]["step"]))
    log(session, job, [_metrics_line(job, step) for step in steps])
    telling.milestones(session, job, before, steps)


def _plain(metrics: Mapping[str, Any]) -> JSONObject:
    """Without the NaN and infinity that JSON cannot carry."""
    return {name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in metrics.items()}


def _metrics_line(job: Job, metrics: JSONObject) -> Line:
    step, total = metrics["step"], metrics.get("total_steps") or job.total_steps
    losses = [f"{words}={metrics[name]:.2f}" for name, words in (
        ("train_loss", "training loss"), ("valid_loss", "validation loss"),
        ("full_valid_loss", "full validation loss")) if metrics.get(name) is not None]
    where = f"Step {step}/{total}" if total else f"Step {step}"
    return Line(f"{where}: {', '.join(losses) or 'no loss'}", key=f"step:{step}", type="metrics", data=metrics)


def record_checkpoint(session: Session, job_id: str, step: int, *, metrics: Mapping[str, Any], artifact_prefix: str,
                      kind: Literal["adapter", "model"], manifest: JSONObject) -> bool:
    """Make a checkpoint usable as a model, and let go of all but the last three; whether it is a new one that stays."""
    job = _running(session, job_id)
    base = find_base_model(job.base_model) if job else None
    if job is None or base is None:
        return False
    artifact = catalog.Artifact(prefix=artifact_prefix, kind=kind, manifest=manifest)
    name = _name(session, job, base, random_text(8), step)
    tuned = catalog.register_model(session, project_id=job.project_id, job_id=job.id, step=step, name=name, base=base,
                                   artifact=artifact)
    if tuned.deleted_at is not None:  # told again after it was let go: so are its files
        catalog.discard(session, tuned)
        return False
    kept = queries.kept_checkpoints(session, job_id)
    if any(checkpoint.step_number == step for checkpoint in kept):
        return False
    checkpoint = Checkpoint(id=new_id("ftckpt_"), project_id=job.project_id, job_id=job.id, step_number=step,
                            fine_tuned_model_checkpoint=tuned.name, artifact_prefix=tuned.artifact_prefix,
                            metrics={**_plain(metrics), "type": "supervised"})
    session.add(checkpoint)
    log(session, job, [Line(f"Checkpoint created at step {step}", key=f"checkpoint:{step}")])
    let_go = sorted([*kept, checkpoint], key=lambda each: each.step_number)[:-CHECKPOINTS_KEPT]
    for old in let_go:
        catalog.discard_step(session, job.id, old.step_number)
        session.delete(old)
    session.flush()
    if checkpoint in let_go:
        return False
    telling.checkpoints(session, job, [checkpoint])
    return True


def _name(session: Session, job: Job, base: BaseModelEntry, code: str, step: int | None = None) -> str:
    slug = queries.project_slug(session, job.project_id)
    return catalog.tuned_name(base.id, slug, job.suffix, code, step=step)


def record_success(session: Session, job_id: str, *, trained_tokens: int, result_file: str) -> None:
    """End the job well: its last checkpoint becomes its model. A job that made no checkpoint fails."""
    job = _running(session, job_id)
    base = find_base_model(job.base_model) if job else None
    if job is None or base is None:
        return
    last = next(iter(queries.kept_checkpoints(session, job_id)), None)
    if last is None:
        fail(session, job, "server_error", "The job failed due to an internal error: the training ended without a"
             " model. Create it again; if that fails too, ask your platform team.", None)
        return
    name = _name(session, job, base, job.model_code)
    catalog.rename_step(session, job.id, last.step_number, name)
    last.fine_tuned_model_checkpoint = name
    job.fine_tuned_model = name
    job.trained_tokens = trained_tokens
    job.result_files = [result_file]
    log(session, job, [Line(f"New fine-tuned model created: {name}", key="model")])
    move(session, job, JobStatus.SUCCEEDED, Line("The job has successfully completed", key="succeeded"))


def record_failure(session: Session, job_id: str, code: str, message: str, param: str | None) -> None:
    """End the job badly, with its cause in `error`; its checkpoints stay usable."""
    job = _unended(session, job_id)
    if job is not None:
        fail(session, job, code, message, param)


def record_cancelled(session: Session, job_id: str) -> None:
    """The provider ended the job because it was asked to."""
    job = _unended(session, job_id)
    if job is not None:
        move(session, job, JobStatus.CANCELLED, Line("The job was cancelled", key="cancelled"))


def record_paused(session: Session, job_id: str) -> None:
    """The provider stopped the job where it can go on; a cancel that came meanwhile ends it."""
    job = _running(session, job_id)
    if job is None:
        return
    if job.cancel_requested_at is not None:
        move(session, job, JobStatus.CANCELLED, Line("The job was cancelled", key="cancelled"))
    else:
        move(session, job, JobStatus.PAUSED, Line("The job was paused"))
