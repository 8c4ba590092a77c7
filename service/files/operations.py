"""The verbs of files and uploads; the bytes were moved before, or are moved after."""

import base64
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.orm import Session

from service.files import queries, schemas
from service.files.contents import file_key
from service.files.errors import (
    FileIsKept,
    NoSuchFile,
    NoSuchUpload,
    RepeatedPart,
    TooManyBytes,
    UnknownPart,
    UploadClosed,
    UploadTooLarge,
    WrongChecksum,
    WrongSum,
)
from service.files.tables import File, Upload, UploadPart
from service.kit.database import database_now
from service.kit.identifiers import new_id
from service.kit.work import Work, enqueue
from service.settings import settings

_BATCH_LIFETIME = 30 * 24 * 3600  # OpenAI's default for batch files, in seconds
_UNCLAIMED = timedelta(days=1)
"""Bytes that no row names after so long were left by a process that died."""


def reserve(session: Session, project_id: str) -> str:
    """The id of a file to come. Its bytes are erased after a day if no row claims them until then."""
    file_id = new_id("file-")
    expect(session, file_id, project_id=project_id)
    return file_id


def expect(session: Session, file_id: str, *, project_id: str) -> None:
    """Have bytes that will be stored under a reserved id erased after a day, if no row claims them until then."""
    enqueue(session, Work.ERASE_OBJECT, file_id, project_id=project_id, run_at=database_now(session) + _UNCLAIMED)


def register(session: Session, *, project_id: str, file_id: str, filename: str, purpose: str,  # noqa: PLR0913 - a row
             bytes: int, sha256: str, object_key: str, status: str = "processed",
             expires_after: int | None = None, kept_for: str | None = None, created_by: str | None = None) -> File:
    """Make the row of a file whose bytes are stored; doing it again for the same id answers the same row.

    `expires_after` counts seconds from now. Files to be trained on begin as `uploaded` and are validated.
    """
    existing = session.get(File, file_id)
    if existing is not None:
        return existing
    lifetime = expires_after or (_BATCH_LIFETIME if purpose == "batch" else None)
    expires_at = None if lifetime is None else database_now(session) + timedelta(seconds=lifetime)
    file = File(id=file_id, project_id=project_id, filename=filename, purpose=purpose, bytes=bytes, sha256=sha256,
                object_key=object_key, status=status, expires_at=expires_at, kept_for=kept_for, created_by=created_by)
    session.add(file)
    session.flush()
    if expires_at is not None:
        enqueue(session, Work.ERASE_OBJECT, file_id, project_id=project_id, run_at=expires_at)
    if purpose == "fine-tune" and status == "uploaded":
        enqueue(session, Work.VALIDATE_FILE, file_id, project_id=project_id)
    return file


def first_status(purpose: str) -> str:
    """A file to be trained on is read before it is called processed."""
    return "uploaded" if purpose == "fine-tune" else "processed"


def find(session: Session, file_id: str) -> File | None:
    """The live file of this id."""
    return queries.find(session, file_id)


def get(session: Session, file_id: str) -> File:
    """The live file of this id. Raises NoSuchFile."""
    file = queries.find(session, file_id)
    if file is None:
        raise NoSuchFile(file_id)
    return file


def canonical(session: Session, file_id: str) -> str:
    """Our id of the live file that has this id, ours or another server's; what nobody has stands for itself."""
    file = queries.find(session, file_id)
    return file_id if file is None else file.id


def delete(session: Session, file_id: str) -> File:
    """Take a file off every list at once; its bytes are erased soon after. Raises NoSuchFile, FileIsKept."""
    file = queries.lock_alive(session, file_id)
    if file is None:
        raise NoSuchFile(file_id)
    if file.kept_for is not None:
        raise FileIsKept(file_id, file.kept_for)
    _discard(session, file)
    return file


def discard(session: Session, file_id: str, *, project_id: str) -> None:
    """The same for a file that was kept, by whom it was kept for; also when its row was never made."""
    file = queries.lock_alive(session, file_id)
    if file is not None:
        _discard(session, file)
    else:
        enqueue(session, Work.ERASE_OBJECT, file_id, project_id=project_id)


def _discard(session: Session, file: File) -> None:
    file.deleted_at = database_now(session)
    enqueue(session, Work.ERASE_OBJECT, file.id, project_id=file.project_id)


def mark_validated(session: Session, file_id: str, *, problem: str | None) -> None:
    """What validation found: nothing (`processed`) or `problem` (`error`)."""
    file = queries.lock(session, file_id)
    if file is not None:
        file.status = "processed" if problem is None else "error"
        file.status_details = problem


def retire(session: Session, file_id: str, *, project_id: str) -> tuple[str | None, timedelta | None]:
    """Whether the bytes of a file can go: (their key, None) now, (None, wait) later, (None, None) not.

    An expired file is marked deleted here; a reserved one that never got its row can go as well.
    """
    file = queries.lock(session, file_id)
    if file is None:
        return file_key(project_id, file_id), None
    now = database_now(session)
    if file.deleted_at is None:
        if file.expires_at is None:
            return None, None
        if file.expires_at > now:
            return None, file.expires_at - now
        file.deleted_at = now
    return file.object_key, None


# -- uploads -----------------------------------------------------------------------------------------------

@dataclass(frozen=True, slots=True)
class Assembly:
    """What completing an upload has to do with bytes: concatenate these keys, in order, under a new file."""

    file_id: str
    keys: tuple[str, ...]


def create_upload(session: Session, project_id: str, body: schemas.CreateUpload, *,
                  created_by: str | None = None) -> Upload:
    """Open an upload for one file of `body.bytes` bytes. Raises UploadTooLarge."""
    if body.bytes > settings().max_upload_bytes:
        raise UploadTooLarge(settings().max_upload_bytes)
    expires_at = database_now(session) + timedelta(seconds=settings().upload_lifetime_seconds)
    upload = Upload(
        id=new_id("upload_"), project_id=project_id, filename=body.filename, purpose=body.purpose, bytes=body.bytes,
        mime_type=body.mime_type, status="pending", expires_at=expires_at, file=None, created_by=created_by,
        file_expires_after_seconds=body.expires_after.seconds if body.expires_after else None)
    session.add(upload)
    session.flush()
    enqueue(session, Work.EXPIRE_UPLOAD, upload.id, project_id=project_id, run_at=expires_at)
    return upload


def lock_open(session: Session, upload_id: str) -> Upload:
    """A pending upload, held until the transaction ends. Raises NoSuchUpload or UploadClosed."""
    upload = _locked(session, upload_id)
    if upload.status != "pending":
        raise UploadClosed(upload_id, upload.status)
    if upload.expires_at <= database_now(session):
        raise UploadClosed(upload_id, "expired")
    return upload


def largest_part(session: Session, upload_id: str) -> int:
    """How many bytes the next part may hold. Raises NoSuchUpload, UploadClosed, TooManyBytes."""
    upload = lock_open(session, upload_id)
    _check_room(session, upload, 0)
    return min(settings().max_part_bytes, upload.bytes)


def add_part(session: Session, upload_id: str, *, part_id: str, size: int, object_key: str) -> UploadPart:
    """Record a stored part. Raises NoSuchUpload, UploadClosed, TooManyBytes."""
    upload = lock_open(session, upload_id)
    _check_room(session, upload, size)
    part = UploadPart(id=part_id, project_id=upload.project_id, upload_id=upload_id, bytes=size, object_key=object_key)
    session.add(part)
    session.flush()
    return part


def _check_room(session: Session, upload: Upload, size: int) -> None:
    # SDKs send a part again when its answer was lost, and completing names the parts that count; so up to twice
    # the declared bytes may be held meanwhile.
    if queries.held_bytes(session, upload.id) + size > 2 * upload.bytes:
        raise TooManyBytes(upload.bytes)


def begin_completion(session: Session, upload_id: str, part_ids: list[str]) -> Assembly | Upload:
    """What is left to do, or the upload itself when it was completed before.

    Raises NoSuchUpload, UploadClosed, UnknownPart, RepeatedPart, WrongSum.
    """
    upload = _locked(session, upload_id)
    if upload.status == "completed":
        return upload
    lock_open(session, upload_id)
    held = queries.parts(session, upload_id)
    for position, part_id in enumerate(part_ids):
        if part_id not in held:
            raise UnknownPart(part_id, upload_id)
        if part_id in part_ids[:position]:
            raise RepeatedPart(part_id)
    total = sum(held[part_id].bytes for part_id in part_ids)
    if total != upload.bytes:
        raise WrongSum(total, upload.bytes)
    return Assembly(reserve(session, upload.project_id), tuple(held[part_id].object_key for part_id in part_ids))


def check_md5(given: str | None, digest: bytes) -> None:
    """Raises WrongChecksum unless `given`, in hex or base64, is `digest`."""
    if given is not None and given.lower() != digest.hex() and given != base64.b64encode(digest).decode():
        raise WrongChecksum(digest.hex())


def finish_completion(session: Session, upload_id: str, file_id: str, sha256: str) -> Upload:
    """Make the file of an upload. Whoever comes second gets the first one's: its own bytes are erased.

    Raises NoSuchUpload, UploadClosed.
    """
    upload = _locked(session, upload_id)
    if upload.status == "completed":
        enqueue(session, Work.ERASE_OBJECT, file_id, project_id=upload.project_id)
        return upload
    if upload.status != "pending":
        raise UploadClosed(upload_id, upload.status)
    upload.file = register(
        session, project_id=upload.project_id, file_id=file_id, filename=upload.filename, purpose=upload.purpose,
        bytes=upload.bytes, sha256=sha256, object_key=file_key(upload.project_id, file_id),
        status=first_status(upload.purpose), expires_after=upload.file_expires_after_seconds,
        created_by=upload.created_by)
    _close(session, upload, "completed")
    return upload


def completed(session: Session, upload_id: str) -> Upload:
    """The upload if it is completed by now. Raises NoSuchUpload, UploadClosed."""
    upload = _locked(session, upload_id)
    if upload.status != "completed":
        raise UploadClosed(upload_id, upload.status if upload.status != "pending" else "expired")
    return upload


def cancel_upload(session: Session, upload_id: str) -> Upload:
    """Close an upload for good; its parts are erased. Raises NoSuchUpload, UploadClosed."""
    upload = _locked(session, upload_id)
    if upload.status != "cancelled":
        lock_open(session, upload_id)
        _close(session, upload, "cancelled")
    return upload


def expire_upload(session: Session, upload_id: str) -> timedelta | None:
    """Close an upload whose time is up; None when its parts can go, else how long they are still needed."""
    upload = queries.lock_upload(session, upload_id)
    if upload is not None and upload.status == "pending":
        left = upload.expires_at - database_now(session)
        if left > timedelta(0):
            return left
        upload.status = "expired"
    return None


def _close(session: Session, upload: Upload, status: str) -> None:
    upload.status = status
    enqueue(session, Work.EXPIRE_UPLOAD, upload.id, project_id=upload.project_id)


def _locked(session: Session, upload_id: str) -> Upload:
    upload = queries.lock_upload(session, upload_id)
    if upload is None:
        raise NoSuchUpload(upload_id)
    return upload
