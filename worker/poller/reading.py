"""Takes what the poller needs out of a server's answer: ids, statuses, the cursor. Everything else is stepped over.

Answers are hostile: rows that do not fit are left out, and an answer that is none raises Unreadable and nothing else.
"""

import json
from dataclasses import dataclass
from typing import Any

import msgspec

from worker.providers.remote import Unavailable

_LONGEST_ID = 256
_LONGEST_STATUS = 64
_FAULTS = (msgspec.MsgspecError, ValueError, RecursionError)


class Unreadable(Unavailable):
    """The server answered, but not with what was asked for; another question may still be answered."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One page: the status of each job by its id, and the cursor of the next page."""

    statuses: dict[str, str | None]
    "None for a status that is no word."
    after: str | None


class _Job(msgspec.Struct):
    id: str
    status: str


class _List(msgspec.Struct):
    data: list[_Job]
    has_more: bool


_JOB = msgspec.json.Decoder(_Job)
_LIST = msgspec.json.Decoder(_List)


def page(body: bytes) -> Listed:
    """Raises Unreadable."""
    rows, has_more = _rows(body)
    statuses = {job_id: _word(status) for job_id, status in rows if _is_id(job_id)}
    last = next(reversed(statuses), None)
    return Listed(statuses, last if has_more and last is not None and _is_cursor(last) else None)


def job(body: bytes, job_id: str) -> str | None:
    """The status of the one job that was asked for. Raises Unreadable."""
    try:
        job = _JOB.decode(body)
        told, status = job.id, job.status
    except _FAULTS:
        told, status = _pair(_loosely(body))
    if told != job_id:
        raise Unreadable("The answer is not the job that was asked for.")
    return _word(status)


def _rows(body: bytes) -> tuple[list[tuple[Any, Any]], bool]:
    """Id and status of each row, and whether there is more: unless the server denies it, as the SDKs take it."""
    try:
        listed = _LIST.decode(body)
    except _FAULTS:
        return _loose_rows(_loosely(body))
    return [(job.id, job.status) for job in listed.data], listed.has_more


def _loose_rows(found: Any) -> tuple[list[tuple[Any, Any]], bool]:
    rows = found.get("data") if isinstance(found, dict) else None
    if not isinstance(rows, list):
        raise Unreadable("The answer is no list of jobs.")
    return [_pair(row) for row in rows], found.get("has_more") is not False


def _pair(row: Any) -> tuple[Any, Any]:
    return (row.get("id"), row.get("status")) if isinstance(row, dict) else (None, None)


def _loosely(body: bytes) -> Any:
    """Slowly, and of more: one job's odd field must not hide the hundred that stand on its page."""
    try:
        return json.loads(body)
    except _FAULTS:
        raise Unreadable("The answer is no JSON.") from None


def _is_id(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_ID


def _word(value: Any) -> str | None:
    fits = isinstance(value, str) and 0 < len(value) <= _LONGEST_STATUS and value.isprintable()
    return value if fits else None


def _is_cursor(text: str) -> bool:
    return text.isascii() and text.isprintable()
