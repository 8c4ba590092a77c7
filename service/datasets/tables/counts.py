"""Rows of token counts by tokenizers besides the report's own."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from service.kit.database import Base, Positioned, Tenanted


class TokenCount(Tenanted, Positioned, Base):
    """How many tokens one tokenizer makes of one file."""

    __tablename__ = "dataset_token_counts"
    __table_args__ = (
        UniqueConstraint("project_id", "file_id", "tokenizer"),
        CheckConstraint("state in ('pending', 'completed', 'unavailable', 'failed')", name="state"))

    file_id: Mapped[str] = mapped_column(ForeignKey("files.id"))
    tokenizer: Mapped[str]
    "o200k_base, cl100k_base, or the id of a base model."
    state: Mapped[str] = mapped_column(server_default="pending")
    bytes_done: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    problem: Mapped[str | None]
    "Why there is no count, in words."
    body: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    "TokenStats of service/datasets/analysis/report.py."
    settled_at: Mapped[datetime | None]
