"""What reviewers do with the items of a review: take one, decide, comment, hand it to somebody."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

from sqlalchemy.orm import Session

from service.datasets.analysis.batches import Flag
from service.datasets.errors import InvalidEdit, NoSuchReview, NoSuchReviewItem, UnknownReviewer
from service.datasets.operations.reviews import find, lock_open
from service.datasets.queries import reports
from service.datasets.queries import reviews as queries
from service.datasets.schemas.reviews import Decide
from service.datasets.tables.reviews import Review, ReviewComment, ReviewDecision, ReviewItem
from service.datasets.validation.findings import Place as Spot
from service.datasets.validation.formats import Format, check
from service.files import queries as files
from service.kit.database import database_now
from service.kit.identifiers import new_id

LEASE = timedelta(minutes=15)
"""So long is a claimed item kept from other reviewers' claims."""
_OUTCOMES = {"approve": "approved", "reject": "rejected", "edit": "edited"}


@dataclass(frozen=True, slots=True)
class Seen:
    """Items with all that the database knows of them, and where the bytes of their examples lie."""

    object_key: str
    items: Sequence[ReviewItem]
    more: bool = False
    decisions: dict[str, list[ReviewDecision]] = field(default_factory=dict)
    comments: dict[str, list[ReviewComment]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """One review as a request names it."""

    dataset_id: str
    version: str
    review_id: str


def page(session: Session, place: Place, *, status: str | None, assignee: str | None,
         flag: str | None, after: str | None, limit: int) -> Seen:
    """Items of a review, the most suspicious first. Raises NoSuchReview."""
    file_id = _file_id(session, place)
    bit = None if flag is None else int(Flag[flag.upper()])
    rows, more = queries.items(session, place.review_id, status=status, assignee=assignee, flag=bit, after=after,
                               limit=limit)
    return _seen(session, file_id, rows, more=more)


def retrieve(session: Session, place: Place, item_id: str) -> Seen:
    """Raises NoSuchReview, NoSuchReviewItem."""
    file_id = _file_id(session, place)
    return _seen(session, file_id, [_found(queries.item(session, place.review_id, item_id), item_id)])


def claim(session: Session, place: Place, *, by: str) -> Seen:
    """The next item for this reviewer, kept from others for LEASE; none when all are decided or held by others.

    Whoever claims again without having decided gets the same one. Raises NoSuchReview, ReviewNotOpen.
    """
    file_id = _file_id(session, place)
    lock_open(session, place.review_id)
    item = queries.next_for(session, place.review_id, by)
    if item is not None:
        item.leased_to, item.leased_until = by, database_now(session) + LEASE
        session.flush()
    return _seen(session, file_id, [item] if item else [])


def assign(session: Session, place: Place, item_id: str, assignee: str | None) -> Seen:
    """Raises NoSuchReview, NoSuchReviewItem, ReviewNotOpen, UnknownReviewer."""
    file_id, _, item = _lock(session, place, item_id)
    if assignee is not None and not queries.is_reviewer(session, assignee):
        raise UnknownReviewer(assignee)
    item.assignee = assignee
    if item.leased_to != assignee:
        item.leased_to = item.leased_until = None
    session.flush()
    return _seen(session, file_id, [item])


def decide(session: Session, place: Place, item_id: str, body: Decide, *, by: str) -> Seen:
    """Record what one reviewer decides, in place of what they decided before, and what that makes of the item.

    Raises NoSuchReview, NoSuchReviewItem, ReviewNotOpen, InvalidEdit.
    """
    file_id, review, item = _lock(session, place, item_id)
    example = None if body.example is None else _valid_line(session, file_id, item.line, body.example)
    session.add(ReviewDecision(id=new_id("rdec_"), project_id=item.project_id, item_id=item.id, actor=by,
                               decision=body.decision, example=example, comment=body.comment))
    session.flush()
    counting = queries.current(queries.decisions(session, [item.id])[item.id]).values()
    item.status = outcome([(each.decision, each.example) for each in counting], needed=review.reviewers_per_item)
    if item.leased_to == by:
        item.leased_to = item.leased_until = None
    session.flush()
    return _seen(session, file_id, [item])


def comment(session: Session, place: Place, item_id: str, text: str, *, by: str) -> Seen:
    """Raises NoSuchReview, NoSuchReviewItem. Comments can be made after a review was closed, too."""
    file_id = _file_id(session, place)
    if queries.lock(session, place.review_id, shared=True) is None:  # erased in this moment
        raise NoSuchReview(place.review_id)
    item = _found(queries.item(session, place.review_id, item_id), item_id)
    session.add(ReviewComment(id=new_id("rcom_"), project_id=item.project_id, item_id=item.id, actor=by, text=text))
    session.flush()
    return _seen(session, file_id, [item])


def outcome(decided: Collection[tuple[str, str | None]], *, needed: int) -> str:
    """The status of an item by the decisions that count. Two edits agree when they are the same line."""
    if len(decided) < needed:
        return "open"
    different = set(decided)
    return _OUTCOMES[next(iter(different))[0]] if len(different) == 1 else "conflict"


def _valid_line(session: Session, file_id: str, number: int, example: dict[str, Any]) -> str:
    """The example as a line of the version's format. Raises InvalidEdit."""
    report = reports.report(session, file_id)
    try:
        line = as_line(example)
    except RecursionError:
        raise InvalidEdit([Spot.example(number).error("nesting_too_deep", "nests too deeply.")]) from None
    findings = check(line, number, cast("Format", report.format if report and report.format else "chat"))
    wrong = [finding for finding in findings if finding.severity == "error"]
    if wrong:
        raise InvalidEdit(wrong)
    return line.decode()


def as_line(example: dict[str, Any]) -> bytes:
    """One line of JSON; half a surrogate pair, which UTF-8 cannot hold, stays escaped."""
    try:
        return json.dumps(example, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(example, separators=(",", ":")).encode()


def _file_id(session: Session, place: Place) -> str:
    version, _ = find(session, place.dataset_id, place.version, place.review_id)
    return version.file_id


def _lock(session: Session, place: Place, item_id: str) -> tuple[str, Review, ReviewItem]:
    """The version's file, an open review and its item: first the review is kept open, then the item is locked."""
    file_id = _file_id(session, place)
    _found(queries.item(session, place.review_id, item_id), item_id)
    review = lock_open(session, place.review_id)
    return file_id, review, _found(queries.lock_item(session, place.review_id, item_id), item_id)


def _found(item: ReviewItem | None, item_id: str) -> ReviewItem:
    if item is None:
        raise NoSuchReviewItem(item_id)
    return item


def _seen(session: Session, file_id: str, items: Sequence[ReviewItem], *, more: bool = False) -> Seen:
    file = files.find(session, file_id)
    ids = [item.id for item in items]
    return Seen("" if file is None else file.object_key, items, more, queries.decisions(session, ids),
                queries.comments(session, ids))
