"""Reviews: asked for, prepared by a worker, closed with a word on the version as a whole."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from service.datasets import schemas
from service.datasets.analysis import agreement as agreements
from service.datasets.analysis.suspicion import Suspect, Wanted, sample_size
from service.datasets.errors import NoSuchReview, ReviewHasConflicts, ReviewNotOpen
from service.datasets.operations import telling
from service.datasets.operations.versions import find_version
from service.datasets.queries import reviews as queries
from service.datasets.schemas.reviews import ReviewCreate
from service.datasets.tables.reviews import Review, ReviewItem
from service.datasets.tables.versions import DatasetVersion
from service.files import queries as files
from service.kit.database import database_now
from service.kit.identifiers import new_id
from service.kit.work import Work, enqueue

_POLL = timedelta(seconds=1)
Shown = dict[str, Any]
"""The attributes of a review as its wire shape takes them."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """What a worker needs to choose the examples of a review."""

    file_id: str
    wanted: Wanted
    reviewed: frozenset[int]
    "Lines that are to be left out."


def create(session: Session, dataset_id: str, version: str, body: ReviewCreate, *, by: str) -> Shown:
    """A new review, whose examples a worker chooses. Raises what is wrong with the version."""
    found = find_version(session, dataset_id, version)
    seed = body.seed if body.seed is not None else secrets.randbelow(2**31)
    wanted = body.model_dump(include={"flagged", "sampled", "skip_reviewed"})
    review = Review(id=new_id("review_"), project_id=found.project_id, version_id=found.id, name=body.name,
                    instructions=body.instructions, wanted=wanted, seed=seed,
                    reviewers_per_item=body.reviewers_per_item, created_by=by)
    session.add(review)
    session.flush()
    enqueue(session, Work.PREPARE_REVIEW, review.id, project_id=review.project_id)
    return shown(session, found, [review])[0]


def find(session: Session, dataset_id: str, version: str, review_id: str) -> tuple[DatasetVersion, Review]:
    """A review of this version. Raises NoSuchReview, and what is wrong with the version."""
    found = find_version(session, dataset_id, version)
    review = queries.review(session, found.id, review_id)
    if review is None:
        raise NoSuchReview(review_id)
    return found, review


def lock_open(session: Session, review_id: str) -> Review:
    """The review, which cannot be closed until this transaction ends. Raises ReviewNotOpen."""
    review = queries.lock(session, review_id, shared=True)
    if review is None:
        raise NoSuchReview(review_id)
    if review.status != "open":
        raise ReviewNotOpen(review_id, review.status)
    return review


def retrieve(session: Session, dataset_id: str, version: str, review_id: str) -> Shown:
    found, review = find(session, dataset_id, version, review_id)
    return shown(session, found, [review])[0]


def page(session: Session, dataset_id: str, version: str, *, after: str | None,
         limit: int) -> tuple[list[Shown], bool]:
    """The reviews of a version, newest first."""
    found = find_version(session, dataset_id, version)
    rows, more = queries.reviews(session, found.id, after=after, limit=limit)
    return shown(session, found, rows), more


def close(session: Session, dataset_id: str, version: str, review_id: str, *, approve: bool,
          comment: str | None, by: str) -> Shown:
    """Approve or refuse the version as a whole; decisions stand from then on.

    Raises NoSuchReview, ReviewNotOpen, ReviewHasConflicts.
    """
    found, _ = find(session, dataset_id, version, review_id)
    review = queries.lock(session, review_id)
    if review is None or review.status != "open":
        raise ReviewNotOpen(review_id, "closed" if review is None else review.status)
    conflicts = queries.counts(session, [review_id])[review_id]["conflict"]
    if approve and conflicts:
        raise ReviewHasConflicts(review_id, conflicts, "Settle them before you approve: whoever decides again"
                                                       " replaces what they decided before.")
    review.status, review.approved, review.closing_comment = "closed", approve, comment
    review.closed_by, review.closed_at = by, database_now(session)
    session.flush()
    telling.closed(session, review)
    return shown(session, found, [review])[0]


# -- the worker's part -------------------------------------------------------------------------------------

def begin_preparation(session: Session, review_id: str) -> Preparation | timedelta | None:
    """What to choose from; a time to wait until the version is built and read; None when there is nothing to do."""
    review = queries.lock(session, review_id)
    if review is None or review.status != "preparing":
        return None
    version = session.get_one(DatasetVersion, review.version_id)
    if version.deleted_at is not None or version.status == "failed":
        review.status, review.error = "failed", "The version was deleted, or could not be built."
        return None
    file = files.find(session, version.file_id)
    if version.status == "building" or (file is not None and file.status == "uploaded"):
        return _POLL
    left_out = queries.lines(session, version_id=version.id) if review.wanted["skip_reviewed"] else set()
    return Preparation(version.file_id, _wanted(review), frozenset(left_out))


def record_items(session: Session, review_id: str, chosen: Sequence[Suspect], *, lines: int) -> None:
    """Open the review with these examples; doing it again changes nothing."""
    review = queries.lock(session, review_id)
    if review is None or review.status != "preparing":
        return
    rows = [{"id": new_id("ritem_"), "project_id": review.project_id, "review_id": review.id, "line": each.line,
             "start": each.start, "length": each.length, "flags": each.flags, "suspicion": each.suspicion,
             "chosen_as": each.chosen_as} for each in chosen]
    if rows:
        session.execute(insert(ReviewItem), rows)
    review.status, review.lines = "open", lines
    review.note = _note(_wanted(review), chosen, lines=lines)
    session.flush()
    telling.needed(session, review)


def record_failure(session: Session, review_id: str, cause: str) -> None:
    review = queries.lock(session, review_id)
    if review is not None and review.status == "preparing":
        review.status, review.error = "failed", cause


def _wanted(review: Review) -> Wanted:
    flagged, sampled = review.wanted["flagged"], review.wanted["sampled"]
    by_percent = isinstance(sampled, dict)
    return Wanted(flagged=None if flagged == "all" else flagged, count=0 if by_percent else sampled,
                  percent=sampled["percent"] if by_percent else None, seed=review.seed)


def _note(wanted: Wanted, chosen: Sequence[Suspect], *, lines: int) -> str | None:
    """In words, what there was less of than was asked for."""
    flagged = sum(each.chosen_as == "flagged" for each in chosen)
    asked = sample_size(lines, wanted)
    notes = []
    if wanted.flagged is not None and flagged < wanted.flagged:
        notes.append(f"Only {flagged} conspicuous examples were left to review.")
    if len(chosen) - flagged < asked:
        notes.append(f"The sample holds {len(chosen) - flagged} examples instead of {asked}: no more were left, or"
                     " the review holds as many as one review may.")
    return " ".join(notes) or None


# -- shown -------------------------------------------------------------------------------------------------

def shown(session: Session, version: DatasetVersion, reviews: Sequence[Review]) -> list[Shown]:
    """Reviews of one version with their progress."""
    ids = [review.id for review in reviews]
    counts, ballots = queries.counts(session, ids), queries.ballots(session, ids)
    names = set(schemas.reviews.Review.model_fields) - {"object", "progress", "dataset_id", "flagged", "sampled"}
    return [{name: getattr(review, name) for name in names}
            | {"dataset_id": version.dataset_id, "flagged": review.wanted.get("flagged", 0),
               "sampled": review.wanted.get("sampled", 0),
               "progress": _progress(counts[review.id], ballots[review.id], review.lines)} for review in reviews]


def _progress(counts: Any, ballots: Sequence[agreements.Ballot], lines: int) -> Shown:
    decided = sum(counts[status] for status in queries.DECIDED)
    found = agreements.agreement(ballots)
    return {"items": counts.total(), "decided": decided, "conflicts": counts["conflict"], "open": counts["open"],
            **{status: counts[status] for status in queries.DECIDED},
            "coverage_percent": 100 * decided / lines if lines else 0.0,
            "agreement": found and {"items": found.items, "percent": found.percent, "krippendorff_alpha": found.alpha}}
