"""Questions about token counts."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.datasets.tables.counts import TokenCount


def count(session: Session, file_id: str, tokenizer: str) -> TokenCount | None:
    return session.scalar(select(TokenCount).where(TokenCount.file_id == file_id, TokenCount.tokenizer == tokenizer))


def number_of_counts(session: Session, file_id: str) -> int:
    return session.scalar(select(func.count()).where(TokenCount.file_id == file_id)) or 0
