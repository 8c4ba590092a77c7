"""Reads the examples of reviewed lines from the object store; called where no transaction is open."""

import json
from collections.abc import Iterator
from typing import Any

from service.datasets.analysis.suspicion import in_words
from service.datasets.operations.deciding import Seen
from service.datasets.tables.reviews import ReviewDecision, ReviewItem
from service.datasets.validation.texts import MAX_DEPTH
from service.kit.storage import ObjectMissing, storage
from service.settings import MiB

_LARGEST = 4 * MiB
_LARGEST_TOGETHER = 16 * MiB  # of one page
_BEGINNING = 2000
Shown = dict[str, Any]


def shown(seen: Seen) -> list[Shown]:
    """Items as the wire shows them, each with its example as far as that can be shown. Raises StorageUnavailable."""
    room = _LARGEST_TOGETHER
    items = []
    for item in seen.items:
        whole = item.length <= min(_LARGEST, room)
        line = _read(seen.object_key, item, item.length if whole else _BEGINNING)
        room -= len(line or b"")
        items.append(_item(seen, item) | _example(line, whole=whole))
    return items


def _read(object_key: str, item: ReviewItem, length: int) -> bytes | None:
    """None when the bytes are gone."""
    if not object_key or not length:
        return None
    try:
        return storage().read_range(object_key, item.start, length)
    except ObjectMissing:
        return None


def _example(line: bytes | None, *, whole: bool) -> Shown:
    value = parsed(line) if line is not None and whole else None
    beginning = None if line is None or value is not None else line.decode(errors="replace")[:_BEGINNING]
    return {"example": value, "text": beginning}


def parsed(line: bytes | str) -> dict[str, Any] | None:
    """The JSON object of a line, if it is one that can be sent as JSON again."""
    try:
        value = json.loads(line, parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):  # no JSON, no UTF-8, half a surrogate pair, a number without end
        return None
    return value if isinstance(value, dict) and not any(depth > MAX_DEPTH for depth in _depths(value)) else None


def _refuse(name: str) -> None:
    raise ValueError(name)


def _depths(value: Any) -> Iterator[int]:
    level, depth = [value], 0
    while level:
        depth += 1
        yield depth
        level = [inner for each in level for inner in (each.values() if isinstance(each, dict) else each)
                 if isinstance(inner, dict | list)]


def _item(seen: Seen, item: ReviewItem) -> Shown:
    names = ("id", "review_id", "line", "status", "chosen_as", "suspicion", "assignee", "leased_to", "leased_until")
    decisions = seen.decisions.get(item.id, [])
    newest = {each.actor: each.id for each in decisions}
    return {name: getattr(item, name) for name in names} | {
        "flags": in_words(item.flags), "bytes": item.length, "comments": seen.comments.get(item.id, []),
        "decisions": [_decision(each, current=newest[each.actor] == each.id) for each in decisions]}


def _decision(decision: ReviewDecision, *, current: bool) -> Shown:
    names = ("id", "actor", "decision", "comment", "created_at")
    return {name: getattr(decision, name) for name in names} | {
        "example": parsed(decision.example) if decision.example is not None else None, "current": current}
