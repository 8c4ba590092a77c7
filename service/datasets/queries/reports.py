"""Reading reports and findings."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from service.datasets.tables.reports import Finding, Report
from service.kit.pagination import paginate


@dataclass(frozen=True, slots=True)
class Sieve:
    """Which findings are wanted; None lets all through."""

    severity: str | None = None
    kind: str | None = None
    first_line: int | None = None
    last_line: int | None = None


def report(session: Session, file_id: str) -> Report | None:
    """The report on a file, also one that is not complete."""
    return session.scalar(select(Report).where(Report.file_id == file_id))


def lock_report(session: Session, file_id: str) -> Report | None:
    """The same, held until the transaction ends."""
    return session.scalar(select(Report).where(Report.file_id == file_id).with_for_update())


def findings(session: Session, file_id: str, sieve: Sieve, *, after: str | None,
             limit: int) -> tuple[Sequence[Finding], bool]:
    """A page of the findings on a file, in the order of its lines."""
    query: Select[Finding] = select(Finding).join(Report, Report.id == Finding.report_id)
    query = query.where(Report.file_id == file_id)
    if sieve.severity is not None:
        query = query.where(Finding.severity == sieve.severity)
    if sieve.kind is not None:
        query = query.where(Finding.kind == sieve.kind)
    if sieve.first_line is not None:
        query = query.where(Finding.line >= sieve.first_line)
    if sieve.last_line is not None:
        query = query.where(Finding.line <= sieve.last_line)
    return paginate(session, query, Finding, after=after, limit=limit, order="asc")


def first_errors(session: Session, report_id: str, limit: int) -> Sequence[Finding]:
    return session.scalars(select(Finding).where(Finding.report_id == report_id, Finding.severity == "error")
                           .order_by(Finding.position).limit(limit)).all()
