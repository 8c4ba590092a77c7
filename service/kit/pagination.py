"""Cursor pages as OpenAI's SDKs walk them: `after=<last id>`, `limit`, and an envelope with `has_more`."""

from collections.abc import Sequence
from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import Query
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from service.kit.database import Positioned
from service.kit.errors import InvalidRequest
from service.kit.schemas import Answer, PlainStr

Item = TypeVar("Item")
Row = TypeVar("Row", bound=Positioned)
Order = Literal["asc", "desc"]

After = Annotated[PlainStr | None, Query(max_length=256, description="Id of the last item of the page before.")]


class Page(Answer, Generic[Item]):
    """The envelope of every list; `first_id` and `last_id` are null when the page is empty."""

    object: Literal["list"] = "list"
    data: list[Item]
    first_id: str | None = None
    last_id: str | None = None
    has_more: bool = False


def paginate(session: Session, query: Select[Row], table: type[Row], *, after: str | None, limit: int,
             order: Order = "desc") -> tuple[Sequence[Row], bool]:
    """One page of `query`, ordered by position, and whether more follow.

    `after` may name any row that the transaction sees, also one that has left the list since (a caller who
    deletes what it reads must be able to go on); raises InvalidRequest (param `after`) for every other id.
    """
    column: Any = table.position
    if after is not None:
        start = _start(session, query, table, after)
        if start is None:
            raise InvalidRequest(f"No item with id '{after}' in this list to continue after.", param="after")
        query = query.where(column < start if order == "desc" else column > start)
    ordered = query.order_by(column.desc() if order == "desc" else column.asc())
    rows = session.scalars(ordered.limit(limit + 1)).all()
    return rows[:limit], len(rows) > limit


def _start(session: Session, query: Select[Row], table: type[Row], after: str) -> int | None:
    """The position of the row with this id, or with this name from another server, within the list if it is there."""
    column: Any = table.position
    found: int | None = session.scalar(select(column).where(table.id == after))
    alias: Any = getattr(table, "alias", None)
    if found is not None or alias is None:
        return found
    for rows in (query.with_only_columns(column), select(column)):
        found = session.scalar(rows.where(alias == after).order_by(column.desc()).limit(1))
        if found is not None:
            break
    return found


def page_of(rows: Sequence[Any], *, has_more: bool) -> dict[str, Any]:
    """The attributes of a `Page` over `rows`; FastAPI's response model shapes the items."""
    return {"data": rows, "first_id": shown_id(rows[0]) if rows else None,
            "last_id": shown_id(rows[-1]) if rows else None, "has_more": has_more}


def shown_id(row: Any) -> str:
    """The id that callers know a row by: for what another server made first, that server's."""
    return str(getattr(row, "shown_id", None) or row.id)


