"""Takes what the poller needs out of a server's answer: ids, statuses, the cursor. Everything else is stepped over.

Answers are hostile: rows that do not fit are left out, and an answer that is none raises Unreadable and nothing else.
"""

from dataclasses import dataclass

import msgspec

from worker.providers.remote import Unavailable

_LONGEST_ID = 256
_LONGEST_STATUS = 64


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
    status: msgspec.Raw | None = None


class _List(msgspec.Struct):
    data: list[msgspec.Raw]
    has_more: bool | None = None


class _LooseList(msgspec.Struct):
    """The same where the flag is something else than a flag."""

    data: list[msgspec.Raw]


_JOB, _LIST, _LOOSE_LIST = (msgspec.json.Decoder(kind) for kind in (_Job, _List, _LooseList))
_WORD = msgspec.json.Decoder(str)


def page(body: bytes) -> Listed:
    """Raises Unreadable."""
    rows, has_more = _rows(body)
    statuses: dict[str, str | None] = {}
    last = None
    for row in rows:
        try:
            last, status = _job(row)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            continue
        statuses[last] = status
    return Listed(statuses, last if has_more and last is not None and _is_cursor(last) else None)


def job(body: bytes, job_id: str) -> str | None:
    """The status of the one job that was asked for. Raises Unreadable."""
    try:
        told, status = _job(msgspec.Raw(body))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Unreadable("The answer is no job.") from None
    if told != job_id:
        raise Unreadable("The answer is another job than was asked for.")
    return status


def _rows(body: bytes) -> tuple[list[msgspec.Raw], bool]:
    try:
        listed = _LIST.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    else:
        return listed.data, listed.has_more is not False
    try:
        return _LOOSE_LIST.decode(body).data, True
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Unreadable("The answer is no list of jobs.") from None


def _job(row: msgspec.Raw) -> tuple[str, str | None]:
    found = _JOB.decode(row)
    if not 0 < len(found.id) <= _LONGEST_ID:
        raise ValueError("no id")
    return found.id, _status(found.status)


def _status(raw: msgspec.Raw | None) -> str | None:
    try:
        word = _WORD.decode(raw) if raw is not None else ""
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return word if 0 < len(word) <= _LONGEST_STATUS and word.isprintable() else None


def _is_cursor(text: str) -> bool:
    return text.isascii() and text.isprintable()
