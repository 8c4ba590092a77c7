"""The verbs of datasets: record what validation found, and say whether a job may train on it."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from service.datasets.analysis import report as analysis
from service.datasets.errors import NotATrainingFile
from service.datasets.queries import reports as queries
from service.datasets.schemas.reports import Validation
from service.datasets.tables.reports import Finding, Report
from service.datasets.validation.examination import MIN_EXAMPLES, Examination, too_few
from service.files import operations as files
from service.kit.identifiers import new_id

_TOLD = 3
"""So many errors stand in the message of a job that fails over them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a job may train on a file: how many examples it holds, or the error that the job ends in."""

    examples: int
    error: dict[str, Any] | None = None
    "code, message and param, as in a job's `error`."


def record_report(session: Session, file_id: str, seen: Examination, *, project_id: str) -> Report:
    """Store what reading a file found, in place of what an earlier reading did, and settle the file's status."""
    session.execute(delete(Report).where(Report.file_id == file_id))
    report = Report(id=new_id("report_"), project_id=project_id, file_id=file_id, format=seen.format, lines=seen.lines,
                    examples=seen.examples, errors=seen.tally.errors, warnings=seen.tally.warnings,
                    counts=dict(seen.tally.counts))
    session.add(report)
    session.flush()
    rows = [{"id": new_id("finding_"), "project_id": project_id, "report_id": report.id, "severity": each.severity,
             "kind": each.kind, "line": each.line, "path": each.path, "message": each.message, "hint": each.hint}
            for each in seen.tally.kept]
    if rows:
        session.execute(insert(Finding), rows)
    files.mark_validated(session, file_id, problem=_problem(session, report))
    return report


def validation(session: Session, file_id: str) -> Validation:
    """The report on a file as the wire shows it. Raises NoSuchFile, NotATrainingFile."""
    file = files.get(session, file_id)
    if file.purpose != "fine-tune":
        raise NotATrainingFile(file.purpose)
    report = queries.report(session, file_id)
    if report is None:
        return Validation(file_id=file_id, status="failed" if file.status == "error" else "pending", format=None,
                          lines=0, examples=0, errors=0, warnings=0, counts={}, completed_at=None)
    return Validation(file_id=file_id, status="completed", format=report.format, lines=report.lines,
                      examples=report.examples, errors=report.errors, warnings=report.warnings, counts=report.counts,
                      completed_at=report.completed_at)


def reports_of(_session: Session, _file_id: str) -> analysis.Report | None:
    """The whole report on a file, once it is complete."""
    return None


def verdict(session: Session, file_id: str, role: str = "training_file") -> Verdict | None:
    """What a job with this file as its `role` (training_file or validation_file) has to hear; None while it is read.

    Codes and words are OpenAI's: invalid_training_file or invalid_validation_file when no line is an example,
    invalid_file_format when some are wrong, invalid_n_examples when there are too few. A file that could not be
    read at all is server_error. Raises NoSuchFile.
    """
    report = queries.report(session, file_id)
    if report is None:
        file = files.get(session, file_id)
        if file.status != "error":
            return None
        return Verdict(0, {"code": "server_error", "param": role, "message": file.status_details})
    if report.errors:
        code = f"invalid_{role}" if report.format is None else "invalid_file_format"
        message = f"The job failed due to an invalid {role.replace('_', ' ')}. {_problem(session, report)}"
        return Verdict(report.examples, {"code": code, "param": role, "message": message})
    if role == "training_file" and report.examples < MIN_EXAMPLES:
        return Verdict(report.examples, {"code": "invalid_n_examples", "param": role,
                                         "message": too_few(report.examples)})
    return Verdict(report.examples)


def _problem(session: Session, report: Report) -> str | None:
    """The first errors of a report in words, and how many more there are; None when there are none."""
    if not report.errors:
        return None
    told = [finding.message.removesuffix(".") + "." for finding in queries.first_errors(session, report.id, _TOLD)]
    if report.format is None:
        told.insert(0, "Unexpected file format, expected chat messages.")
    more = report.errors - min(report.errors, _TOLD)
    if more:
        told.append(f"And {more} more error{'s' if more > 1 else ''}:"
                    f" see GET /v1/files/{report.file_id}/validation/findings.")
    return "Invalid file format. " + " ".join(told)
