"""What a job hears about the files it is to train on, in OpenAI's codes and words."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from service.datasets.queries import reports as queries
from service.datasets.tables.reports import Report
from service.datasets.validation.examination import MIN_EXAMPLES, too_few, too_many
from service.datasets.validation.formats import format_problem
from service.files import operations as files

_TOLD = 3
"""So many errors stand in the message of a job that fails over them."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a job may train on a file: how many examples it holds, or the error that the job ends in."""

    examples: int
    error: dict[str, Any] | None = None
    "code, message and param, as in a job's `error`."


def verdict(session: Session, file_id: str, role: str = "training_file", method: str = "supervised", *,
            legacy: bool = False) -> Verdict | None:
    """What a job with this file as its `role` (training_file or validation_file) has to hear; None while it is read.

    `legacy` says that the model is one that learns from prompts and completions. Codes and words are OpenAI's:
    invalid_training_file or invalid_validation_file when no line is an example, invalid_file_format when some are
    wrong or the format is not the method's, invalid_n_examples when there are too few or too many. A file that could
    not be read at all is server_error. Raises NoSuchFile.
    """
    report = queries.report(session, file_id)
    if report is None or report.status != "completed":
        file = files.get(session, file_id)
        if file.status != "error":
            return None
        return Verdict(0, {"code": "server_error", "param": role, "message": file.status_details})
    code, message = _refusal(session, report, role, method, legacy=legacy)
    return Verdict(report.examples, {"code": code, "param": role, "message": message} if code else None)


def _refusal(session: Session, report: Report, role: str, method: str, *, legacy: bool) -> tuple[str | None, str]:
    """The error's code and its words; no code when there is nothing to refuse."""
    failed = f"The job failed due to an invalid {role.replace('_', ' ')}. "
    if report.errors:
        code = f"invalid_{role}" if report.format is None else "invalid_file_format"
        return code, f"{failed}{problem(session, report)}"
    misfit = _misfit(report, method, legacy=legacy)
    if misfit is not None:
        return "invalid_file_format", failed + misfit
    if role == "training_file" and report.examples < MIN_EXAMPLES:
        return "invalid_n_examples", too_few(report.examples)
    words = too_many(role, method, report.examples)
    return ("invalid_n_examples", words) if words is not None else (None, "")


def _misfit(report: Report, method: str, *, legacy: bool) -> str | None:
    """Why the format is not for the method; prompts and completions are for legacy models only."""
    if report.format == "completion" and method == "supervised" and not legacy:
        return "Unexpected file format, expected chat messages: prompt/completion pairs are for legacy models."
    return format_problem(method, report.format, report.file_id)  # type: ignore[arg-type]  # written by `detect`


def problem(session: Session, report: Report) -> str | None:
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
