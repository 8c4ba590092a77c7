"""Questions about the spend ledger."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.kit.pagination import paginate
from service.usage.tables import LedgerEntry


def entry(session: Session, key: str, kind: str) -> LedgerEntry | None:
    return session.scalar(select(LedgerEntry).where(LedgerEntry.key == key, LedgerEntry.kind == kind))


def entries(session: Session, *, job_id: str | None, after: str | None,
            limit: int) -> tuple[Sequence[LedgerEntry], bool]:
    """A page of the ledger, newest first: all of it, or what one job moved."""
    query = select(LedgerEntry)
    if job_id is not None:
        query = query.where(LedgerEntry.job_id == job_id)
    return paginate(session, query, LedgerEntry, after=after, limit=limit)
