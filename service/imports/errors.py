"""What can be wrong with a request about an import."""

from service.kit.errors import Conflict, InvalidRequest, NotFound


class ImportNotFound(NotFound):
    """Unknown and another project's: both the same."""

    code = "import_not_found"

    def __init__(self, import_id: str) -> None:
        super().__init__(f"No import found with id '{import_id}'.", param="import_id")


class ImportGoesOn(Conflict):
    code = "import_in_progress"

    def __init__(self, import_id: str) -> None:
        super().__init__(f"Import {import_id} reads with this credential right now. Wait for its end, or cancel it"
                         f" with POST /v1/imports/{import_id}/cancel.", param="credential")


class WrongImportState(InvalidRequest):
    code = "invalid_import_state"

    def __init__(self, import_id: str, status: str, verb: str) -> None:
        super().__init__(f"Import {import_id} is {status} and cannot be {verb}.", param="import_id")
