"""Questions about token counts."""

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.datasets.tables.counts import TokenCount
from service.kit.identifiers import new_id


def count(session: Session, file_id: str, tokenizer: str) -> TokenCount | None:
    return session.scalar(select(TokenCount).where(TokenCount.file_id == file_id, TokenCount.tokenizer == tokenizer))


def insert_count(session: Session, *, project_id: str, file_id: str, tokenizer: str) -> TokenCount:
    """A new count, or the one that somebody else asked for in this very moment."""
    session.execute(insert(TokenCount).values(id=new_id("count_"), project_id=project_id, file_id=file_id,
                                              tokenizer=tokenizer).on_conflict_do_nothing())
    return session.scalars(select(TokenCount).where(
        TokenCount.file_id == file_id, TokenCount.tokenizer == tokenizer)).one()


def number_of_counts(session: Session, file_id: str) -> int:
    return session.scalar(select(func.count()).where(TokenCount.file_id == file_id)) or 0
