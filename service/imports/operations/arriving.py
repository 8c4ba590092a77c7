"""What was read at the server, made ours: files under their old ids, jobs with all that they left behind."""

import json
from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy.orm import Session

from service.files import operations as files
from service.imports import queries
from service.imports.operations.counting import count, note
from service.imports.operations.stepping import file_id_of
from service.imports.operations.translating import new_job, shown_moment
from service.imports.plans import FoundFile
from service.imports.tables import Import, ImportItem
from service.jobs.operations import remote_mirroring as mirroring
from service.jobs.operations.remote_words import plain, storable
from service.jobs.plans import RemoteCheckpoint, RemoteEvent, RemoteJob
from service.jobs.tables import Job
from service.kit.database import database_now

_FILE = TypeAdapter(FoundFile)
_JOB = TypeAdapter(RemoteJob)
_EVENTS = TypeAdapter(list[RemoteEvent])
_MOST_EVENTS = 20_000
_MOST_BYTES = 16 * 1024 * 1024
"""Of one job's log, while it waits for the job's checkpoints."""


def record_file(session: Session, row: Import, item: ImportItem, *, object_key: str, size: int, sha256: str) -> None:
    """The bytes are stored: make the file known, under its old id."""
    told = _FILE.validate_python(item.body["file"] | {"bytes": size}) if "file" in item.body else None
    purpose, name = _use_and_name(item, told)
    file = files.register(
        session, project_id=row.project_id, file_id=file_id_of(item), filename=name, purpose=purpose, bytes=size,
        sha256=sha256, object_key=object_key, status=files.first_status(purpose), created_by=row.created_by)
    file.alias, file.expires_at = item.remote_id, None
    if told is not None:
        file.created_at = shown_moment(told.created_at, before=database_now(session))
    item.state, item.row_id = "imported", file.id
    count(row, "file", imported=1, bytes_imported=size)
    session.flush()


def _use_and_name(item: ImportItem, told: FoundFile | None) -> tuple[str, str]:
    """Of a file that is on no list, the job that names it tells what it was for: nothing is trained on a result."""
    if told is None:
        return "fine-tune-results" if item.body.get("is_result") else "fine-tune", item.remote_id
    return plain(told.purpose, 64) or "user_data", plain(told.filename, 255) or item.remote_id


def record_events(session: Session, row: Import, item: ImportItem, lines: Sequence[RemoteEvent]) -> None:
    """Keep a job's log until its checkpoints are here too: half a job is never shown."""
    kept: list[dict[str, Any]] = []
    room = _MOST_BYTES
    for line in lines[-_MOST_EVENTS:]:
        told = storable(_EVENTS.dump_python([line], mode="json"))[0]
        told["id"], told["message"] = plain(line.id, 200), plain(line.message, 2000)
        room -= len(json.dumps(told))
        kept.append(told if room > 0 else told | {"data": {}})
    if len(lines) > _MOST_EVENTS or room <= 0:
        note(session, row, "job", item.remote_id, code="log_cut", reason=f"Its log has {len(lines):,} lines or very"
             f" long ones: the newest {_MOST_EVENTS:,} are kept, and the data of some are left out.")
    item.body, item.steps = {**item.body, "events": kept}, 1
    session.flush()


def record_job(session: Session, row: Import, item: ImportItem, checkpoints: Sequence[RemoteCheckpoint]) -> None:
    """Make the job known, with its log, its checkpoints and its models."""
    told = _JOB.validate_python(item.body["job"])
    job = new_job(session, row, told)
    lines = _EVENTS.validate_python(item.body.get("events", []))
    if lines:
        mirroring.mirror_lines(session, job, lines)
    mirroring.mirror_checkpoints(session, job, checkpoints)
    job.fine_tuned_model = mirroring.mirror_model(session, job, told)
    _settle_models(session, row, job)
    item.body, item.state, item.row_id, item.steps = {"job": item.body["job"]}, "imported", job.id, 2
    count(row, "job", imported=1, events=len(lines), checkpoints=len(checkpoints))
    session.flush()


def _settle_models(session: Session, row: Import, job: Job) -> None:
    """Models that the server lists live on there; where it does not list a job's own, none of that job is left."""
    models = queries.models_of_job(session, job.id)
    is_told = not queries.has_problem(session, row.id, "model", "*")
    listed = queries.listed(session, row.id, "model", [str(model.remote_name) for model in models])
    if is_told and job.fine_tuned_model is not None and not listed:
        note(session, row, "model", job.fine_tuned_model, code="gone", reason="The server lists it no more: it was"
             f" deleted or shut down. Job {job.shown_id} can be trained again on a model that lives.")
        count(row, "model", problems=1)
        for model in models:
            model.deleted_at = database_now(session)
        return
    for model in models:
        item = queries.item_named(session, row.id, "model", str(model.remote_name))
        if item is None or item.state == "pending":
            count(row, "model", imported=1, found=int(item is None))
        if item is not None:
            item.state, item.row_id = "imported", model.id
