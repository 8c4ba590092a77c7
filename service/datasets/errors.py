"""What can be wrong with what is asked of data sets, their versions and their validation."""

from collections.abc import Sequence

from service.kit.errors import Conflict, InvalidRequest, NotFound

_SHOWN = 100  # characters of a caller's value that a message repeats


class NotATrainingFile(InvalidRequest):
    param = "file_id"

    def __init__(self, purpose: str) -> None:
        super().__init__(f"Only files with purpose 'fine-tune' are validated; this one has purpose '{purpose}'.")


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
