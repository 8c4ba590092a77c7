"""What can be wrong with what is asked of data sets: their validation, their review."""

from collections.abc import Sequence

from service.datasets.validation.findings import Finding
from service.kit.errors import InvalidRequest, NotFound


class NotATrainingFile(InvalidRequest):
    param = "file_id"

    def __init__(self, purpose: str) -> None:
        super().__init__(f"Only files with purpose 'fine-tune' are validated; this one has purpose '{purpose}'.")


class NoSuchReview(NotFound):
    """Unknown, another version's, another project's: all the same."""

    code = "review_not_found"

    def __init__(self, review_id: str) -> None:
        super().__init__(f"No review found with id '{review_id}' of this version.", param="review_id")


class NoSuchReviewItem(NotFound):
    code = "review_item_not_found"

    def __init__(self, item_id: str) -> None:
        super().__init__(f"No item found with id '{item_id}' in this review.", param="item_id")


class ReviewNotOpen(InvalidRequest):
    code = "review_not_open"

    def __init__(self, review_id: str, status: str) -> None:
        hint = {"preparing": "A worker is choosing its examples: try again in some seconds.",
                "failed": "Its 'error' says why. Create another one.",
                "closed": "What was decided in it stands. Create another one to decide anew."}[status]
        super().__init__(f"Review {review_id} is {status}. {hint}", param="review_id")


class ReviewNotClosed(InvalidRequest):
    code = "review_not_closed"

    def __init__(self, review_id: str, status: str) -> None:
        super().__init__(f"Review {review_id} is {status}. Only what was decided in a closed review is applied: close"
                         " it first, with POST …/close.", param="review_id")


class ReviewHasConflicts(InvalidRequest):
    code = "review_has_conflicts"

    def __init__(self, review_id: str, conflicts: int, remedy: str) -> None:
        told = "1 example" if conflicts == 1 else f"{conflicts} examples"
        super().__init__(f"Reviewers disagree about {told} of review {review_id}, listed with GET …/items?"
                         f"status=conflict. {remedy}", param="review_id")


class NothingToApply(InvalidRequest):
    code = "nothing_to_apply"

    def __init__(self, review_id: str) -> None:
        super().__init__(f"In review {review_id} nothing was rejected or edited, so the version would stay as it is.",
                         param="review_id")


class UnknownReviewer(InvalidRequest):
    code = "unknown_reviewer"

    def __init__(self, assignee: str) -> None:
        super().__init__(f"No service account found with id '{assignee}' in this project.", param="assignee")


class InvalidEdit(InvalidRequest):
    """What is wrong with the new line, as validation would say it."""

    code = "invalid_example"

    def __init__(self, findings: Sequence[Finding]) -> None:
        first = findings[0]
        hint = f" {first.hint}" if first.hint else ""
        more = f" And {len(findings) - 1} more." if len(findings) > 1 else ""
        super().__init__(f"The new line cannot be trained on: {first.message}{hint}{more}",
                         param=f"example.{first.path}" if first.path else "example")
