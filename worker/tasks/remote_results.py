"""Brings the result files of a job home from its server."""

import base64
import binascii
import hashlib
import logging

from service.files import operations as files
from service.files.contents import file_key
from service.jobs.operations.remote_files import result_id
from service.jobs.operations.remote_following import Duty
from service.jobs.plans import RemoteJob, RemoteState
from service.kit.storage import storage
from service.settings import MiB
from worker.app import Running, unit_of_work
from worker.providers.remote import Ambiguous, Gone, Refused, Remote, Unavailable

_log = logging.getLogger(__name__)
LARGEST_RESULT = 64 * MiB
_MOST_FILES = 8


def bring_results(running: Running, server: Remote, duty: Duty, seen: RemoteJob) -> list[str]:
    """Ids of ours, for a job that has succeeded; a file that the server has no more is left out."""
    if seen.state is not RemoteState.SUCCEEDED:
        return []
    brought = (_bring(running, server, duty.job_id, remote_id) for remote_id in seen.result_files[:_MOST_FILES])
    return [file_id for file_id in brought if file_id is not None]


def _bring(running: Running, server: Remote, job_id: str, remote_id: str) -> str | None:
    try:
        table = decoded(_read(running, server, remote_id))
    except (Gone, Refused) as missing:
        _log.warning("result file %s of %s cannot be read: %s", remote_id, job_id, missing)
        return None
    except Ambiguous as cut:
        raise Unavailable(str(cut)) from cut
    project_id = running.claim.project_id
    file_id = result_id(job_id, remote_id)
    key = file_key(project_id, file_id)
    storage().write(key, table)
    with unit_of_work(running.claim) as session:
        files.register(session, project_id=project_id, file_id=file_id, filename="step_metrics.csv",
                       purpose="fine-tune-results", bytes=len(table), sha256=hashlib.sha256(table).hexdigest(),
                       object_key=key, status="processed")
    return file_id


def _read(running: Running, server: Remote, remote_id: str) -> bytes:
    table = bytearray()
    for chunk in server.content(remote_id):
        table += chunk
        running.advance(f"{remote_id}:{len(table)}")
        if len(table) > LARGEST_RESULT:
            raise Refused("too_large", f"it is larger than {LARGEST_RESULT} bytes")
    return bytes(table)


def decoded(content: bytes) -> bytes:
    """A result file as the table that it is: OpenAI hands it out in base64, other servers do not."""
    try:
        plain = base64.b64decode(b"".join(content.split()), validate=True)
        plain.decode()
    except (binascii.Error, ValueError):
        return content
    return plain if b"," in plain else content
