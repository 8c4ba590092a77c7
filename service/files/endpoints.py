"""HTTP face of files and uploads; bodies and contents pass through as streams."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from service.files import operations, queries, reception, schemas
from service.files.contents import file_key, upload_prefix
from service.files.errors import NoSuchFile
from service.files.tables import File, Upload, UploadPart
from service.kit.errors import ServiceError
from service.kit.identifiers import new_id
from service.kit.pagination import After, Order, Page, page_of
from service.kit.schemas import PlainStr
from service.kit.storage import ObjectMissing, storage
from service.settings import MiB
from service.tenants.access import CurrentProject, ProjectSession, in_transaction

files = APIRouter(prefix="/v1/files", tags=["Files"])
uploads = APIRouter(prefix="/v1/uploads", tags=["Uploads"])
FileID = Annotated[PlainStr, Path(max_length=256)]
UploadID = Annotated[PlainStr, Path(max_length=256)]
_DOWNLOAD_BYTES = MiB // 2
"""A caller who reads slowly holds about two of these in memory, for as long as it likes."""


def _form(schema: type[BaseModel]) -> dict[str, Any]:
    """The documentation of a body that the route reads as a stream."""
    shape = schema.model_json_schema(ref_template="#/components/schemas/{model}")
    shape.pop("$defs", None)
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": shape}}}}


@files.post("", operation_id="createFile", response_model=schemas.File, openapi_extra=_form(schemas.CreateFileForm))
async def create_file(request: Request, caller: CurrentProject) -> File:
    """Upload a file; one to be trained on is then validated line by line."""
    file_id = await in_transaction(caller, operations.reserve, caller.project_id)
    key = file_key(caller.project_id, file_id)
    received = await reception.receive_file(request, key)
    return await in_transaction(
        caller, operations.register, project_id=caller.project_id, file_id=file_id, object_key=key,
        filename=received.filename, purpose=received.purpose, bytes=received.bytes, sha256=received.sha256,
        status=operations.first_status(received.purpose), expires_after=received.expires_after,
        created_by=caller.actor)


@files.get("", operation_id="listFiles", response_model=Page[schemas.File])
def list_files(session: ProjectSession, purpose: Annotated[PlainStr | None, Query(max_length=64)] = None,
               limit: Annotated[int, Query(ge=1, le=10_000)] = 10_000, order: Order = "desc",
               after: After = None) -> dict[str, Any]:
    """List the files of the project."""
    rows, more = queries.page(session, purpose=purpose, after=after, limit=limit, order=order)
    return page_of(rows, has_more=more)


@files.get("/{file_id}", operation_id="retrieveFile", response_model=schemas.File)
def retrieve_file(file_id: FileID, session: ProjectSession) -> File:
    """Retrieve one file."""
    return operations.get(session, file_id)


@files.delete("/{file_id}", operation_id="deleteFile", response_model=schemas.FileDeleted)
def delete_file(file_id: FileID, session: ProjectSession) -> dict[str, str]:
    """Delete a file; its bytes are erased soon after."""
    return {"id": operations.delete(session, file_id).shown_id}


@files.get("/{file_id}/content", operation_id="downloadFile", response_class=StreamingResponse,
           responses={200: {"content": {"application/octet-stream": {"schema": {"type": "string",
                                                                                "format": "binary"}}}}})
async def download_file(file_id: FileID, caller: CurrentProject) -> StreamingResponse:
    """Download the bytes of a file, exactly as they were uploaded."""
    file = await in_transaction(caller, operations.get, file_id)
    try:
        size, chunks = await storage().open_async(file.object_key, chunk=_DOWNLOAD_BYTES)
    except ObjectMissing as erased:
        raise NoSuchFile(file_id) from erased
    return StreamingResponse(chunks, media_type="application/octet-stream", headers={
        "content-length": str(size), "x-content-type-options": "nosniff",
        "content-disposition": f"attachment; filename*=UTF-8''{quote(file.filename, safe='')}"})


@uploads.post("", operation_id="createUpload", response_model=schemas.Upload)
def create_upload(body: schemas.CreateUpload, caller: CurrentProject, session: ProjectSession) -> Upload:
    """Open an upload, to which a large file is sent in parts within the hour."""
    return operations.create_upload(session, caller.project_id, body, created_by=caller.actor)


@uploads.post("/{upload_id}/parts", operation_id="addUploadPart", response_model=schemas.UploadPart,
              openapi_extra=_form(schemas.AddPartForm))
async def add_part(upload_id: UploadID, request: Request, caller: CurrentProject) -> UploadPart:
    """Send one part of an upload; parts may be sent in any order and at the same time."""
    limit = await in_transaction(caller, operations.largest_part, upload_id)
    part_id = new_id("part_")
    key = f"{upload_prefix(caller.project_id, upload_id)}/{part_id}"
    size = await reception.receive_part(request, key, limit=limit)
    try:
        return await in_transaction(caller, operations.add_part, upload_id, part_id=part_id, size=size, object_key=key)
    except ServiceError:  # after any other failure the row may be there; then time decides, see expire_upload
        await storage().delete_async(key)
        raise


@uploads.post("/{upload_id}/complete", operation_id="completeUpload", response_model=schemas.Upload)
async def complete_upload(upload_id: UploadID, body: schemas.CompleteUpload, caller: CurrentProject) -> Upload:
    """Make one file of the parts, in the order given."""
    begun = await in_transaction(caller, operations.begin_completion, upload_id, body.part_ids)
    if isinstance(begun, Upload):
        return begun
    key = file_key(caller.project_id, begun.file_id)
    try:
        meter = await reception.concatenate(begun.keys, key)
    except ObjectMissing:  # another call completed the upload meanwhile, or its time ran out
        return await in_transaction(caller, operations.completed, upload_id)
    try:
        operations.check_md5(body.md5, meter.md5)
        return await in_transaction(caller, operations.finish_completion, upload_id, begun.file_id, meter.sha256)
    except ServiceError:
        await storage().delete_async(key)
        raise


@uploads.post("/{upload_id}/cancel", operation_id="cancelUpload", response_model=schemas.Upload)
def cancel_upload(upload_id: UploadID, session: ProjectSession) -> Upload:
    """Cancel an upload; its parts are erased."""
    return operations.cancel_upload(session, upload_id)


router = APIRouter()
router.include_router(files)
router.include_router(uploads)
