"""The examples of one file, listed: found in the database, then read from the object store without a transaction."""

import re
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from service.datasets.analysis import listing
from service.datasets.analysis.listing import Listed, Wanted
from service.datasets.analysis.rows import rows_of
from service.datasets.analysis.stored_columns import StoredColumns
from service.datasets.analysis.suspicion import NoColumns
from service.datasets.errors import NoExamples, TooManyToSort
from service.datasets.operations.places import columns_key
from service.datasets.operations.reports import training_file
from service.datasets.queries import reports as queries
from service.kit.errors import InvalidRequest
from service.kit.storage import ObjectMissing, storage

_CURSOR = re.compile(r"[1-9][0-9]{0,12}")


@dataclass(frozen=True, slots=True)
class Asked:
    """A page that is to be read."""

    file_id: str
    key: str | None
    "None while the file is not read."
    after: int | None


def ask(session: Session, file_id: str, *, after: str | None) -> Asked:
    """Where the columns of a file lie. Raises NoSuchFile, NotATrainingFile, InvalidRequest (param `after`)."""
    file = training_file(session, file_id)
    report = queries.report(session, file.id)
    if after is not None and not _CURSOR.fullmatch(after):
        raise _no_such(after)
    is_read = report is not None and report.status == "completed"
    return Asked(file_id, columns_key(file.project_id, file.id) if is_read else None,
                 None if after is None else int(after))


def page(asked: Asked, wanted: Wanted, *, limit: int, context: int | None) -> dict[str, Any]:
    """The page as the wire shows it. Raises NoExamples, TooManyToSort, InvalidRequest, StorageUnavailable."""
    if asked.key is None:
        return {"data": []}
    listed = _listed(asked, asked.key, wanted, limit)
    rows = rows_of(listed.arrays, context=context)
    last = None if listed.last is None else str(listed.last)
    return {"data": rows, "first_id": rows[0]["id"] if rows else None, "last_id": last, "has_more": listed.more}


def _listed(asked: Asked, key: str, wanted: Wanted, limit: int) -> Listed:
    try:
        columns = StoredColumns(partial(storage().read_range, key), storage().size(key))
        return listing.find(columns, wanted, after=asked.after, limit=limit)
    except (ObjectMissing, NoColumns) as missing:
        raise NoExamples(asked.file_id) from missing
    except listing.TooManyToSort as many:
        raise TooManyToSort(many.examples, listing.MOST_ROWS) from many
    except listing.NoSuchExample as unknown:
        raise _no_such(str(asked.after)) from unknown


def _no_such(after: str) -> InvalidRequest:
    return InvalidRequest(f"No item with id '{after}' in this list to continue after.", param="after")
