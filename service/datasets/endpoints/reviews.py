"""Human review: queues of examples, decisions, agreement and coverage."""
# ruff: noqa: FAST003 - place_of reads the paths

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from fastapi.concurrency import run_in_threadpool

from service.datasets.operations import applying, deciding, examples, reviews
from service.datasets.operations.deciding import Place, Seen
from service.datasets.schemas import reviews as schemas
from service.datasets.schemas import versions as version_schemas
from service.datasets.tables.versions import DatasetVersion
from service.kit.pagination import After, Page
from service.kit.schemas import PlainStr
from service.tenants.access import CurrentProject, ProjectSession, in_transaction

router = APIRouter(prefix="/v1/datasets/{dataset_id}/versions/{version}/reviews", tags=["Reviews"])
DatasetID = Annotated[PlainStr, Path(max_length=256)]
Version = Annotated[PlainStr, Path(max_length=256, description="Id of the version (dsver_…), or its number.")]
ReviewID = Annotated[PlainStr, Path(max_length=256)]
ItemID = Annotated[PlainStr, Path(max_length=256)]
Limit = Annotated[int, Query(ge=1, le=100, description="How many to return, at most.")]
Actor = Annotated[PlainStr, Query(max_length=256)]


def place_of(dataset_id: DatasetID, version: Version, review_id: ReviewID) -> Place:
    return Place(dataset_id, version, review_id)


PlaceOf = Annotated[Place, Depends(place_of)]


@router.post("", operation_id="createDatasetReview", response_model=schemas.Review)
def create_review(dataset_id: DatasetID, version: Version, body: schemas.ReviewCreate, caller: CurrentProject,
                  session: ProjectSession) -> dict[str, Any]:
    """Put examples of a version before people: the conspicuous ones, a random sample of the others, or both.

    A worker chooses them as soon as the version is analysed; until then the review is `preparing`.
    """
    return reviews.create(session, dataset_id, version, body, by=caller.actor)


@router.get("", operation_id="listDatasetReviews", response_model=Page[schemas.Review])
def list_reviews(dataset_id: DatasetID, version: Version, session: ProjectSession, after: After = None,
                 limit: Limit = 20) -> dict[str, Any]:
    """List the reviews of a version, newest first."""
    rows, more = reviews.page(session, dataset_id, version, after=after, limit=limit)
    return _page(rows, more=more)


@router.get("/{review_id}", operation_id="retrieveDatasetReview", response_model=schemas.Review)
def retrieve_review(dataset_id: DatasetID, version: Version, review_id: ReviewID,
                    session: ProjectSession) -> dict[str, Any]:
    """Retrieve one review with its progress, its coverage, and how far its reviewers agree."""
    return reviews.retrieve(session, dataset_id, version, review_id)


@router.post("/{review_id}/claim", operation_id="claimDatasetReviewItem", response_model=schemas.Claim)
async def claim_item(place: PlaceOf, caller: CurrentProject) -> dict[str, Any]:
    """Take the next example: for 15 minutes no other reviewer's claim is given the same one.

    Examples assigned to the caller come first, then the most suspicious. Claim again without deciding, and the
    answer is the same example.
    """
    seen = await in_transaction(caller, deciding.claim, place, by=caller.actor)
    item = next(iter(await _shown(seen)), None)
    return {"item": item, "leased_until": item and item["leased_until"]}


@router.post("/{review_id}/close", operation_id="closeDatasetReview", response_model=schemas.Review)
def close_review(place: PlaceOf, body: schemas.Close, caller: CurrentProject,
                 session: ProjectSession) -> dict[str, Any]:
    """Close a review with a word on the version as a whole: approved, or refused.

    The newest word counts: a refusal takes back what was approved before. Decisions cannot be changed afterwards.
    """
    return reviews.close(session, place.dataset_id, place.version, place.review_id, approve=body.approve,
                         comment=body.comment, by=caller.actor)


@router.post("/{review_id}/apply", operation_id="applyDatasetReview", response_model=version_schemas.Version)
def apply_review(place: PlaceOf, body: schemas.Apply, caller: CurrentProject,
                 session: ProjectSession) -> DatasetVersion:
    """Make a new version of what a closed review decided: rejected examples are dropped, edited ones replaced.

    What reviewers approved or edited counts as reviewed in the new version, too.
    """
    return applying.apply(session, place.dataset_id, place.version, place.review_id, conflicts=body.conflicts,
                          by=caller.actor)


@router.get("/{review_id}/items", operation_id="listDatasetReviewItems", response_model=Page[schemas.Item])
async def list_items(place: PlaceOf, caller: CurrentProject, status: schemas.ItemStatus | None = None,
                     assignee: Actor | None = None, flag: schemas.FlagName | None = None, after: After = None,
                     limit: Limit = 20) -> dict[str, Any]:
    """List the examples of a review, the most suspicious first, each with its decisions and comments."""
    seen = await in_transaction(caller, deciding.page, place, status=status, assignee=assignee, flag=flag,
                                after=after, limit=limit)
    return _page(await _shown(seen), more=seen.more)


@router.get("/{review_id}/items/{item_id}", operation_id="retrieveDatasetReviewItem", response_model=schemas.Item)
async def retrieve_item(place: PlaceOf, item_id: ItemID, caller: CurrentProject) -> dict[str, Any]:
    """Retrieve one example of a review."""
    return await _only(await in_transaction(caller, deciding.retrieve, place, item_id))


@router.post("/{review_id}/items/{item_id}/assign", operation_id="assignDatasetReviewItem",
             response_model=schemas.Item)
async def assign_item(place: PlaceOf, item_id: ItemID, body: schemas.Assign, caller: CurrentProject) -> dict[str, Any]:
    """Reserve an example for one reviewer, or for nobody in particular."""
    return await _only(await in_transaction(caller, deciding.assign, place, item_id, body.assignee))


@router.post("/{review_id}/items/{item_id}/decisions", operation_id="decideDatasetReviewItem",
             response_model=schemas.Item)
async def decide_item(place: PlaceOf, item_id: ItemID, body: schemas.Decide, caller: CurrentProject) -> dict[str, Any]:
    """Approve, reject or edit an example.

    Each reviewer has one decision for each example: a later one replaces it until the review is closed, and the
    earlier ones stay on record. The line of an edit is validated like the lines of the file.
    """
    return await _only(await in_transaction(caller, deciding.decide, place, item_id, body, by=caller.actor))


@router.post("/{review_id}/items/{item_id}/comments", operation_id="commentDatasetReviewItem",
             response_model=schemas.Item)
async def comment_item(place: PlaceOf, item_id: ItemID, body: schemas.CommentCreate,
                       caller: CurrentProject) -> dict[str, Any]:
    """Comment on an example."""
    return await _only(await in_transaction(caller, deciding.comment, place, item_id, body.text, by=caller.actor))


async def _shown(seen: Seen) -> list[dict[str, Any]]:
    return await run_in_threadpool(examples.shown, seen)


async def _only(seen: Seen) -> dict[str, Any]:
    [item] = await _shown(seen)
    return item


def _page(rows: list[dict[str, Any]], *, more: bool) -> dict[str, Any]:
    return {"data": rows, "first_id": rows[0]["id"] if rows else None, "last_id": rows[-1]["id"] if rows else None,
            "has_more": more}
