"""Rows of the spend ledger."""

from sqlalchemy import BigInteger, CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from service.kit.database import Base, Positioned, Tenanted


class LedgerEntry(Tenanted, Positioned, Base):
    """One movement of money, which nothing changes afterwards: no role may update or delete it.

    A hold is ended once, by a settlement or by a release.
    """

    __tablename__ = "ledger_entries"
    __table_args__ = (
        UniqueConstraint("project_id", "key", "kind"),
        CheckConstraint("kind in ('hold', 'settle', 'release', 'extra')", name="kind"),
        CheckConstraint("micro_dollars >= 0", name="amount"),
        Index("uq_ledger_entries_end", "project_id", "key", unique=True, postgresql_where=text("kind <> 'hold'")),
    )

    job_id: Mapped[str] = mapped_column(index=True)
    key: Mapped[str]
    "The attempt's; of an extra job, with `:` and its id at the server."
    kind: Mapped[str]
    micro_dollars: Mapped[int] = mapped_column(BigInteger)
    "hold: what it may cost. settle: what it cost. release: what of the hold was let go, which is all of it."
    note: Mapped[str | None]
