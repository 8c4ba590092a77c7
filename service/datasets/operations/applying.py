"""Makes a new version of what reviewers decided: without what they rejected, with what they edited."""

from typing import Any, Literal

from sqlalchemy.orm import Session

from service.datasets.errors import NothingToApply, ReviewHasConflicts, ReviewNotClosed
from service.datasets.operations.building import request_build
from service.datasets.operations.reviews import find
from service.datasets.queries import reviews as queries
from service.datasets.tables.reviews import Review
from service.datasets.tables.versions import DatasetVersion
from service.datasets.transformation.reviewed import Changes

_TYPE = "apply_review"
"""A transformation that only a review asks for: the routes that make versions do not know it."""
Conflicts = Literal["refuse", "keep", "drop"]


def apply(session: Session, dataset_id: str, version: str, review_id: str, *, conflicts: Conflicts,
          by: str) -> DatasetVersion:
    """Ask for the version that a closed review makes of its own.

    Raises NoSuchReview, ReviewNotClosed, ReviewHasConflicts, NothingToApply.
    """
    found, review = find(session, dataset_id, version, review_id)
    if review.status != "closed":
        raise ReviewNotClosed(review_id, review.status)
    disputed = queries.counts(session, [review_id])[review_id]["conflict"]
    if disputed and conflicts == "refuse":
        raise ReviewHasConflicts(review_id, disputed, "Say whether to keep or to drop them, with 'conflicts'.")
    if not changes_of(session, review_id, conflicts):
        raise NothingToApply(review_id)
    spec = {"type": _TYPE, "review_id": review_id, "conflicts": "drop" if conflicts == "drop" else "keep"}
    return request_build(session, found, spec, by=by)


def changes_of(session: Session, review_id: str, conflicts: str) -> Changes:
    """What a closed review changes; the same whenever it is asked."""
    return Changes(frozenset(dropped_lines(session, review_id, conflicts)),
                   {line: example.encode() for line, example in queries.edits(session, review_id)})


def changes_for(session: Session, source: dict[str, Any]) -> Changes | None:
    """What a version's builder has to change in its parent; None for a version that no review makes."""
    spec = source.get("transformation")
    if not spec or spec.get("type") != _TYPE:
        return None
    return changes_of(session, spec["review_id"], spec["conflicts"])


def dropped_lines(session: Session, review_id: str, conflicts: str) -> set[int]:
    statuses = ("rejected", "conflict") if conflicts == "drop" else ("rejected",)
    return queries.lines(session, review_id=review_id, statuses=statuses)


def made_by_review(session: Session, version: DatasetVersion) -> tuple[Review, str] | None:
    """The review of its only parent that a version was made by, and what became of conflicts."""
    spec = version.source.get("transformation")
    if not spec or spec.get("type") != _TYPE:
        return None
    review = session.get(Review, spec["review_id"])
    return (review, spec["conflicts"]) if review is not None and [review.version_id] == version.parents else None
