"""What can be wrong with files and uploads, in OpenAI's recorded words where they are known."""

from typing import Any

from service.kit.errors import Conflict, InvalidRequest, NotFound, ServiceError, TooLarge
from service.settings import MiB

PURPOSES = ("fine-tune", "assistants", "batch", "user_data", "vision", "evals")
"""What a caller may upload a file for, in the order that OpenAI's message lists them."""
_SHOWN = 100  # characters of a caller's value that a message repeats


class _Twin(ServiceError):
    """Under /v1/files OpenAI repeats the message beside the envelope."""

    def body(self) -> dict[str, Any]:
        return {**super().body(), "detail": {"message": self.message, "code": self.code}}


class NoSuchFile(_Twin, NotFound):
    param = "id"

    def __init__(self, file_id: str) -> None:
        super().__init__(f"No such File object: {file_id[:_SHOWN]}")


class FileIsKept(_Twin, Conflict):
    code = "file_is_kept"
    param = "id"

    def __init__(self, file_id: str, kept_for: str) -> None:
        super().__init__(f"File {file_id} cannot be deleted: it holds the bytes of {kept_for}. Delete that instead.")


class UnknownPurpose(_Twin, InvalidRequest):
    param = "purpose"

    def __init__(self, purpose: str) -> None:
        listed = ", ".join(f"'{known}'" for known in PURPOSES)
        super().__init__(f"'{purpose[:_SHOWN]}' is not one of [{listed}] - 'purpose'")


class MissingField(_Twin, InvalidRequest):
    def __init__(self, field: str, hint: str = "") -> None:
        super().__init__(f"'{field}' is a required property{hint}", param=field)


class UnexpectedField(_Twin, InvalidRequest):
    def __init__(self, field: str) -> None:
        super().__init__(f"Additional properties are not allowed ('{field[:_SHOWN]}' was unexpected)",
                         param=field[:_SHOWN])


class RepeatedField(_Twin, InvalidRequest):
    def __init__(self, field: str) -> None:
        super().__init__(f"'{field}' was sent more than once.", param=field)


class InvalidFilename(_Twin, InvalidRequest):
    param = "file"

    def __init__(self) -> None:
        super().__init__("The file needs a name of 1 to 255 characters.")


class InvalidExpiry(_Twin, InvalidRequest):
    """Words and code come from the general rules for JSON bodies."""


class EmptyFile(_Twin, InvalidRequest):
    def __init__(self, field: str = "file") -> None:
        super().__init__("The file is empty. Upload a file with at least one byte.", param=field, code="empty_file")


class NotJSONLines(_Twin, InvalidRequest):
    param = "file"

    def __init__(self, head: bytes) -> None:
        start = head[:20].decode(errors="replace")
        super().__init__("Expected file to have JSONL format, where every line is a JSON dictionary. Line 1 is not"
                         f' a dictionary (HINT: line starts with: "{start[:10]}...").')


class FileTooLarge(_Twin, TooLarge):
    code = "file_too_large"
    param = "file"

    def __init__(self, limit: int) -> None:
        super().__init__(f"The file is larger than {_size(limit)}. Send it in parts with /v1/uploads.")


class PartTooLarge(TooLarge):
    code = "part_too_large"
    param = "data"

    def __init__(self, limit: int) -> None:
        super().__init__(f"A part of this upload must not be larger than {_size(limit)}. Send smaller parts.")


class NotAForm(_Twin):
    status = 415
    type = "invalid_request_error"

    def __init__(self, content_type: str) -> None:
        super().__init__(f"Invalid content-type header ('{content_type[:_SHOWN]}'), expected 'multipart/form-data'"
                         " with a boundary.", code="unsupported_content_type")


class MalformedForm(_Twin, InvalidRequest):
    def __init__(self, why: str) -> None:
        super().__init__(f"We could not parse the multipart body of your request: {why}.")


class BrokenBody(_Twin, InvalidRequest):
    def __init__(self) -> None:
        super().__init__("The request body ended before it was complete. Nothing was stored; send it again.")


class NoSuchUpload(NotFound):
    param = "upload_id"

    def __init__(self, upload_id: str) -> None:
        super().__init__(f"No such Upload object: {upload_id[:_SHOWN]}")


class UploadClosed(InvalidRequest):
    """The upload is completed, cancelled or expired."""

    param = "upload_id"

    def __init__(self, upload_id: str, status: str) -> None:
        super().__init__(f"Upload {upload_id} is {status}. Create a new upload to send a file.",
                         code=f"upload_{status}")


class UploadTooLarge(InvalidRequest):
    param = "bytes"

    def __init__(self, limit: int) -> None:
        super().__init__(f"Invalid 'bytes': an upload must not be larger than {_size(limit)}.",
                         code="integer_above_max_value")


class TooManyBytes(InvalidRequest):
    param = "data"

    def __init__(self, declared: int) -> None:
        super().__init__(f"The parts hold more than the {declared} bytes that this upload was created with.")


class UnknownPart(InvalidRequest):
    param = "part_ids"

    def __init__(self, part_id: str, upload_id: str) -> None:
        super().__init__(f"No part '{part_id[:_SHOWN]}' in upload {upload_id}.")


class RepeatedPart(InvalidRequest):
    param = "part_ids"

    def __init__(self, part_id: str) -> None:
        super().__init__(f"Part '{part_id[:_SHOWN]}' is listed more than once.")


class WrongSum(InvalidRequest):
    param = "part_ids"

    def __init__(self, held: int, declared: int) -> None:
        super().__init__(f"The listed parts hold {held} bytes, but the upload was created with {declared} bytes.")


class WrongChecksum(InvalidRequest):
    param = "md5"

    def __init__(self, actual: str) -> None:
        super().__init__(f"The md5 checksum does not match: the parts, in this order, have {actual}."
                         " Nothing was stored; send the damaged part again or correct the order.")


def _size(limit: int) -> str:
    return f"{limit // MiB} MB" if limit >= MiB else f"{limit} bytes"
