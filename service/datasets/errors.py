"""What can be wrong with what is asked of data sets: their validation, their versions, their review."""

from collections.abc import Sequence

from service.datasets.validation.findings import Finding
from service.kit.errors import Conflict, InvalidRequest, NotFound

_SHOWN = 100  # characters of a caller's value that a message repeats


class NotATrainingFile(InvalidRequest):
    param = "file_id"

    def __init__(self, purpose: str) -> None:
        super().__init__(f"Only files with purpose 'fine-tune' are validated; this one has purpose '{purpose}'.")


class TooManyCounts(InvalidRequest):
    param = "tokenizer"

    def __init__(self, most: int) -> None:
        super().__init__(f"The tokens of a file are counted by at most {most} tokenizers, and this one's are. Ask for"
                         " one of those that were asked for before.")


class NoExamples(NotFound):
    """The file was read, and what was kept of it is gone from the object store, or being erased."""

    code = "examples_not_found"
    param = "file_id"

    def __init__(self, file_id: str) -> None:
        super().__init__(f"What was noted of each example of file '{file_id[:_SHOWN]}' is not there any more. Upload"
                         " it again to have it read anew.")


class TooManyToSort(InvalidRequest):
    code = "too_many_to_sort"
    param = "order"

    def __init__(self, examples: int, most: int) -> None:
        super().__init__(f"{examples:,} examples are too many to be sorted; up to {most:,} are. Name some with"
                         " from_line and to_line, or list them in the order of their lines.")


class NoSuchDataset(NotFound):
    """Unknown, deleted, another project's: all the same."""

    code = "dataset_not_found"
    param = "dataset_id"

    def __init__(self, dataset_id: str) -> None:
        super().__init__(f"No data set found with id '{dataset_id[:_SHOWN]}'.")


class NameTaken(Conflict):
    code = "dataset_name_taken"
    param = "name"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is a data set of the name '{name}' already. Choose another name, or add a version to"
                         " that one.")


class NoSuchVersion(NotFound):
    code = "version_not_found"

    def __init__(self, version: str, *, param: str = "version") -> None:
        super().__init__(f"No version found with id or number '{version[:_SHOWN]}'.", param=param)


class NoSuchPreview(NotFound):
    code = "preview_not_found"
    param = "preview_id"

    def __init__(self, preview_id: str) -> None:
        super().__init__(f"No preview found with id '{preview_id[:_SHOWN]}' of this version.")


class NotASource(InvalidRequest):
    param = "source.file_id"

    def __init__(self, purpose: str) -> None:
        super().__init__("A version is made from a file with purpose 'fine-tune' or 'user_data'; this one has purpose"
                         f" '{purpose}'.")


class BadTransformation(InvalidRequest):
    code = "invalid_transformation"
    param = "source.transformation"


class UnusableVersion(InvalidRequest):
    """It could not be built, so that nothing can be made of it."""

    code = "version_failed"

    def __init__(self, version_id: str, error: str | None, *, param: str | None) -> None:
        super().__init__(f"Version {version_id} could not be built: {error}", param=param)


class VersionNotReady(Conflict):
    code = "version_not_ready"
    param = "version"

    def __init__(self, version_id: str, status: str, error: str | None = None) -> None:
        hint = f"It could not be built: {error}" if status == "failed" else \
            "Its bytes are being made: ask again in some seconds."
        super().__init__(f"Version {version_id} is {status}. {hint}")


class TooLargeToCompare(InvalidRequest):
    code = "comparison_too_large"
    param = "other"

    def __init__(self, mebibytes: int, lines: int) -> None:
        super().__init__(f"Versions of more than {mebibytes} MiB or {lines:,} lines are not compared line by line."
                         " Their reports (GET /v1/files/{file_id}/validation) tell their tokens and scores.")


class VersionInUse(Conflict):
    """Jobs trained on it. `jobs` are the first of them."""

    code = "version_in_use"

    def __init__(self, what: str, jobs: Sequence[str], total: int, *, param: str) -> None:
        named = ", ".join(jobs) + (f" and {total - len(jobs)} more" if total > len(jobs) else "")
        super().__init__(f"{what} cannot be deleted: it was used by {named}. To erase the data nevertheless, ask with"
                         " ?erase=true; with ?erase=true&dry_run=true you first see which models that reaches.",
                         param=param)


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
