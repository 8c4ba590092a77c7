"""Questions about the segments of a file that is being read."""

from collections.abc import Sequence

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from service.datasets.tables.segments import Segment
from service.kit.work import Work, WorkItem


def segments(session: Session, file_id: str) -> Sequence[Segment]:
    """All segments of a file, in their order."""
    return session.scalars(select(Segment).where(Segment.file_id == file_id).order_by(Segment.number)).all()


def forgotten(session: Session, file_id: str) -> Sequence[str]:
    """Segments that are unread and that no work item is about."""
    awaited = exists().where(WorkItem.kind == Work.ANALYSE_SEGMENT.value, WorkItem.subject == Segment.id,
                             WorkItem.state != "failed")
    return session.scalars(select(Segment.id).where(Segment.file_id == file_id, Segment.object_key.is_(None),
                                                    ~awaited)).all()


def hold_reading(session: Session, file_id: str) -> None:
    """Lock the work item of a file's reading, if there is one, before the report: as the worker does that has it."""
    session.execute(select(WorkItem.id).where(WorkItem.kind == Work.VALIDATE_FILE.value, WorkItem.subject == file_id)
                    .with_for_update())


def count_unread(session: Session, file_id: str) -> int:
    return session.scalar(select(func.count()).where(Segment.file_id == file_id, Segment.object_key.is_(None))) or 0


def bytes_done(session: Session, file_id: str) -> int:
    return int(session.scalar(select(func.sum(Segment.bytes_done)).where(Segment.file_id == file_id)) or 0)
