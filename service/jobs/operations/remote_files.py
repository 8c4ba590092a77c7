"""Files of ours at servers: how far each is uploaded, so that whoever goes on sends nothing twice."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from service.jobs import queries
from service.jobs.tables import RemoteFile
from service.kit.identifiers import new_id


@dataclass(frozen=True, slots=True)
class FileToSend:
    """One of our files that a server needs; `object_key` names its original bytes."""

    param: str
    file_id: str
    project_id: str
    object_key: str
    filename: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Sent:
    """How far a file is: nothing yet, some parts of an upload, or all of it under the server's id."""

    upload_id: str | None = None
    part_ids: tuple[str, ...] = ()
    file_id: str | None = None


def result_id(job_id: str, remote_id: str) -> str:
    """The id here of a result that a server keeps for a job: the same at each try to bring it."""
    return f"file-{hashlib.sha256(f'{job_id}:{remote_id}'.encode()).hexdigest()[:24]}"


def sent(session: Session, file: FileToSend, credential_id: str) -> Sent:
    """How far the file is at the server that the credential reaches; from the start, if it changed or is gone there."""
    session.execute(insert(RemoteFile).on_conflict_do_nothing().values(
        id=new_id("rfile_"), project_id=file.project_id, file_id=file.file_id, credential_id=credential_id,
        sha256=file.sha256))
    row = queries.remote_file(session, file.file_id, credential_id)
    if row is None:
        return Sent()
    if row.sha256 != file.sha256 or row.state == "gone":
        _restart(row)
        row.sha256 = file.sha256
        session.flush()
    return Sent(row.upload_id, tuple(row.part_ids), row.remote_file_id if row.state == "uploaded" else None)


def note_sent(session: Session, file_id: str, credential_id: str, *, upload_id: str | None, part_ids: Sequence[str],
              remote_file_id: str | None) -> None:
    """Keep how far it is, before the next part is sent."""
    row = queries.remote_file(session, file_id, credential_id)
    if row is None:
        return
    row.upload_id, row.part_ids = upload_id, list(part_ids)
    if remote_file_id is not None:
        row.remote_file_id, row.state = remote_file_id, "uploaded"
    session.flush()


def forget(session: Session, file_id: str, credential_id: str) -> None:
    """The server has it no more, or its upload expired: it is sent anew."""
    row = queries.remote_file(session, file_id, credential_id)
    if row is not None:
        _restart(row)
        session.flush()


def _restart(row: RemoteFile) -> None:
    row.upload_id, row.part_ids, row.remote_file_id, row.state = None, [], None, "uploading"
