"""What can be wrong with asking for the validation of a file."""

from service.kit.errors import InvalidRequest


class NotATrainingFile(InvalidRequest):
    param = "file_id"

    def __init__(self, purpose: str) -> None:
        super().__init__(f"Only files with purpose 'fine-tune' are validated; this one has purpose '{purpose}'.")


class TooManyCounts(InvalidRequest):
    param = "tokenizer"

    def __init__(self, most: int) -> None:
        super().__init__(f"The tokens of a file are counted by at most {most} tokenizers, and this one's are. Ask for"
                         " one of those that were asked for before.")
