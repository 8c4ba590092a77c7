"""What callers ask of imports: begin one, end it, go on with one that failed."""

from sqlalchemy import delete, text, update
from sqlalchemy.orm import Session

from service.credentials import operations as credentials
from service.imports import queries, schemas
from service.imports.errors import ImportGoesOn, ImportNotFound, WrongImportState
from service.imports.operations.counting import count
from service.imports.tables import Import, ImportItem, ImportProblem
from service.kit.database import database_now
from service.kit.identifiers import new_id
from service.kit.work import Work, enqueue
from service.tenants.access import Caller

PASSING = "unreadable"
"""The code of problems that may be none when the server is asked again."""
UNLISTED = "nothing_listed"
"""The code of an import that failed because its server gave none of its lists."""


def create(session: Session, caller: Caller, body: schemas.ImportCreate) -> Import:
    """Have a server read. Raises what is wrong with the credential, or ImportGoesOn."""
    credential = credentials.choose(session, body.provider, body.credential)
    if not body.dry_run:
        _refuse_second(session, credential.id)
    row = Import(id=new_id("import_"), project_id=caller.project_id, credential_id=credential.id,
                 provider=credential.provider, dry_run=body.dry_run, created_by=caller.actor, status="queued")
    session.add(row)
    session.flush()
    session.refresh(row)
    enqueue(session, Work.IMPORT_ESTATE, row.id, project_id=row.project_id)
    return row


def _refuse_second(session: Session, credential_id: str) -> None:
    """One after the other, so that two who ask at once do not both find none going on."""
    session.execute(text("select pg_advisory_xact_lock(hashtextextended("
                         "'imports' || current_setting('app.project_id', true) || :credential_id, 0))"),
                    {"credential_id": credential_id})
    going_on = queries.open_with(session, credential_id)
    if going_on is not None:
        raise ImportGoesOn(going_on.id)


def retrieve(session: Session, import_id: str) -> Import:
    """Raises ImportNotFound."""
    row = queries.find(session, import_id)
    if row is None:
        raise ImportNotFound(import_id)
    return row


def cancel(session: Session, import_id: str) -> Import:
    """End it; what is here already stays. Raises ImportNotFound, WrongImportState."""
    row = _locked(session, import_id)
    if row.status not in {"queued", "running"}:
        raise WrongImportState(import_id, row.status, "cancelled")
    row.status, row.finished_at, row.status_details = "cancelled", database_now(session), None
    session.flush()
    return row


def resume(session: Session, import_id: str) -> Import:
    """Go on where one that failed or was cancelled stopped, and try again what could not be read for trouble that
    passes. Raises ImportNotFound, WrongImportState, ImportGoesOn, or what is wrong with the credential by now."""
    queries.hold_work(session, import_id)
    row = _locked(session, import_id)
    has_ended_well = row.status == "succeeded" and not _has_passing(session, row)
    if row.status in {"queued", "running"} or has_ended_well:
        raise WrongImportState(import_id, row.status, "resumed")
    credentials.choose(session, row.provider, row.credential_id)
    if not row.dry_run:
        _refuse_second(session, row.credential_id)
    _reopen(session, row)
    row.status, row.finished_at, row.error, row.waits = "queued", None, None, 0
    session.flush()
    enqueue(session, Work.IMPORT_ESTATE, row.id, project_id=row.project_id)
    return row


def _has_passing(session: Session, row: Import) -> bool:
    return queries.has_code(session, row.id, PASSING)


def _reopen(session: Session, row: Import) -> None:
    """What could not be read for trouble that passes is to be read again, and lists of which none was given."""
    if (row.error or {}).get("code") == UNLISTED:
        session.execute(delete(ImportProblem).where(ImportProblem.import_id == row.id, ImportProblem.remote_id == "*"))
        row.counts = {}
    passing = session.execute(delete(ImportProblem).where(
        ImportProblem.import_id == row.id, ImportProblem.code == PASSING).returning(
        ImportProblem.kind, ImportProblem.remote_id)).all()
    for kind, remote_id in passing:
        reopened = session.execute(update(ImportItem).where(
            ImportItem.import_id == row.id, ImportItem.kind == kind, ImportItem.remote_id == remote_id,
            ImportItem.state == "problem").values(state="pending", tries=0).returning(ImportItem.id)).all()
        count(row, kind, problems=-len(reopened))
    if passing and row.stage in {"histories", "done"}:
        row.stage = "contents"


def _locked(session: Session, import_id: str) -> Import:
    row = queries.lock(session, import_id)
    if row is None:
        raise ImportNotFound(import_id)
    return row
