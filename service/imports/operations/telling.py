"""What the worker of an import tells after each call to the server. Nothing is said about an import that has ended."""

from collections.abc import Sequence
from typing import Literal

from sqlalchemy.orm import Session

from service.imports import queries
from service.imports.operations import arriving, listing
from service.imports.operations.counting import give_up_item, needed_by, note
from service.imports.operations.stepping import answered, going_on
from service.imports.plans import FoundFile, Kind
from service.imports.tables import Import, ImportItem
from service.jobs.plans import RemoteCheckpoint, RemoteEvent, RemoteJob


def tell_files(session: Session, import_id: str, files: Sequence[FoundFile], after: str | None) -> None:
    row = _answered(session, import_id)
    if row is not None:
        listing.record_files(session, row, files, after)


def tell_jobs(session: Session, import_id: str, jobs: Sequence[RemoteJob], after: str | None) -> None:
    row = _answered(session, import_id)
    if row is not None:
        listing.record_jobs(session, row, jobs, after)


def tell_models(session: Session, import_id: str, models: Sequence[str]) -> None:
    row = _answered(session, import_id)
    if row is not None:
        listing.record_models(session, row, models)


def give_up_list(session: Session, import_id: str, kind: Kind, *, code: str, reason: str) -> None:
    """The server refuses to list these."""
    row = _answered(session, import_id)
    if row is not None:
        listing.skip_list(session, row, kind, code=code, reason=reason)


def tell_file(session: Session, import_id: str, item_id: str, *, object_key: str, size: int, sha256: str) -> None:
    """Its bytes are stored."""
    row, item = _waited_for(session, import_id, item_id)
    if row is not None and item is not None:
        arriving.record_file(session, row, item, object_key=object_key, size=size, sha256=sha256)


def tell_events(session: Session, import_id: str, item_id: str, lines: Sequence[RemoteEvent]) -> None:
    row, item = _waited_for(session, import_id, item_id)
    if row is not None and item is not None:
        arriving.record_events(session, row, item, lines)


def tell_checkpoints(session: Session, import_id: str, item_id: str, checkpoints: Sequence[RemoteCheckpoint]) -> None:
    row, item = _waited_for(session, import_id, item_id)
    if row is not None and item is not None:
        arriving.record_job(session, row, item, checkpoints)


def give_up_object(session: Session, import_id: str, item_id: str, what: Literal["file", "events", "checkpoints"], *,
                   code: str, reason: str) -> None:
    """The server does not give it. A job whose log or checkpoints are not given comes home without them."""
    row, item = _waited_for(session, import_id, item_id)
    if row is None or item is None:
        return
    if what == "file":
        give_up_item(session, row, item, code=code, reason=reason + needed_by(session, row, item))
        return
    note(session, row, "job", item.remote_id, code=f"{what}_{code}", reason=f"Its {what} cannot be read. {reason}")
    if what == "events":
        arriving.record_events(session, row, item, [])
    else:
        arriving.record_job(session, row, item, [])


def _answered(session: Session, import_id: str) -> Import | None:
    row = going_on(session, import_id)
    if row is not None:
        answered(row)
    return row


def _waited_for(session: Session, import_id: str, item_id: str) -> tuple[Import | None, ImportItem | None]:
    row = _answered(session, import_id)
    item = queries.item(session, item_id) if row is not None else None
    return (row, item) if item is not None and item.state == "pending" else (None, None)
