"""What a server shows of a job, made ours: its log, its metrics, its checkpoints, its model, its numbers."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from service.catalog import operations as catalog
from service.catalog.tables import TunedModel
from service.jobs import queries
from service.jobs.operations.remote_words import moment, plain, storable
from service.jobs.operations.transitions import Mirrored, mirror
from service.jobs.plans import RemoteCheckpoint, RemoteEvent, RemoteJob
from service.jobs.tables import Checkpoint, Job, RemoteAttempt
from service.kit.database import database_now
from service.kit.identifiers import new_id
from service.kit.schemas import JSONObject

_LARGEST = 2**31 - 1
_MOST_CHECKPOINTS = 200
_MOST_HYPERPARAMETERS, _LONGEST_NAME = 50, 64


def mirror_job(session: Session, job: Job, seen: RemoteJob) -> None:
    """The numbers that the server chose for "auto", and how far it is."""
    kind = job.method["type"]
    chosen: JSONObject = storable(dict(seen.hyperparameters)) or {}
    if chosen:
        ours = job.method[kind].get("hyperparameters", {})
        job.method = {**job.method, kind: {**job.method[kind], "hyperparameters": _with_chosen(ours, chosen)}}
    if seen.trained_tokens is not None and 0 <= seen.trained_tokens < 2**63:
        job.trained_tokens = seen.trained_tokens
    if not seen.state.is_end:
        job.estimated_finish = seen.estimated_finish
    session.flush()


def _with_chosen(ours: JSONObject, chosen: JSONObject) -> JSONObject:
    """Names that are new are taken while there is room: a server may invent others at every look."""
    merged = dict(ours)
    for name, value in chosen.items():
        has_room = len(merged) < _MOST_HYPERPARAMETERS and len(name) <= _LONGEST_NAME
        if value is not None and (name in merged or has_room):
            merged[name] = value
    return merged


def mirror_events(session: Session, job: Job, attempt: RemoteAttempt, lines: Sequence[RemoteEvent]) -> list[JSONObject]:
    """Lines of the server's log, oldest first, under the server's ids; each once, however often it is told.

    What comes back are the metrics among them.
    """
    if not lines:
        return []
    steps = mirror_lines(session, job, lines)
    attempt.followed_until = plain(lines[-1].id, 200)
    session.flush()
    return steps


def mirror_lines(session: Session, job: Job, lines: Sequence[RemoteEvent]) -> list[JSONObject]:
    """The same for a job that this house did not make."""
    now = database_now(session)
    ours = [_line(line) for line in lines]
    mirror(session, job, [Mirrored(message, key=f"remote:{alias}", level=line.level, type="metrics" if data else
                                   "message", data=data or storable(dict(line.data)) or {}, alias=alias,
                                   at=moment(line.created_at, before=now))
                          for line, (alias, message, data) in zip(lines, ours, strict=True) if alias])
    steps = [data for _, _, data in ours if data]
    job.last_step = max([job.last_step, *(data["step"] for data in steps)])
    totals = [data["total_steps"] for data in steps if _is_step(data.get("total_steps"))]
    job.total_steps = totals[-1] if totals else job.total_steps
    session.flush()
    return steps


def _line(line: RemoteEvent) -> tuple[str, str, JSONObject | None]:
    """Its id, its words, and its data if those are the metrics of a step."""
    data: JSONObject = storable(dict(line.data)) or {}
    is_step = line.type == "metrics" and _is_step(data.get("step"))
    return plain(line.id, 200), plain(line.message, 2000), data if is_step else None


def _is_step(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST


def mirror_checkpoints(session: Session, job: Job, checkpoints: Sequence[RemoteCheckpoint]) -> list[Checkpoint]:
    """Each is a model that can be used, under the server's name for it; those that are new here."""
    if job.credential_id is None or not checkpoints:
        return []
    made = []
    kept = {row.step_number: row for row in queries.kept_checkpoints(session, job.id)}
    for seen in sorted(checkpoints, key=lambda each: each.step)[:_MOST_CHECKPOINTS]:
        name = plain(seen.model, 256)
        if not name or not _is_step(seen.step) or seen.step in kept:
            continue
        tuned = _register(session, job, name, seen.step, job.credential_id)
        kept[seen.step] = row = Checkpoint(
            id=new_id("ftckpt_"), project_id=job.project_id, job_id=job.id, step_number=seen.step, artifact_prefix=None,
            alias=plain(seen.id, 200) or None, fine_tuned_model_checkpoint=tuned.name,
            created_at=moment(seen.created_at, before=database_now(session)),
            metrics=storable(dict(seen.metrics)) or {})
        session.add(row)
        made.append(row)
    session.flush()
    return made


def mirror_model(session: Session, job: Job, seen: RemoteJob) -> str | None:
    """The model that came of it, under the server's name for it; None where it names none."""
    name = plain(seen.fine_tuned_model, 256)
    if not name or job.credential_id is None:
        return None
    return _register(session, job, name, job.last_step, job.credential_id).name


def _register(session: Session, job: Job, name: str, step: int, credential_id: str) -> TunedModel:
    return catalog.register_remote_model(session, project_id=job.project_id, job_id=job.id, step=step, name=name,
                                         base_model=job.base_model, provider=job.provider,
                                         credential_id=credential_id)
