"""Questions about reviews."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, case, exists, func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from service.datasets.analysis.agreement import Ballot
from service.datasets.tables.reviews import Review, ReviewComment, ReviewDecision, ReviewItem
from service.kit.pagination import paginate
from service.tenants.tables import ServiceAccount

DECIDED = ("approved", "rejected", "edited")
_MOST_COMMENTS = 100


def review(session: Session, version_id: str, review_id: str) -> Review | None:
    return session.scalar(select(Review).where(Review.id == review_id, Review.version_id == version_id))


def lock(session: Session, review_id: str, *, shared: bool = False) -> Review | None:
    """The review as it is now, held until the transaction ends; `shared`: only so that nobody closes it."""
    return session.scalar(select(Review).where(Review.id == review_id).with_for_update(read=shared),
                          execution_options={"populate_existing": True})


def reviews(session: Session, version_id: str, *, after: str | None, limit: int) -> tuple[Sequence[Review], bool]:
    return paginate(session, select(Review).where(Review.version_id == version_id), Review, after=after, limit=limit)


def closed_reviews(session: Session, version_id: str) -> Sequence[Review]:
    """Those with a word on the version as a whole, oldest word first."""
    return session.scalars(select(Review).where(Review.version_id == version_id, Review.status == "closed")
                           .order_by(Review.closed_at, Review.position)).all()


def item(session: Session, review_id: str, item_id: str) -> ReviewItem | None:
    return session.scalar(select(ReviewItem).where(ReviewItem.id == item_id, ReviewItem.review_id == review_id))


def lock_item(session: Session, review_id: str, item_id: str) -> ReviewItem | None:
    query = select(ReviewItem).where(ReviewItem.id == item_id, ReviewItem.review_id == review_id)
    return session.scalar(query.with_for_update(), execution_options={"populate_existing": True})


def items(session: Session, review_id: str, *, status: str | None, assignee: str | None, flag: int | None,
          after: str | None, limit: int) -> tuple[Sequence[ReviewItem], bool]:
    """A page of items, the most suspicious first."""
    query: Select[ReviewItem] = select(ReviewItem).where(ReviewItem.review_id == review_id)
    if status is not None:
        query = query.where(ReviewItem.status == status)
    if assignee is not None:
        query = query.where(ReviewItem.assignee == assignee)
    if flag is not None:
        query = query.where(ReviewItem.flags.op("&")(flag) != 0)
    return paginate(session, query, ReviewItem, after=after, limit=limit, order="asc")


def next_for(session: Session, review_id: str, actor: str) -> ReviewItem | None:
    """The item that `actor` should look at, locked: the one held already, then own ones, then anybody's.

    Items that others hold or are being given at this moment are passed over; those assigned to another are, too,
    until that one has decided.
    """
    decided = exists().where(ReviewDecision.item_id == ReviewItem.id, ReviewDecision.actor == actor)
    done_with = exists().where(ReviewDecision.item_id == ReviewItem.id, ReviewDecision.actor == ReviewItem.assignee)
    held = (ReviewItem.leased_to == actor) & (ReviewItem.leased_until > func.now())
    free = or_(ReviewItem.leased_until.is_(None), ReviewItem.leased_until <= func.now(), held)
    query = select(ReviewItem).where(
        ReviewItem.review_id == review_id, ReviewItem.status == "open", free, ~decided,
        or_(ReviewItem.assignee.is_(None), ReviewItem.assignee == actor, done_with))
    first = case((held, 0), (ReviewItem.assignee == actor, 1), else_=2)
    return session.scalar(query.order_by(first, ReviewItem.position).limit(1).with_for_update(skip_locked=True),
                          execution_options={"populate_existing": True})


def decisions(session: Session, item_ids: Sequence[str]) -> dict[str, list[ReviewDecision]]:
    """All decisions by item, oldest first."""
    found: dict[str, list[ReviewDecision]] = defaultdict(list)
    for row in session.scalars(select(ReviewDecision).where(ReviewDecision.item_id.in_(item_ids))
                               .order_by(ReviewDecision.position)):
        found[row.item_id].append(row)
    return found


def current(rows: Sequence[ReviewDecision]) -> dict[str, ReviewDecision]:
    """The decision of each actor that counts, of one item's decisions from the oldest to the newest."""
    return {row.actor: row for row in rows}


def comments(session: Session, item_ids: Sequence[str]) -> dict[str, list[ReviewComment]]:
    """The newest comments by item, oldest first."""
    number = func.row_number().over(partition_by=ReviewComment.item_id, order_by=ReviewComment.position.desc())
    newest = select(ReviewComment.id, number.label("number")).where(ReviewComment.item_id.in_(item_ids)).subquery()
    found: dict[str, list[ReviewComment]] = defaultdict(list)
    for row in session.scalars(select(ReviewComment).join(newest, newest.c.id == ReviewComment.id)
                               .where(newest.c.number <= _MOST_COMMENTS).order_by(ReviewComment.position)):
        found[row.item_id].append(row)
    return found


def counts(session: Session, review_ids: Sequence[str]) -> dict[str, Counter[str]]:
    """How many items of each review have which status."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for review_id, status, number in session.execute(
            select(ReviewItem.review_id, ReviewItem.status, func.count()).where(ReviewItem.review_id.in_(review_ids))
            .group_by(ReviewItem.review_id, ReviewItem.status)):
        found[review_id][status] = number
    return found


def ballots(session: Session, review_ids: Sequence[str]) -> dict[str, list[Ballot]]:
    """How often (approve, reject, edit) came out as each combination, of items with two decisions or more."""
    newest: Any = (select(ReviewItem.review_id, ReviewDecision.item_id, ReviewDecision.decision)
                   .join(ReviewItem, ReviewItem.id == ReviewDecision.item_id)
                   .where(ReviewItem.review_id.in_(review_ids))
                   .ext(distinct_on(ReviewDecision.item_id, ReviewDecision.actor))
                   .order_by(ReviewDecision.item_id, ReviewDecision.actor, ReviewDecision.position.desc()).subquery())
    votes = [func.count().filter(newest.c.decision == each).label(each) for each in ("approve", "reject", "edit")]
    by_item: Any = (select(newest.c.review_id, *votes).group_by(newest.c.review_id, newest.c.item_id)
                    .having(func.count() >= 2).subquery())
    columns = (by_item.c.review_id, by_item.c.approve, by_item.c.reject, by_item.c.edit)
    found: dict[str, list[Ballot]] = defaultdict(list)
    for review_id, approve, reject, edit, number in session.execute(
            select(*columns, func.count()).group_by(*columns)):
        found[review_id].append(((approve, reject, edit), number))
    return found


def lines(session: Session, *, version_id: str | None = None, review_id: str | None = None,
          statuses: Sequence[str] = DECIDED) -> set[int]:
    """Line numbers of the items in `statuses`, of one review or of all reviews of a version."""
    query = select(ReviewItem.line).where(ReviewItem.status.in_(statuses))
    if review_id is not None:
        query = query.where(ReviewItem.review_id == review_id)
    if version_id is not None:
        query = query.join(Review, Review.id == ReviewItem.review_id).where(Review.version_id == version_id)
    return set(session.scalars(query))


def is_reviewer(session: Session, account_id: str) -> bool:
    """Whether a service account of this project goes by this id."""
    return session.scalar(select(ServiceAccount.id).where(
        ServiceAccount.id == account_id, ServiceAccount.deleted_at.is_(None))) is not None


def edits(session: Session, review_id: str) -> list[tuple[int, str]]:
    """Line numbers and new lines of the items that reviewers edited."""
    newest = (select(ReviewDecision).join(ReviewItem, ReviewItem.id == ReviewDecision.item_id)
              .where(ReviewItem.review_id == review_id, ReviewItem.status == "edited")
              .ext(distinct_on(ReviewDecision.item_id))
              .order_by(ReviewDecision.item_id, ReviewDecision.position.desc()).subquery())
    query = select(ReviewItem.line, newest.c.example).join(newest, newest.c.item_id == ReviewItem.id)
    return [(line, example) for line, example in session.execute(query.order_by(ReviewItem.line))]
