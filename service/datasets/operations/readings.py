"""The reading of a file by workers: begun, split into segments, put together, failed, forgotten.

    begin ──▶ "read" ── one worker reads it in one piece ─────────────────────────┐
        │                                                                         ▼
        └──▶ "split" ── an ANALYSE_SEGMENT item for each segment ── last one ──▶ "merge" ──▶ record (reports.py)

Each step is behind the fence of its work item, and `begin` says after a kill where to go on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from service.datasets.analysis.segments import Range
from service.datasets.operations import telling
from service.datasets.operations.places import segments_prefix
from service.datasets.queries import reports as queries
from service.datasets.queries import segments as segment_queries
from service.datasets.tables.counts import TokenCount
from service.datasets.tables.reports import Report
from service.datasets.tables.segments import Segment
from service.files import operations as files
from service.files import queries as file_queries
from service.files.tables import File
from service.kit.database import database_now
from service.kit.identifiers import new_id
from service.kit.work import Work, enqueue

_SEGMENTS_NEEDED_FOR = timedelta(days=1)
"""What lies about after that was left by a worker that died, or belongs to a reading that makes it anew."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A file that is to be read, and what is next."""

    file_id: str
    object_key: str
    size: int
    step: Literal["read", "split", "merge"]
    keys: tuple[str, ...] = ()
    "To merge: where the packed segments lie, in order."


@dataclass(frozen=True, slots=True)
class Piece:
    """One segment that is to be read."""

    id: str
    file_id: str
    object_key: str
    number: int
    start: int
    end: int
    format: str | None


def begin(session: Session, file_id: str) -> Reading | None:
    """What is next for a file; None when it was read already, or is gone."""
    file = file_queries.lock_alive(session, file_id)
    if file is None:
        return None
    report = queries.lock_report(session, file_id)
    if report is None:
        report = Report(id=new_id("report_"), project_id=file.project_id, file_id=file_id)
        session.add(report)
    elif report.status == "completed" and report.body is not None:
        return None
    if report.status == "running" and report.segments_total:
        return _go_on(session, file)
    report.status, report.completed_at = "running", None
    report.started_at = database_now(session)
    report.bytes_total = file.bytes
    session.flush()
    return Reading(file_id, file.object_key, file.bytes, "read")


def _go_on(session: Session, file: File) -> Reading:
    segments = segment_queries.segments(session, file.id)
    for segment_id in segment_queries.forgotten(session, file.id):
        enqueue(session, Work.ANALYSE_SEGMENT, segment_id, project_id=file.project_id)
    keys = tuple(segment.object_key for segment in segments if segment.object_key is not None)
    step: Literal["split", "merge"] = "merge" if len(keys) == len(segments) else "split"
    return Reading(file.id, file.object_key, file.bytes, step, keys)


def split(session: Session, file_id: str, ranges: Sequence[Range], *, format: str | None) -> None:
    """Have the ranges of a file read by as many workers as there are."""
    report = queries.lock_report(session, file_id)
    if report is None or report.segments_total:
        return
    report.format, report.segments_total, report.segments_done = format, len(ranges), 0
    for each in ranges:
        segment = Segment(id=new_id("segment_"), project_id=report.project_id, file_id=file_id, number=each.index,
                          start_byte=each.start, end_byte=each.end)
        session.add(segment)
        enqueue(session, Work.ANALYSE_SEGMENT, segment.id, project_id=report.project_id)
    enqueue(session, Work.ERASE_OBJECT, segments_prefix(report.project_id, file_id), project_id=report.project_id,
            run_at=database_now(session) + _SEGMENTS_NEEDED_FOR)


def piece(session: Session, segment_id: str) -> Piece | None:
    """The segment to be read; None when it was read already or its file is gone."""
    segment = session.get(Segment, segment_id)
    if segment is None or segment.object_key is not None:
        return None
    file, report = file_queries.find(session, segment.file_id), queries.report(session, segment.file_id)
    if file is None or report is None:
        return None
    return Piece(segment.id, file.id, file.object_key, segment.number, segment.start_byte, segment.end_byte,
                 report.format)


def note_piece(session: Session, read: Piece, done: int) -> None:
    """Let those who wait see how far a segment is read."""
    session.execute(update(Segment).where(Segment.id == read.id).values(bytes_done=done))


def note_reading(session: Session, file_id: str, done: int) -> None:
    """Let those who wait see how far a file is read that is read in one piece."""
    session.execute(update(Report).where(Report.file_id == file_id).values(bytes_done=done))


def finish_piece(session: Session, read: Piece, object_key: str) -> bool:
    """Record that a segment was read; the last one has them put together. False when nobody wants it any more."""
    segment_queries.hold_reading(session, read.file_id)
    report = queries.lock_report(session, read.file_id)  # of two that end at once, the second sees the first
    segment = session.get(Segment, read.id)
    if report is None or segment is None:
        return False
    if segment.object_key is None:
        segment.object_key, segment.bytes_done = object_key, segment.end_byte - segment.start_byte
        session.flush()
    unread = segment_queries.count_unread(session, read.file_id)
    report.segments_done = report.segments_total - unread
    if not unread:
        enqueue(session, Work.VALIDATE_FILE, read.file_id, project_id=report.project_id)
    return True


def read_again(session: Session, file_id: str, lost: Sequence[str]) -> None:
    """The packed segments under these keys are gone: they have to be read once more."""
    report = queries.lock_report(session, file_id)
    if report is None:
        return
    for segment in segment_queries.segments(session, file_id):
        if segment.object_key in lost:
            segment.object_key, segment.bytes_done = None, 0
            report.segments_done -= 1
            enqueue(session, Work.ANALYSE_SEGMENT, segment.id, project_id=report.project_id)


def fail(session: Session, file_id: str, problem: str) -> None:
    """The file cannot be read; `problem` says why. Each of its segments may say so, and others are told once."""
    file = file_queries.lock_alive(session, file_id)
    is_news = file is not None and file.status != "error"
    files.mark_validated(session, file_id, problem=problem)
    report = queries.lock_report(session, file_id)
    if report is not None:
        report.status, report.completed_at = "failed", database_now(session)
        drop_segments(session, report)
    session.flush()
    if file is not None and is_news:
        telling.validated(session, file)


def drop_segments(session: Session, report: Report) -> None:
    """Forget the segments of a file that was read, or cannot be."""
    if report.segments_total:
        session.execute(delete(Segment).where(Segment.file_id == report.file_id))
        enqueue(session, Work.ERASE_OBJECT, segments_prefix(report.project_id, report.file_id),
                project_id=report.project_id)
    report.segments_total = report.segments_done = 0


def forget(session: Session, file_id: str) -> None:
    """Take away all that reading a file told, because the file itself goes. What lies in the store goes after."""
    queries.lock_report(session, file_id)  # as whoever finishes a segment does first
    for table in (Segment, TokenCount, Report):
        session.execute(delete(table).where(table.file_id == file_id))
