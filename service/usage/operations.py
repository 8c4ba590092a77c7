"""What is done with money: held before a server may be asked to train, then settled or released, once.

What a server trained beyond what was asked for is booked as extra, so that the books here are those there. Whatever
is booked may reach one of the project's thresholds, of which others are told in the same transaction.
"""

from typing import Literal

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.events import operations as events
from service.events.types import EventType
from service.kit.identifiers import new_id
from service.usage import queries
from service.usage.tables import LedgerEntry

LARGEST = 2**62
"""Micro-dollars; no server can make us write more than the column holds."""


def hold(session: Session, *, project_id: str, job_id: str, key: str, micro_dollars: int,
         note: str | None = None) -> None:
    """Reserve what an attempt may cost; a second hold for the same key is the first."""
    _write(session, project_id, job_id, key, "hold", micro_dollars, note)


def settle(session: Session, *, project_id: str, job_id: str, key: str, micro_dollars: int,
           note: str | None = None) -> None:
    """End a hold with what the attempt did cost; one that has ended stays as it ended."""
    _write(session, project_id, job_id, key, "settle", micro_dollars, note)


def release(session: Session, *, project_id: str, job_id: str, key: str, note: str | None = None) -> None:
    """End a hold with nothing; one that has ended stays as it ended."""
    held = queries.entry(session, key, "hold")
    if held is not None:
        _write(session, project_id, job_id, key, "release", held.micro_dollars, note)


def book_extra(session: Session, *, project_id: str, job_id: str, remote_id: str, key: str, micro_dollars: int,
               note: str | None = None) -> bool:
    """Write down what a server's extra job under an attempt's key did cost, once; whether it is news."""
    return _write(session, project_id, job_id, f"{key}:{remote_id}", "extra", micro_dollars, note)


def is_extra(session: Session, *, project_id: str, key: str, remote_id: str) -> bool:
    """Whether a server's job under an attempt's key is booked as extra."""
    return session.scalar(select(LedgerEntry.id).where(
        LedgerEntry.project_id == project_id, LedgerEntry.key == f"{key}:{remote_id}",
        LedgerEntry.kind == "extra")) is not None


def count_extra(session: Session, *, job_id: str) -> int:
    return session.scalar(select(func.count()).where(LedgerEntry.job_id == job_id, LedgerEntry.kind == "extra")) or 0


def _write(session: Session, project_id: str, job_id: str, key: str,
           kind: Literal["hold", "settle", "release", "extra"], micro_dollars: int, note: str | None) -> bool:
    written = session.execute(insert(LedgerEntry).on_conflict_do_nothing().values(
        id=new_id("ledger_"), project_id=project_id, job_id=job_id, key=key, kind=kind,
        micro_dollars=min(max(micro_dollars, 0), LARGEST), note=note).returning(LedgerEntry.id))
    is_news = written.first() is not None
    if is_news and kind != "release":
        _tell_thresholds(session, project_id, job_id)
    return is_news


def _tell_thresholds(session: Session, project_id: str, job_id: str) -> None:
    """Tell once a month of each threshold that the project's spending has reached by now.

    Of two that book at the same time, neither sees the other's entry; so whoever counts waits for those who have
    counted to commit, and the last of them sees all.
    """
    thresholds = queries.spend_thresholds(session, project_id)
    if not thresholds:
        return
    session.execute(_ONE_AT_A_TIME, {"project_id": project_id})
    found = queries.spending(session, project_id)
    spent = found.settled + found.held
    for threshold in [each for each in thresholds if each <= spent]:
        events.append_once(
            session, EventType.SPEND_THRESHOLD, project_id, project_id=project_id,
            dedupe_key=f"{EventType.SPEND_THRESHOLD}:{found.month}:{threshold}",
            data={"month": found.month, "threshold_micro_dollars": threshold, "fine_tuning_job_id": job_id,
                  "spent_micro_dollars": min(spent, LARGEST), "held_micro_dollars": min(found.held, LARGEST)})


_ONE_AT_A_TIME = text("select pg_advisory_xact_lock(hashtextextended('usage.spending' || :project_id, 0))")
