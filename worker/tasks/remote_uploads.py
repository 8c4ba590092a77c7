"""Brings the files of a job to its server: what is there is not sent again, and an upload goes on where it stopped."""

from service.jobs.operations import remote_files
from service.jobs.operations.remote_files import FileToSend
from service.jobs.operations.remote_submitting import Submission
from service.jobs.plans import RemoteOrder
from service.kit.storage import ObjectMissing
from worker.app import Running, Transient, unit_of_work
from worker.providers.remote import Ambiguous, Gone, Refused, Remote, UploadProgress
from worker.tasks.remote_sources import StoredSource


def with_files(running: Running, server: Remote, step: Submission) -> tuple[bool, RemoteOrder]:
    """The order with every file at the server, and whether any was there before."""
    ids: dict[str, str] = {}
    was_there = False
    for file in step.files:
        with unit_of_work(running.claim) as session:
            begun = remote_files.sent(session, file, step.credential_id)
        was_there = was_there or begun.file_id is not None
        ids[file.param] = begun.file_id or _upload(running, server, step, file, UploadProgress(
            begun.upload_id, begun.part_ids))
    return was_there, step.with_files(ids)


def _upload(running: Running, server: Remote, step: Submission, file: FileToSend, begun: UploadProgress) -> str:
    """Send a file, part by part; each is written down before the next. Its id at the server."""
    try:
        for progress in server.upload(StoredSource(file.object_key, file.filename, file.size), begun):
            running.advance(f"{file.file_id}:{len(progress.part_ids)}")
            with unit_of_work(running.claim) as session:
                remote_files.note_sent(session, file.file_id, step.credential_id, upload_id=progress.upload_id,
                                       part_ids=progress.part_ids, remote_file_id=progress.file_id)
            if progress.file_id is not None:
                return progress.file_id
    except Gone as expired:
        with unit_of_work(running.claim) as session:
            remote_files.forget(session, file.file_id, step.credential_id)
        raise Transient(f"The upload of {file.file_id} expired at its server; it is sent anew.") from expired
    except ObjectMissing:
        raise Refused(f"deleted_{file.param}", f"The bytes of {file.file_id} are gone. Upload it again and create the"
                      " job again.", file.param) from None
    except Ambiguous as lost:  # buys nothing, so it may be tried again
        raise Transient(f"The upload of {file.file_id} got no answer: {lost}") from lost
    raise Transient(f"The upload of {file.file_id} ended without an id.")
