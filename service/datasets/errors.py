"""What can be wrong with asking for the validation of a file."""

from service.kit.errors import InvalidRequest


class NotATrainingFile(InvalidRequest):
    param = "file_id"

    def __init__(self, purpose: str) -> None:
        super().__init__(f"Only files with purpose 'fine-tune' are validated; this one has purpose '{purpose}'.")
