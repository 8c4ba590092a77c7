"""Wire shapes of files and uploads, as OpenAI's."""

from typing import Annotated, Literal

from pydantic import Field

from service.kit.schemas import Answer, Deleted, PlainStr, Request, ShownId, Timestamp

Purpose = Literal["fine-tune", "assistants", "batch", "user_data", "vision", "evals"]
Filename = Annotated[PlainStr, Field(min_length=1, max_length=255)]


class File(Answer):
    id: ShownId
    object: Literal["file"] = "file"
    bytes: int
    created_at: Timestamp
    expires_at: Timestamp | None
    filename: str
    purpose: str
    status: Literal["uploaded", "processed", "error"]
    status_details: str | None


class FileDeleted(Deleted):
    object: Literal["file"] = "file"


class ExpiresAfter(Request):
    """How long a file lives: 1 hour to 30 days after it was made."""

    anchor: Literal["created_at"]
    seconds: Annotated[int, Field(ge=3600, le=2_592_000)]


class CreateUpload(Request):
    filename: Filename
    purpose: Purpose
    bytes: Annotated[int, Field(ge=1, le=2**62, description="Size of the whole file.")]
    mime_type: Annotated[PlainStr, Field(min_length=1, max_length=255)]
    expires_after: ExpiresAfter | None = None


class CompleteUpload(Request):
    part_ids: Annotated[list[Annotated[PlainStr, Field(max_length=64)]], Field(min_length=1, max_length=10_000)]
    md5: Annotated[PlainStr, Field(max_length=64, description="Of the whole file, in hex or base64.")] | None = None


class Upload(Answer):
    id: str
    object: Literal["upload"] = "upload"
    bytes: int
    created_at: Timestamp
    filename: str
    purpose: str
    status: Literal["pending", "completed", "cancelled", "expired"]
    expires_at: Timestamp
    file: Annotated[File | None, Field(exclude_if=lambda file: file is None)] = None
    "Absent until the upload is completed."


class UploadPart(Answer):
    id: str
    object: Literal["upload.part"] = "upload.part"
    created_at: Timestamp
    upload_id: str


class CreateFileForm(Request):
    """Documents the form of POST /v1/files, which is read as a stream."""

    purpose: Purpose
    file: Annotated[str, Field(json_schema_extra={"format": "binary"})]
    expires_after: ExpiresAfter | None = None


class AddPartForm(Request):
    """Documents the form of POST /v1/uploads/{upload_id}/parts, which is read as a stream."""

    data: Annotated[str, Field(json_schema_extra={"format": "binary"})]
