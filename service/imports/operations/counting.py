"""The numbers that an import shows while it goes on, and the problems that it lists."""

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.imports import queries
from service.imports.plans import Kind
from service.imports.tables import Import, ImportItem, ImportProblem
from service.jobs.operations.remote_words import plain
from service.kit.identifiers import new_id

LONGEST_ID = 256
_LONGEST_REASON = 2000
_LONGEST_NAME = 255
_JOBS_NAMED = 5


def count(row: Import, kind: str, **more: int) -> None:
    """Add to the numbers of one kind of object."""
    name = f"{kind}s"
    known = dict(row.counts.get(name, {}))
    row.counts = {**row.counts, name: known | {field: known.get(field, 0) + number for field, number in more.items()}}


def note(session: Session, row: Import, kind: Kind, remote_id: str, *, code: str, reason: str,
         filename: str | None = None, size: int | None = None) -> bool:
    """List a problem, once; whether it is new."""
    values = {"id": new_id("improblem_"), "project_id": row.project_id, "import_id": row.id, "kind": kind,
              "remote_id": plain(remote_id, LONGEST_ID) or "?", "code": plain(code, 64) or "refused",
              "reason": plain(reason, _LONGEST_REASON) or "The server gave no reason.",
              "filename": None if filename is None else plain(filename, _LONGEST_NAME), "bytes": size}
    made = insert(ImportProblem).values(values).on_conflict_do_nothing().returning(ImportProblem.id)
    return session.scalar(made) is not None


def needed_by(session: Session, row: Import, item: ImportItem) -> str:
    """Which jobs name a file, as a sentence to add to what is wrong with it; empty where none does."""
    jobs = queries.jobs_that_name(session, row.id, item.remote_id, limit=_JOBS_NAMED + 1)
    more = " and others" if len(jobs) > _JOBS_NAMED else ""
    return f" Named by {', '.join(jobs[:_JOBS_NAMED])}{more}." if jobs else ""


def give_up_item(session: Session, row: Import, item: ImportItem, *, code: str, reason: str) -> None:
    """This one does not come home, for a reason that is listed."""
    told = item.body.get("file", {})
    note(session, row, item.kind, item.remote_id, code=code, reason=reason,  # type: ignore[arg-type]  # the check says so
         filename=told.get("filename"), size=told.get("bytes"))
    item.state = "problem"
    count(row, item.kind, problems=1)
    session.flush()
