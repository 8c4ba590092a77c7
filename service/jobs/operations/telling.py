"""Tells other services of jobs: what becomes of one, how far it is, what it made. Each fact as the job is then.

The caller holds the job's lock, so its events are numbered in the order in which they came true. Nothing that is told
holds training data: what validation quotes of a file stays in the job and in the file's report.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from service.events import operations as events
from service.events.types import EventType
from service.jobs.schemas.jobs import Checkpoint as ShownCheckpoint
from service.jobs.schemas.jobs import Job as ShownJob
from service.jobs.states import JobStatus
from service.jobs.tables import Checkpoint, Job
from service.kit.schemas import JSONObject

_MOVES = {
    JobStatus.QUEUED: EventType.JOB_QUEUED,
    JobStatus.RUNNING: EventType.JOB_RUNNING,
    JobStatus.PAUSED: EventType.JOB_PAUSED,
    JobStatus.SUCCEEDED: EventType.JOB_SUCCEEDED,
    JobStatus.FAILED: EventType.JOB_FAILED,
    JobStatus.CANCELLED: EventType.JOB_CANCELLED,
}
_PROMPTS = frozenset({"grader", "response_format"})
"""Parts of a method that are as long as their owner likes and hold what models are asked."""
_QUOTING = frozenset({"invalid_file_format", "invalid_training_file", "invalid_validation_file"})
"""Codes of errors whose messages repeat what a file holds."""
_MOST_NUMBERS, _LONGEST_NAME, _LARGEST = 30, 64, 2**63


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a job was, before more was known of it."""

    step: int
    total: int | None


def reach(job: Job) -> Reach:
    return Reach(job.last_step, job.total_steps)


def snapshot(job: Job) -> JSONObject:
    """The job as a GET shows it, without what is nobody else's business."""
    shown = ShownJob.model_validate(job).model_dump(mode="json", exclude={"id"})
    kind = str(job.method.get("type"))
    inner = job.method.get(kind)
    if isinstance(inner, Mapping):
        shown["method"] = {**job.method, kind: {name: inner[name] for name in inner if name not in _PROMPTS}}
    if shown["error"].get("code") in _QUOTING:
        shown["error"] = {**shown["error"], "message": f"The reason quotes data: GET /v1/fine_tuning/jobs/{job.id}"
                          " tells it."}
    return shown


def created(session: Session, job: Job) -> None:
    _tell(session, EventType.JOB_CREATED, job)


def moved(session: Session, job: Job) -> None:
    """It has come to the status that it has now."""
    _tell(session, _MOVES[job.status], job)


def checkpoints(session: Session, job: Job, made: Iterable[Checkpoint]) -> None:
    """Each of these, which are new, by its step."""
    for row in sorted(made, key=lambda each: each.step_number):
        shown = ShownCheckpoint.model_validate(row).model_dump(mode="json")
        _tell(session, EventType.JOB_CHECKPOINT, job, checkpoint=shown | {"metrics": _numbers(row.metrics)})


def milestones(session: Session, job: Job, before: Reach, steps: Sequence[Mapping[str, Any]]) -> None:
    """Every tenth of the way that these steps are the first to reach, each once and for all."""
    told = _tenths(before.step, before.total)
    for metrics in sorted(steps, key=lambda each: int(each["step"])):
        step, total = int(metrics["step"]), _total(metrics, job)
        tenths = _tenths(step, total)
        if tenths <= told:
            continue
        told = tenths
        events.append_once(
            session, EventType.JOB_MILESTONE, job.id, project_id=job.project_id,
            dedupe_key=f"{EventType.JOB_MILESTONE}:{job.id}:{10 * tenths}",
            data=snapshot(job) | {"percent": 10 * tenths, "step": step, "total_steps": total,
                                  "metrics": _numbers(metrics)})


def _total(metrics: Mapping[str, Any], job: Job) -> int | None:
    told = metrics.get("total_steps")
    return told if isinstance(told, int) and not isinstance(told, bool) and told > 0 else job.total_steps


def _tenths(step: int, total: int | None) -> int:
    return min(10, max(0, 10 * step // total)) if total else 0


def _numbers(metrics: Mapping[str, Any]) -> JSONObject:
    """What of them are numbers that everybody can read; a server may send anything beside."""
    found = {name: value for name, value in metrics.items()
             if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST
             and len(name) <= _LONGEST_NAME and name not in {"step", "total_steps"}}
    return dict(list(found.items())[:_MOST_NUMBERS])


def _tell(session: Session, type_: EventType, job: Job, **more: Any) -> None:
    events.append(session, type_, job.id, project_id=job.project_id, data=snapshot(job) | more)
