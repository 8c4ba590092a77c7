"""How much of a version people have reviewed, and what a project's policy still asks for before it is trained on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.datasets.operations.applying import dropped_lines, made_by_review
from service.datasets.queries import reports
from service.datasets.queries import reviews as queries
from service.datasets.tables.reviews import Review
from service.datasets.tables.versions import DatasetVersion
from service.datasets.transformation.reviewed import renumbered
from service.files.tables import File

_SEVERITY = {"go": 0, "warn": 1, "block": 2}
_LONGEST_LINEAGE = 100


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a version is reviewed, and by whom it is approved as it stands."""

    reviewed: int
    "Examples that reviewers decided on, each counted once."
    total: int
    percent: float
    approved_by: frozenset[str]
    "Actors who approved it since it was last refused."
    refused_by: str | None = None
    "Who refused it, if that is the newest word."


def coverage(session: Session, version_id: str) -> Coverage:
    """What the reviews of a version came to. What was decided in a review counts for the version made by it, too."""
    version = session.get_one(DatasetVersion, version_id)
    reviewed, total = len(_decided_lines(session, version)), _examples(session, version)
    approved: set[str] = set()
    refused_by = None
    for review in queries.closed_reviews(session, version_id):
        actor = str(review.closed_by)
        approved = approved | {actor} if review.approved else set()
        refused_by = None if review.approved else actor
    percent = min(100.0, 100 * reviewed / total) if total else 0.0
    return Coverage(min(reviewed, total) if total else reviewed, total, percent, frozenset(approved), refused_by)


def _decided_lines(session: Session, version: DatasetVersion) -> set[int]:
    """Decided in this version's own reviews, or in the review that it was made by."""
    return queries.lines(session, version_id=version.id) | _carried(session, version, _LONGEST_LINEAGE)


def _carried(session: Session, version: DatasetVersion, generations: int) -> set[int]:
    """What the review that made this version, and the one that made that version's parent, left standing in it."""
    made_by = made_by_review(session, version)
    if made_by is None or generations == 0:
        return set()
    review, conflicts = made_by
    parent = session.get_one(DatasetVersion, review.version_id)
    kept = queries.lines(session, review_id=review.id, statuses=("approved", "edited"))
    return renumbered(kept | _carried(session, parent, generations - 1), dropped_lines(session, review.id, conflicts))


def known_verdict(session: Session, file_id: str) -> str | None:
    """go, warn or block, once the file was read."""
    report = reports.report(session, file_id)
    return report.verdict if report else None


def policy_problems(session: Session, *, policy: dict[str, Any], file_id: str, version_id: str | None = None,
                    verdict: str | None = None, uploader: str | None = None) -> list[str]:
    """Sentences that say what a training file lacks to meet the policy, and what to do; none when it meets it.

    A version is found by its file when `version_id` is left out. A `verdict` that is not known yet is not judged.
    """
    version = _version(session, file_id, version_id)
    problems = list(verdict_problems(policy, file_id, verdict))
    if version is None:
        return problems + list(_bare_file_problem(policy, file_id))
    found = coverage(session, version.id)
    return problems + list(_coverage_problem(policy, version, found)) + list(
        _approval_problem(policy, version, found, makers=_makers(session, version) | {uploader}))


def _version(session: Session, file_id: str, version_id: str | None) -> DatasetVersion | None:
    same = DatasetVersion.id == version_id if version_id is not None else DatasetVersion.file_id == file_id
    return session.scalar(select(DatasetVersion).where(same, DatasetVersion.deleted_at.is_(None)).limit(1))


def verdict_problems(policy: dict[str, Any], file_id: str, verdict: str | None, *, of: str = "its data") -> Iterator[
        str]:
    """Says that a verdict is worse than the policy takes; one that is not known yet is not judged."""
    if verdict is not None and _SEVERITY[verdict] > _SEVERITY[policy["max_verdict"]]:
        yield (f"The verdict on {of} is '{verdict}', and at worst '{policy['max_verdict']}' is trained on: mend"
               f" what GET /v1/files/{file_id}/validation/findings lists.")


def _bare_file_problem(policy: dict[str, Any], file_id: str) -> Iterator[str]:
    if policy["min_reviewed_percent"] > 0 or policy["approval"] != "none":
        yield (f"Its data must be reviewed, and {file_id} is a file, which has no reviews: make a dataset version of"
               " it under /v1/datasets, review that, and name the version as training_file.")


def _coverage_problem(policy: dict[str, Any], version: DatasetVersion, found: Coverage) -> Iterator[str]:
    if found.percent < policy["min_reviewed_percent"]:
        yield (f"{found.percent:.4g} % of version {version.id} is reviewed ({found.reviewed} of {found.total}"
               f" examples), and {policy['min_reviewed_percent']:g} % must be: decide more of it in a review under"
               f" {_reviews(version)}.")


def _approval_problem(policy: dict[str, Any], version: DatasetVersion, found: Coverage, *,
                      makers: set[str | None]) -> Iterator[str]:
    if policy["approval"] == "none":
        return
    if found.refused_by is not None:
        yield (f"Version {version.id} was refused by {found.refused_by}: make a better version, or close a newer review"
               " of this one with approval.")
    elif not found.approved_by:
        yield f"Nobody has approved version {version.id}: close a review under {_reviews(version)} with approval."
    elif policy["approval"] == "other_than_uploader" and not found.approved_by - makers:
        yield (f"Version {version.id} is approved only by who uploaded or made it: another service account must close"
               f" a review under {_reviews(version)} with approval.")


def _reviews(version: DatasetVersion) -> str:
    return f"/v1/datasets/{version.dataset_id}/versions/{version.number}/reviews"


def _makers(session: Session, version: DatasetVersion) -> set[str | None]:
    """Everybody who uploaded or made the version or one that it comes from."""
    makers: set[str | None] = set()
    names, seen = {version.id}, set[str]()
    while names and len(seen) < _LONGEST_LINEAGE:
        seen |= names
        versions = session.scalars(select(DatasetVersion).where(DatasetVersion.id.in_(names))).all()
        files = names | {each.file_id for each in versions}
        makers |= {each.created_by for each in versions}
        makers |= set(session.scalars(select(File.created_by).where(File.id.in_(files))))
        names = {name for each in versions for name in (*each.parents, each.source.get("file_id")) if name} - seen
    return makers


def _examples(session: Session, version: DatasetVersion) -> int:
    if version.examples:
        return version.examples
    return max(session.scalars(select(Review.lines).where(Review.version_id == version.id)), default=0)
