"""Places in append-only tables, and the reading of what lies behind one, in an order that later commits cannot break.

A row's place is (transaction_id, position). Rows are read only as far as no older transaction is open (see
`Streamed`), so what was read once is never joined by a row before it.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Select, text, tuple_
from sqlalchemy.orm import Session

from service.kit.errors import InvalidRequest

Cursor = tuple[int, int]
"""Everything up to here was read; (transaction, 0) lies before all rows of that transaction."""
BEGINNING: Cursor = (0, 0)
_MARK_LENGTH = 12
_TOKEN = re.compile(rf"at_([0-9a-f]{{{_MARK_LENGTH}}})_([0-9]{{1,19}})_([0-9]{{1,19}})", re.ASCII)
_LARGEST = 2**63 - 1
_HORIZON = text("select pg_snapshot_xmin(pg_current_snapshot())::text::bigint")


@dataclass(frozen=True, slots=True)
class Line:
    """One row on its way to streams: where it lies, as the bytes that all of them send, and what filters look at."""

    cursor: Cursor
    frame: bytes
    about: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What was read in one go; the next read begins at `cursor`."""

    lines: Sequence[Line]
    cursor: Cursor
    more: bool = False
    "Whether there is more to be read at once."
    behind: bool = False
    "Whether rows are there that wait for the end of an older transaction."
    end: bytes | None = None
    "The last frame of all, once nothing can follow."


class UnknownPlace(InvalidRequest):
    code = "last_event_id_unknown"

    def __init__(self, place: str) -> None:
        super().__init__(f"Cannot go on after '{place}': this stream has no event of that id, or not any more. Leave"
                         " it out and add from=beginning to read everything that is kept.", param="last_event_id")


def mark(channel: str, name: str) -> str:
    """What ids say of the stream that gave them: a place in one means nothing in another."""
    return hashlib.sha256(f"{channel} {name}".encode()).hexdigest()[:_MARK_LENGTH]


def token(cursor: Cursor, marked: str) -> str:
    """A place as an id that clients send back, for where no row's own id says it."""
    return f"at_{marked}_{cursor[0]}_{cursor[1]}"


def read(session: Session, query: Select[Any], table: type[Any], after: Cursor, limit: int,
         line: Callable[[Any], Line]) -> Page:
    """The next rows of `query` in their order.

    The horizon is asked for first: whatever lies before it had ended by then, and the later statement sees it.
    """
    horizon: int = session.execute(_HORIZON).scalar_one()
    place = tuple_(table.transaction_id, table.position)
    rows = session.scalars(query.where(place > after).order_by(table.transaction_id, table.position)
                           .limit(limit + 1)).all()
    settled = [row for row in rows if row.transaction_id < horizon]
    lines = [line(row) for row in settled[:limit]]
    more = len(settled) > limit
    return Page(lines=lines, cursor=lines[-1].cursor if more else max(after, (horizon, 0)), more=more,
                behind=len(rows) > len(settled))


def cursor_of(row: Any) -> Cursor:
    return row.transaction_id, row.position


def start(session: Session, find: Callable[[str], Select[Any]], *, marked: str, last_id: str | None,
          begin: Literal["now", "beginning"]) -> Cursor:
    """Where a stream begins: after `last_id`, a token of its own or what `find` finds, else as `begin` says.

    Raises UnknownPlace.
    """
    horizon: int = session.execute(_HORIZON).scalar_one()
    if not last_id:
        return BEGINNING if begin == "beginning" else (horizon, 0)
    found = _of_token(last_id, marked, horizon) or _of_row(session, find(last_id))
    if found is None:
        raise UnknownPlace(last_id)
    return min(found, (horizon, 0))  # an id that no stream gave may lie where older transactions are still open


def _of_token(name: str, marked: str, horizon: int) -> Cursor | None:
    """The place that a token names, unless it is of another stream or house, or of nobody: it would skip lines."""
    match = _TOKEN.fullmatch(name)
    if match is None or match[1] != marked:
        return None
    transaction, position = int(match[2]), int(match[3])
    return (transaction, position) if transaction <= horizon and position <= _LARGEST else None


def _of_row(session: Session, query: Select[Any]) -> Cursor | None:
    row = session.scalars(query.limit(1)).first()
    return None if row is None else cursor_of(row)

