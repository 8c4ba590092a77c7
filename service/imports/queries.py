"""Questions about imports, and about what of their server is here already."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from service.catalog.tables import TunedModel
from service.files.tables import File
from service.imports.plans import Kind
from service.imports.tables import Import, ImportItem, ImportProblem
from service.jobs.tables import Job, RemoteAttempt, RemoteFile
from service.kit.database import among
from service.kit.pagination import paginate
from service.kit.work import Work, WorkItem
from service.tenants.tables import Project


def find(session: Session, import_id: str) -> Import | None:
    return session.scalar(select(Import).where(Import.id == import_id))


def lock(session: Session, import_id: str) -> Import | None:
    """The import as it is now, held until the transaction ends."""
    return session.scalar(select(Import).where(Import.id == import_id).with_for_update(),
                          execution_options={"populate_existing": True})


def hold_work(session: Session, import_id: str) -> None:
    """Keep the import's work item: whoever asks for its work again holds it before the import, as its worker does."""
    session.execute(select(WorkItem.id).where(WorkItem.kind == Work.IMPORT_ESTATE.value, WorkItem.subject == import_id)
                    .with_for_update())


def open_with(session: Session, credential_id: str) -> Import | None:
    """The import that reads with this credential now."""
    return session.scalar(select(Import).where(
        Import.credential_id == credential_id, Import.status.in_(["queued", "running"]), Import.dry_run.is_(False)))


def page(session: Session, *, after: str | None, limit: int) -> tuple[Sequence[Import], bool]:
    return paginate(session, select(Import), Import, after=after, limit=limit)


def problems(session: Session, import_id: str, *, kind: Kind | None, after: str | None,
             limit: int) -> tuple[Sequence[ImportProblem], bool]:
    query = select(ImportProblem).where(ImportProblem.import_id == import_id)
    if kind is not None:
        query = query.where(ImportProblem.kind == kind)
    return paginate(session, query, ImportProblem, after=after, limit=limit, order="asc")


def item(session: Session, item_id: str) -> ImportItem | None:
    return session.scalar(select(ImportItem).where(ImportItem.id == item_id))


def item_named(session: Session, import_id: str, kind: Kind, remote_id: str) -> ImportItem | None:
    return session.scalar(select(ImportItem).where(
        ImportItem.import_id == import_id, ImportItem.kind == kind, ImportItem.remote_id == remote_id))


def next_item(session: Session, import_id: str, kind: Kind) -> ImportItem | None:
    """The oldest of what is still to be read: lists are newest first, so it was listed last."""
    return session.scalar(select(ImportItem).where(
        ImportItem.import_id == import_id, ImportItem.kind == kind, ImportItem.state == "pending")
        .order_by(ImportItem.position.desc()).limit(1))


def pending(session: Session, import_id: str, kind: Kind, *, limit: int) -> Sequence[ImportItem]:
    return session.scalars(select(ImportItem).where(
        ImportItem.import_id == import_id, ImportItem.kind == kind, ImportItem.state == "pending")
        .order_by(ImportItem.position.desc()).limit(limit)).all()


def listed(session: Session, import_id: str, kind: Kind, names: Collection[str]) -> set[str]:
    """Which of these the import has met."""
    return set(session.scalars(select(ImportItem.remote_id).where(
        ImportItem.import_id == import_id, ImportItem.kind == kind, among(ImportItem.remote_id, names))))


def number_of_items(session: Session, import_id: str, kind: Kind) -> int:
    return int(session.scalar(select(func.count()).where(
        ImportItem.import_id == import_id, ImportItem.kind == kind)) or 0)


def has_problem(session: Session, import_id: str, kind: Kind, remote_id: str) -> bool:
    return session.scalar(select(ImportProblem.id).where(
        ImportProblem.import_id == import_id, ImportProblem.kind == kind,
        ImportProblem.remote_id == remote_id).limit(1)) is not None


def unread_lists(session: Session, import_id: str) -> dict[str, str]:
    """Kinds of which the server gives no list, and what it says to that."""
    found = session.scalars(select(ImportProblem).where(
        ImportProblem.import_id == import_id, ImportProblem.remote_id == "*",
        ImportProblem.code.in_(["list_gone", "list_refused"])))
    return {each.kind: each.reason for each in found}


def has_code(session: Session, import_id: str, code: str) -> bool:
    """Whether the import met a problem of this sort."""
    return session.scalar(select(ImportProblem.id).where(
        ImportProblem.import_id == import_id, ImportProblem.code == code).limit(1)) is not None


def tuned_by_jobs(session: Session, import_id: str) -> set[str]:
    """Names of the models that the listed jobs made."""
    name = ImportItem.body["job"]["fine_tuned_model"].astext
    return set(session.scalars(select(name).where(
        ImportItem.import_id == import_id, ImportItem.kind == "job", name.is_not(None))))


def known_files(session: Session, names: Collection[str]) -> dict[str, str]:
    """Which of these are here, under this id or another, or were sent there from here: our id of each."""
    rows = session.execute(select(File.id, File.alias).where(
        or_(among(File.alias, names), among(File.id, names)), File.deleted_at.is_(None)))
    sent = session.execute(select(RemoteFile.file_id, RemoteFile.remote_file_id).where(
        among(RemoteFile.remote_file_id, names), RemoteFile.state == "uploaded",
        select(File.id).where(File.id == RemoteFile.file_id, File.deleted_at.is_(None)).exists()))
    return _by_name([*sent.all(), *rows.all()], names)


def known_jobs(session: Session, names: Collection[str]) -> dict[str, str]:
    """The same for jobs; those that this project made at the server are here as the jobs that they were made for."""
    rows = session.execute(select(Job.id, Job.alias).where(or_(among(Job.alias, names), among(Job.id, names))))
    made = session.execute(select(RemoteAttempt.job_id, RemoteAttempt.remote_id).where(
        among(RemoteAttempt.remote_id, names)))
    return _by_name([*made.all(), *rows.all()], names)


def known_models(session: Session, names: Collection[str]) -> dict[str, str]:
    rows = session.execute(select(TunedModel.id, TunedModel.name).where(among(TunedModel.name, names)))
    return _by_name(rows.all(), names)


def organization_of(session: Session, project_id: str) -> str:
    return session.scalars(select(Project.organization_id).where(Project.id == project_id)).one()


def models_of_job(session: Session, job_id: str) -> Sequence[TunedModel]:
    return session.scalars(select(TunedModel).where(TunedModel.job_id == job_id)).all()


def jobs_that_name(session: Session, import_id: str, file_id: str, *, limit: int) -> Sequence[str]:
    """Jobs that the server lists and that were trained from this file, or made it; the newest first."""
    body = ImportItem.body["job"]["body"]
    return session.scalars(select(ImportItem.remote_id).where(
        ImportItem.import_id == import_id, ImportItem.kind == "job", or_(
            body["training_file"].astext == file_id, body["validation_file"].astext == file_id,
            body["result_files"].contains([file_id]))).order_by(ImportItem.position).limit(limit)).all()


def _by_name(rows: Sequence[Any], names: Collection[str]) -> dict[str, str]:
    """Our id by the name that was asked for, of rows of (our id, another name)."""
    return {name: own for own, other in rows for name in (other, own) if name in names}
