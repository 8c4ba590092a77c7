"""Questions about the spend ledger."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from service.kit.pagination import paginate
from service.tenants.tables import Project
from service.usage.tables import LedgerEntry


@dataclass(frozen=True, slots=True)
class Spending:
    """Of a project in this calendar month (UTC), in micro-dollars."""

    month: str
    settled: int
    held: int
    "By holds that are open now, whenever they were made: each will be settled in this month or in a later one."


def entry(session: Session, key: str, kind: str) -> LedgerEntry | None:
    return session.scalar(select(LedgerEntry).where(LedgerEntry.key == key, LedgerEntry.kind == kind))


def entries(session: Session, *, job_id: str | None, after: str | None,
            limit: int) -> tuple[Sequence[LedgerEntry], bool]:
    """A page of the ledger, newest first: all of it, or what one job moved."""
    query = select(LedgerEntry)
    if job_id is not None:
        query = query.where(LedgerEntry.job_id == job_id)
    return paginate(session, query, LedgerEntry, after=after, limit=limit)


def spend_thresholds(session: Session, project_id: str) -> list[int]:
    """Of which others are to be told, ascending."""
    return list(session.scalars(select(Project.spend_thresholds).where(Project.id == project_id)).one())


_SPENDING = text("""
    select to_char(month, 'YYYY-MM'),
        coalesce(sum(micro_dollars) filter (where kind in ('settle', 'extra')
            and entry.created_at >= month at time zone 'utc'), 0),
        coalesce(sum(micro_dollars) filter (where kind = 'hold' and not exists (
            select from ledger_entries ending where ending.project_id = :project_id and ending.key = entry.key
            and ending.kind <> 'hold')), 0)
    from (select date_trunc('month', now() at time zone 'utc') as month) as calendar
    left join ledger_entries entry on entry.project_id = :project_id
    group by month
""")


def spending(session: Session, project_id: str) -> Spending:
    """As far as others have committed, and with what this transaction booked itself."""
    month, settled, held = session.execute(_SPENDING, {"project_id": project_id}).one()
    return Spending(month, int(settled), int(held))
