"""Reports: written once a file was read, and read by whoever wants to know."""

from typing import Any

import msgspec
from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from service.datasets.analysis import report as analysis
from service.datasets.analysis.merging import Merged
from service.datasets.errors import NotATrainingFile
from service.datasets.operations import telling
from service.datasets.operations.readings import drop_segments
from service.datasets.operations.storing import storable
from service.datasets.operations.verdicts import problem
from service.datasets.queries import reports as queries
from service.datasets.queries import segments as segment_queries
from service.datasets.schemas import reports as schemas
from service.datasets.tables.reports import Finding, Report
from service.files import operations as files
from service.files import queries as file_queries
from service.files.tables import File
from service.kit.database import database_now
from service.kit.identifiers import new_id

_ROWS = 5_000
"""So many findings go to the database at once."""
_NUMBERS = ("verdict", "score", "lines", "examples", "errors", "warnings", "infos", "counts")
_PARTS = ("reasons", "tokens", "duplicates", "quality", "privacy")


def record_report(session: Session, file_id: str, merged: Merged) -> bool:
    """Store what reading a file told, in place of what an earlier reading did, and settle the file's status.

    False when the file is gone meanwhile, and nothing was stored.
    """
    file = file_queries.lock_alive(session, file_id)
    if file is None:
        return False
    row = queries.lock_report(session, file_id)
    if row is None:
        row = Report(id=new_id("report_"), project_id=file.project_id, file_id=file_id)
        session.add(row)
    told = merged.report
    row.status, row.completed_at, row.body = "completed", database_now(session), storable(msgspec.to_builtins(told))
    row.format, row.verdict = told.format, told.verdict
    row.score = told.quality.score if told.quality is not None else None
    row.lines, row.examples, row.counts = told.lines, told.examples, dict(told.counts)
    row.errors, row.warnings, row.infos = told.errors, told.warnings, told.infos
    row.bytes_done = row.bytes_total = file.bytes
    session.flush()
    drop_segments(session, row)
    _replace_findings(session, row, merged)
    files.mark_validated(session, file_id, problem=problem(session, row))
    session.flush()
    telling.validated(session, file)
    return True


def _replace_findings(session: Session, report: Report, merged: Merged) -> None:
    session.execute(delete(Finding).where(Finding.report_id == report.id))
    rows = [{"id": new_id("finding_"), "project_id": report.project_id, "report_id": report.id,
             "severity": each.severity, "kind": each.kind, "line": each.line, "path": storable(each.path),
             "message": storable(each.message), "hint": storable(each.hint)} for each in merged.findings]
    for start in range(0, len(rows), _ROWS):
        session.execute(insert(Finding), rows[start:start + _ROWS])


def reports_of(session: Session, file_id: str) -> analysis.Report | None:
    """The whole report on a file, once it is complete."""
    row = queries.report(session, file_id)
    if row is None or row.status != "completed" or row.body is None:
        return None
    return msgspec.convert(row.body, analysis.Report)


def progress(session: Session, file_id: str) -> tuple[int, int]:
    """How many bytes of a file were read, and of how many. Raises NoSuchFile."""
    file, row = files.get(session, file_id), queries.report(session, file_id)
    if row is None:
        return 0, file.bytes
    if row.status == "completed":
        return file.bytes, file.bytes
    return min(file.bytes, row.bytes_done + segment_queries.bytes_done(session, file_id)), file.bytes


def training_file(session: Session, file_id: str) -> File:
    """The file, if it is one that is read for training. Raises NoSuchFile, NotATrainingFile."""
    file = files.get(session, file_id)
    if file.purpose != "fine-tune":
        raise NotATrainingFile(file.purpose)
    return file


def validation(session: Session, file_id: str) -> schemas.Validation:
    """The report on a file as the wire shows it. Raises NoSuchFile, NotATrainingFile."""
    file = training_file(session, file_id)
    row = queries.report(session, file.id)
    told: dict[str, Any] = {"file_id": file.shown_id, "status": "failed" if file.status == "error" else "pending",
                            "progress": _progress(*progress(session, file.id)), "problem": file.status_details}
    if row is not None:
        told |= {"status": row.status, "format": row.format, "started_at": row.started_at,
                 "completed_at": row.completed_at}
    if row is not None and row.status == "completed":
        body = row.body or {}
        told |= {name: getattr(row, name) for name in _NUMBERS}
        told["counts"] = dict(sorted(row.counts.items(), key=lambda each: (-each[1], each[0])))
        told |= {name: body[name] for name in _PARTS if body.get(name) is not None}
    return schemas.Validation.model_validate(told)


def _progress(done: int, total: int) -> schemas.Progress:
    return schemas.Progress(bytes=done, total_bytes=total, percent=round(100 * done / total, 1) if total else 100.0)
