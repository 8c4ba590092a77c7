"""Token counts by other tokenizers than the report's: asked for, made by a worker, read."""

from dataclasses import dataclass
from datetime import timedelta

import msgspec
from sqlalchemy import update
from sqlalchemy.orm import Session

from service.datasets.analysis.report import TokenStats
from service.datasets.errors import TooManyCounts
from service.datasets.operations.reports import reports_of, training_file
from service.datasets.queries import counts as queries
from service.datasets.queries import reports as report_queries
from service.datasets.schemas import reports as schemas
from service.datasets.tables.counts import TokenCount
from service.files import queries as file_queries
from service.kit.database import database_now
from service.kit.work import Work, enqueue

_TRY_AGAIN = timedelta(minutes=1)
"""A count that could not be made is tried again when somebody asks so long after."""
_MOST_COUNTS = 50


@dataclass(frozen=True, slots=True)
class Counting:
    """A count that is to be made."""

    id: str
    file_id: str
    object_key: str
    size: int
    tokenizer: str
    format: str | None


def token_counts(session: Session, file_id: str, tokenizer: str) -> TokenStats | None:
    """The tokens of a file by one tokenizer, if they are counted."""
    row = queries.count(session, file_id, tokenizer)
    if row is not None and row.state == "completed":
        return msgspec.convert(row.body, TokenStats)
    report = reports_of(session, file_id)
    if report is not None and report.tokens is not None and report.tokens.tokenizer == tokenizer:
        return report.tokens
    return None


def ask_for_count(session: Session, file_id: str, tokenizer: str) -> TokenCount:
    """Have the tokens of a file counted by one tokenizer; asking again is no more than asking once.

    One that could not be made is tried again after a minute. Raises NoSuchFile, NotATrainingFile, TooManyCounts.
    """
    file = training_file(session, file_id)
    row = queries.count(session, file.id, tokenizer)
    if row is None:
        if queries.number_of_counts(session, file.id) >= _MOST_COUNTS:
            raise TooManyCounts(_MOST_COUNTS)
        row = queries.insert_count(session, project_id=file.project_id, file_id=file.id, tokenizer=tokenizer)
    elif not _is_stale(session, row):
        return row
    row.state, row.problem, row.settled_at, row.bytes_done = "pending", None, None, 0
    enqueue(session, Work.COUNT_TOKENS, row.id, project_id=file.project_id)
    return row


def _is_stale(session: Session, row: TokenCount) -> bool:
    return (row.state in {"unavailable", "failed"} and row.settled_at is not None
            and row.settled_at < database_now(session) - _TRY_AGAIN)


def count_shown(session: Session, file_id: str, tokenizer: str) -> schemas.TokenCount:
    """The count as the wire shows it, asked for where it is not there. Raises NoSuchFile, NotATrainingFile."""
    file = training_file(session, file_id)
    stats = token_counts(session, file.id, tokenizer)
    if stats is not None:
        return schemas.TokenCount.model_validate({
            "file_id": file.shown_id, "tokenizer": tokenizer, "status": "completed", "percent": 100.0,
            "tokens": msgspec.to_builtins(stats)})
    row = ask_for_count(session, file_id, tokenizer)
    return schemas.TokenCount.model_validate({
        "file_id": file.shown_id, "tokenizer": tokenizer, "status": row.state, "problem": row.problem,
        "percent": min(100.0, round(100 * row.bytes_done / max(1, file.bytes), 1))})


def begin_count(session: Session, count_id: str) -> Counting | None:
    """What is to be counted; None when it was counted already or its file is gone."""
    row = session.get(TokenCount, count_id)
    file = file_queries.find(session, row.file_id) if row is not None else None
    if row is None or file is None or row.state != "pending":
        return None
    report = report_queries.report(session, file.id)
    return Counting(row.id, file.id, file.object_key, file.bytes, row.tokenizer,
                    report.format if report is not None else None)


def note_count(session: Session, count_id: str, done: int) -> None:
    """Let those who wait see how far a count is."""
    session.execute(update(TokenCount).where(TokenCount.id == count_id).values(bytes_done=done))


def record_count(session: Session, count_id: str, stats: TokenStats) -> None:
    row = session.get(TokenCount, count_id)
    if row is not None:
        row.state, row.problem, row.settled_at = "completed", None, database_now(session)
        row.body = msgspec.to_builtins(stats)


def refuse_count(session: Session, count_id: str, problem: str, *, state: str = "unavailable") -> None:
    """There is no such count, for now (`unavailable`) or because something is broken (`failed`)."""
    row = session.get(TokenCount, count_id)
    if row is not None:
        row.state, row.problem, row.settled_at = state, problem, database_now(session)
