"""Wire shape of the spend ledger."""

from typing import Literal

from pydantic import Field

from service.kit.pagination import Page
from service.kit.schemas import Answer, Timestamp


class LedgerEntry(Answer):
    """One movement of money; nothing changes it afterwards."""

    object: Literal["usage.ledger_entry"] = "usage.ledger_entry"
    id: str
    created_at: Timestamp
    kind: Literal["hold", "settle", "release", "extra"] = Field(
        description="hold: reserved before a server was asked to train. settle: what it cost, which ends the hold."
                    " release: nothing was bought, which ends it too. extra: the server trained a second job for one"
                    " request, and it cost so much before it could be cancelled.")
    micro_dollars: int = Field(description="1,000,000 is one dollar.")
    fine_tuning_job_id: str = Field(validation_alias="job_id")
    key: str = Field(description="Of the attempt; the server's job bears it in its metadata. An extra job's id there"
                                 " follows it, after a colon.")
    note: str | None


class Spending(Answer):
    """What a project has spent in this calendar month, and what is reserved."""

    object: Literal["usage.spending"] = "usage.spending"
    project_id: str
    month: str = Field(description="Such as 2027-01, in UTC.")
    settled_micro_dollars: int = Field(description="Booked in this month. 1,000,000 is one dollar.")
    held_micro_dollars: int = Field(description="Reserved now, whenever that was done.")
    spent_micro_dollars: int = Field(description="Both together, which is what thresholds are compared with.")
    spend_thresholds: list[int] = Field(description="`spend.threshold_reached` is told once a month for each that is"
                                                    " reached. Administrators set them on the project.")


class LedgerEntryList(Page[LedgerEntry]):
    """A page of entries, newest first."""
