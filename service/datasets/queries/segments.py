"""Questions about the segments of a file that is being read."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.datasets.tables.segments import Segment


def segments(session: Session, file_id: str) -> Sequence[Segment]:
    """All segments of a file, in their order."""
    return session.scalars(select(Segment).where(Segment.file_id == file_id).order_by(Segment.number)).all()


def count_unread(session: Session, file_id: str) -> int:
    return session.scalar(select(func.count()).where(Segment.file_id == file_id, Segment.object_key.is_(None))) or 0


def bytes_done(session: Session, file_id: str) -> int:
    return int(session.scalar(select(func.sum(Segment.bytes_done)).where(Segment.file_id == file_id)) or 0)
