"""Reading reports and findings."""

from collections.abc import Sequence

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from service.datasets.tables.reports import Finding, Report
from service.kit.pagination import paginate


def report(session: Session, file_id: str) -> Report | None:
    """The report on a file, once it was read."""
    return session.scalar(select(Report).where(Report.file_id == file_id))


def findings(session: Session, file_id: str, *, severity: str | None, kind: str | None, after: str | None,
             limit: int) -> tuple[Sequence[Finding], bool]:
    """A page of the findings on a file, in the order of its lines."""
    query: Select[Finding] = select(Finding).join(Report, Report.id == Finding.report_id)
    query = query.where(Report.file_id == file_id)
    if severity is not None:
        query = query.where(Finding.severity == severity)
    if kind is not None:
        query = query.where(Finding.kind == kind)
    return paginate(session, query, Finding, after=after, limit=limit, order="asc")


def first_errors(session: Session, report_id: str, limit: int) -> Sequence[Finding]:
    return session.scalars(select(Finding).where(Finding.report_id == report_id, Finding.severity == "error")
                           .order_by(Finding.position).limit(limit)).all()
