"""What an import does next: begun, led from step to step, made to wait, ended."""

import hashlib
from datetime import timedelta
from typing import get_args

from sqlalchemy.orm import Session

from service.catalog import operations as catalog
from service.credentials import operations as credentials
from service.credentials.operations import OpenCredential
from service.events import operations as events
from service.events.types import EventType
from service.files import operations as files
from service.files.contents import file_key
from service.imports import queries
from service.imports.operations.counting import count, give_up_item, needed_by
from service.imports.operations.requests import PASSING, UNLISTED
from service.imports.plans import KeepModels, Kind, ListModels, ListPage, ReadCheckpoints, ReadEvents, ReadFile, Step
from service.imports.tables import Import, ImportItem
from service.jobs.operations.remote_words import plain
from service.kit.database import database_now

MOST_WAITS = 20
MOST_TRIES = 5
MODELS_AT_ONCE = 200
_LONGEST_WAIT = 300.0
_LONGEST_DETAILS = 1000
_RESULTS = "fine-tune-results"


def begin(session: Session, import_id: str) -> OpenCredential | None:
    """With what to read; None when there is nothing to read (any more). Raises what is wrong with the credential."""
    row = queries.lock(session, import_id)
    if row is None or row.status not in {"queued", "running"}:
        return None
    row.status, row.started_at = "running", row.started_at or database_now(session)
    session.flush()
    return credentials.open_credential(session, row.credential_id)


def going_on(session: Session, import_id: str) -> Import | None:
    """The import, locked, while it is to be carried on."""
    row = queries.lock(session, import_id)
    return row if row is not None and row.status == "running" else None


def next_step(session: Session, import_id: str) -> Step | None:
    """The next call to the server, or part of what is kept without one; None at the import's end."""
    row = going_on(session, import_id)
    if row is None:
        return None
    if row.stage == "files":
        return ListPage("file", row.cursor)
    if row.stage == "jobs":
        return ListPage("job", row.cursor)
    if row.stage == "models":
        return ListModels()
    step = None if row.dry_run else _next_reading(session, row)
    if step is None and not _gives_no_list(session, row):
        _succeed(session, row)
    return step


def _gives_no_list(session: Session, row: Import) -> bool:
    """Whether the import ends here, because what it reads with leads to no server that lists anything."""
    if any(each.get("found") for each in row.counts.values()):
        return False
    unread = queries.unread_lists(session, row.id)
    if len(unread) < len(get_args(Kind)):
        return False
    row.stage = "files"
    fail(session, row.id, code=UNLISTED, message=f"The server lists neither files nor jobs nor models; of files it"
         f" says: {unread['file'][:500]} Look at base_url of credential {row.credential_id}: it must be the address of"
         " the API itself. Does it lack /v1 at its end? When that is mended, go on with POST"
         f" /v1/imports/{row.id}/resume.")
    return True


def _next_reading(session: Session, row: Import) -> Step | None:
    if row.stage == "contents":
        while (item := queries.next_item(session, row.id, "file")) is not None:
            if not _is_here(session, row, item, queries.known_files(session, [item.remote_id])):
                return _read_file(session, row, item)
        row.stage = "histories"
        session.flush()
    while (item := queries.next_item(session, row.id, "job")) is not None:
        if not _is_here(session, row, item, queries.known_jobs(session, [item.remote_id])):
            return ReadCheckpoints(item.id, item.remote_id) if item.steps else ReadEvents(item.id, item.remote_id)
    return KeepModels() if queries.pending(session, row.id, "model", limit=1) else None


def _is_here(session: Session, row: Import, item: ImportItem, known: dict[str, str]) -> bool:
    """Brought meanwhile by another import, with another credential."""
    if item.remote_id not in known:
        return False
    item.state, item.row_id = "present", known[item.remote_id]
    count(row, item.kind, present=1)
    session.flush()
    return True


def _read_file(session: Session, row: Import, item: ImportItem) -> ReadFile:
    """Its bytes are erased after a day if they are stored and never told of."""
    files.expect(session, file_id_of(item), project_id=row.project_id)
    told = item.body.get("file", {})
    return ReadFile(item.id, item.remote_id, file_key(row.project_id, file_id_of(item)), told.get("bytes"),
                    is_result=told.get("purpose") == _RESULTS or bool(item.body.get("is_result")))


def file_id_of(item: ImportItem) -> str:
    """The id of what will be made of it: the same at each try, so that a second try leaves nothing behind."""
    return f"file-{hashlib.sha256(item.id.encode()).hexdigest()[:24]}"


def keep_models(session: Session, import_id: str) -> None:
    """Models that somebody tuned and of whose job the server tells nothing: so many that the lease outlives it."""
    row = going_on(session, import_id)
    if row is None:
        return
    items = queries.pending(session, row.id, "model", limit=MODELS_AT_ONCE)
    known = queries.known_models(session, [item.remote_id for item in items])
    for item in items:
        if item.remote_id not in known:
            catalog.register_remote_model(
                session, project_id=row.project_id, job_id="", step=0, name=item.remote_id,
                base_model=_base_of(item.remote_id), provider=row.provider, credential_id=row.credential_id)
        item.state = "imported"
    count(row, "model", imported=len(items))
    session.flush()


def _base_of(name: str) -> str:
    """What a tuned model's name says that it was made from."""
    parts = name.split(":")
    return parts[1] if name.startswith("ft:") and len(parts) > 1 else name.split(".ft-", maxsplit=1)[0]


def _succeed(session: Session, row: Import) -> None:
    row.status, row.stage, row.finished_at = "succeeded", "done", database_now(session)
    row.status_details = None
    session.flush()
    events.append(session, EventType.IMPORT_SUCCEEDED, row.id, project_id=row.project_id)


def fail(session: Session, import_id: str, *, code: str, message: str) -> None:
    """End it badly; it can be resumed where it stopped."""
    row = queries.lock(session, import_id)
    if row is None or row.status not in {"queued", "running"}:
        return
    row.status, row.finished_at, row.status_details = "failed", database_now(session), None
    row.error = {"code": code, "message": message, "param": None}
    session.flush()
    events.append(session, EventType.IMPORT_FAILED, row.id, project_id=row.project_id)


def wait(session: Session, import_id: str, item_id: str | None, *, reason: str,
         retry_after: float | None) -> timedelta | None:
    """How long to leave the server alone after it had no answer; None when the import is given up.

    An object over which the server stumbles again and again is passed over: it must not hold up all others.
    """
    row = going_on(session, import_id)
    if row is None:
        return None
    item = queries.item(session, item_id) if item_id is not None else None
    if item is not None and retry_after is None:
        item.tries += 1
        if item.tries >= MOST_TRIES:
            named = needed_by(session, row, item) if item.kind == "file" else ""
            give_up_item(session, row, item, code=PASSING, reason=f"Tried {item.tries} times. {reason}{named}")
    row.waits += 1
    session.flush()
    if row.waits > MOST_WAITS:
        fail(session, import_id, code="server_unreachable", message=f"The server did not answer {row.waits} times in a"
             f" row; the last time: {reason[:500]} Go on later with POST /v1/imports/{import_id}/resume.")
        return None
    pause = timedelta(seconds=max(min(_LONGEST_WAIT, 2.0 ** min(row.waits - 1, 9)), retry_after or 0.0))
    again = database_now(session) + pause
    row.status_details = plain(f"The server could not be read {row.waits} times in a row; the last time: {reason[:500]}"
                               f" It is asked again at {again:%H:%M:%S} UTC.", _LONGEST_DETAILS)
    session.flush()
    return pause


def answered(row: Import) -> None:
    """The server has given an answer, of whatever sort: it is there."""
    row.waits, row.status_details = 0, None
