"""Reading files, uploads and parts. Only live rows are found: neither deleted nor expired."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session, selectinload

from service.files.tables import File, Upload, UploadPart
from service.kit.pagination import Order, paginate


def _alive() -> ColumnElement[bool]:
    return and_(File.deleted_at.is_(None), or_(File.expires_at.is_(None), File.expires_at > func.now()))


def _named(file_id: str) -> Select[File]:
    """The live file of this id, ours or that of the server it was imported from; ours comes first."""
    return (select(File).where(or_(File.id == file_id, File.alias == file_id), _alive())
            .order_by((File.id == file_id).desc()).limit(1))


def find(session: Session, file_id: str) -> File | None:
    """The live file of this id, ours or that of the server it was imported from."""
    return session.scalar(_named(file_id))


def lock_alive(session: Session, file_id: str) -> File | None:
    """The same, held until the transaction ends; of two that delete at once, the second finds nothing."""
    return session.scalar(_named(file_id).with_for_update())


def lock(session: Session, file_id: str) -> File | None:
    """The file of this id, live or not, held until the transaction ends."""
    return session.scalar(select(File).where(File.id == file_id).with_for_update())


def page(session: Session, *, purpose: str | None, after: str | None, limit: int,
         order: Order) -> tuple[Sequence[File], bool]:
    query: Select[File] = select(File).where(_alive())
    if purpose is not None:
        query = query.where(File.purpose == purpose)
    return paginate(session, query, File, after=after, limit=limit, order=order)


def lock_upload(session: Session, upload_id: str) -> Upload | None:
    """The upload of this id, held until the transaction ends.

    Its file is read by a query of its own: one joined to the locked row would be as old as the wait for the lock.
    """
    return session.scalar(select(Upload).where(Upload.id == upload_id).with_for_update(of=Upload)
                          .options(selectinload(Upload.file)))


def held_bytes(session: Session, upload_id: str) -> int:
    """Bytes of all parts of an upload, also of those sent twice."""
    total = session.scalar(select(func.sum(UploadPart.bytes)).where(UploadPart.upload_id == upload_id))
    return int(total or 0)


def parts(session: Session, upload_id: str) -> dict[str, UploadPart]:
    """The parts of an upload by their ids."""
    return {part.id: part for part in session.scalars(select(UploadPart).where(UploadPart.upload_id == upload_id))}
