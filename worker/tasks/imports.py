"""Reads what a server keeps for a credential: one call at a time, each answer recorded before the next is asked for."""

import logging
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Literal

from sqlalchemy.orm import Session

from service.credentials import operations as credentials
from service.files.contents import Meter
from service.imports import operations as imports
from service.imports.plans import (
    FoundFile,
    KeepModels,
    ListModels,
    ListPage,
    ReadCheckpoints,
    ReadEvents,
    ReadFile,
    Step,
)
from service.kit.errors import ServiceError
from service.kit.storage import StorageUnavailable, storage
from service.kit.work import Claim, Work
from service.settings import settings
from worker.app import Running, Transient, task, unit_of_work
from worker.providers.remote import AccessRefused, Ambiguous, Gone, Refused, Remote, RemoteError, Unavailable, Unusable
from worker.tasks.remote_opening import opened_remote
from worker.tasks.remote_results import LARGEST_RESULT, decoded

_log = logging.getLogger(__name__)
_FILES_PAGE, _JOBS_PAGE, _EVENTS_PAGE = 1000, 100, 100
_WHAT: dict[type, Literal["file", "events", "checkpoints"]] = {
    ReadFile: "file", ReadEvents: "events", ReadCheckpoints: "checkpoints"}
Record = Callable[[Session], None]


@task(Work.IMPORT_ESTATE)
def read_estate(running: Running) -> timedelta | None:
    """Carry one import on, to its end or to where the server wants to be left alone."""
    import_id = running.claim.subject
    try:
        with unit_of_work(running.claim) as session:
            credential = imports.begin(session, import_id)
    except ServiceError as unusable:
        _fail(running, str(unusable.code or "no_credential"), unusable.message)
        return None
    if credential is None:
        return None
    try:
        with opened_remote(credential) as remote:
            return Reading(running, remote, credential.id).carry()
    except RemoteError as unusable:  # it could not be opened: what is said later is dealt with while reading
        _fail(running, _code(unusable), f"{unusable} When that is mended, go on with POST"
              f" /v1/imports/{import_id}/resume.")
        return None


def _code(unusable: RemoteError) -> str:
    if isinstance(unusable, Unusable):
        return unusable.code
    return "credential_refused" if isinstance(unusable, AccessRefused) else "server_unreachable"


def _fail(running: Running, code: str, message: str) -> None:
    with unit_of_work(running.claim) as session:
        imports.fail(session, running.claim.subject, code=code, message=message)


@read_estate.abandoned
def _give_up(session: Session, claim: Claim, cause: str) -> None:
    _log.error("import %s is given up: %s", claim.subject, cause)
    imports.fail(session, claim.subject, code="server_error", message="The import failed due to an internal error: it"
                 " was tried several times and each try was cut short. Resume it; if that fails too, ask your platform"
                 " team.")


class OtherSize(Exception):
    """The bytes are not as many as the server's list said, or more than are taken."""


class Pace:
    """At most so many calls a second, one after another."""

    def __init__(self, per_second: float) -> None:
        self._gap = 1.0 / per_second
        self._next = time.monotonic()

    def take(self, calls: int = 1) -> None:
        """Wait for a turn; `calls` more are charged to whoever comes next."""
        time.sleep(max(0.0, self._next - time.monotonic()))
        self._next = max(self._next, time.monotonic()) + calls * self._gap

    def charge(self, calls: int) -> None:
        """For calls that were made already."""
        self._next += calls * self._gap


class Reading:
    """One worker's turn at one import."""

    def __init__(self, running: Running, remote: Remote, credential_id: str) -> None:
        self._running = running
        self._remote = remote
        self._credential_id = credential_id
        self._id = running.claim.subject
        self._pace = Pace(settings().import_requests_per_second)
        self._calls = 0

    def carry(self) -> timedelta | None:
        with unit_of_work(self._running.claim) as session:
            step = imports.next_step(session, self._id)
        while step is not None:
            at = step
            if self._running.must_stop:
                return timedelta(0)
            self._calls += 1
            self._running.advance(self._calls)
            if not isinstance(at, KeepModels):
                self._pace.take()
            try:
                step = self._take(at)
            except AccessRefused as refused:
                self._refused(refused)
                return None
            except (Unavailable, Ambiguous) as trouble:
                return self._wait(at, trouble)
            except StorageUnavailable as unavailable:
                raise Transient(unavailable.message) from unavailable
        return None

    def _take(self, step: Step) -> Step | None:
        """One call; what it told is recorded together with what comes next."""
        try:
            record = self._asked(step)
        except Gone as gone:
            record = self._not_given(step, "gone", str(gone))
        except Refused as refused:
            record = self._not_given(step, "refused", refused.message)
        except OtherSize as other:
            record = self._not_given(step, "other_size", str(other))
        with unit_of_work(self._running.claim) as session:
            record(session)
            return imports.next_step(session, self._id)

    def _asked(self, step: Step) -> Record:
        """Make the call, and say how to record what it told."""
        match step:
            case ListPage():
                return self._list(step)
            case ListModels():
                names = [model.id for model in self._remote.models()]
                return lambda session: imports.tell_models(session, self._id, names)
            case ReadFile():
                return self._file(step)
            case ReadEvents():
                lines = self._remote.events(step.remote_id, until=None)
                self._pace.charge(len(lines) // _EVENTS_PAGE)
                return lambda session: imports.tell_events(session, self._id, step.item_id, lines)
            case ReadCheckpoints():
                found = self._remote.checkpoints(step.remote_id)
                return lambda session: imports.tell_checkpoints(session, self._id, step.item_id, found)
            case KeepModels():
                return lambda session: imports.keep_models(session, self._id)

    def _list(self, step: ListPage) -> Record:
        if step.kind == "file":
            page = self._remote.files(after=step.after, limit=_FILES_PAGE)
            files = [FoundFile(each.id, each.filename, each.bytes, each.purpose, each.created_at)
                     for each in page.items]
            return lambda session: imports.tell_files(session, self._id, files, page.after)
        jobs = self._remote.jobs(after=step.after, limit=_JOBS_PAGE)
        return lambda session: imports.tell_jobs(session, self._id, jobs.items, jobs.after)

    def _file(self, step: ReadFile) -> Record:
        meter = Meter()
        chunks = self._content(step)
        if step.is_result:
            chunks = iter([decoded(b"".join(chunks))])
        storage().write(step.object_key, _metered(chunks, meter))
        return lambda session: imports.tell_file(session, self._id, step.item_id, object_key=step.object_key,
                                                 size=meter.bytes, sha256=meter.sha256)

    def _content(self, step: ReadFile) -> Iterator[bytes]:
        """The bytes as they come, as long as they are as many as they should be. Raises OtherSize."""
        most = LARGEST_RESULT if step.is_result else settings().max_upload_bytes
        exact = None if step.is_result else step.declared
        if exact is not None and exact > most:
            raise OtherSize(f"It has {exact:,} bytes; this house takes {most:,} at most.")
        size = 0
        for chunk in self._remote.content(step.remote_id):
            size += len(chunk)
            if exact is not None and size > exact:
                raise OtherSize(f"The server sent more than the {exact:,} bytes that its list says it has.")
            if size > most:
                raise OtherSize(f"It has more than the {most:,} bytes that this house takes of such a file.")
            self._running.advance(f"{self._calls}/{size}")
            yield chunk
        if exact is not None and size != exact:
            raise OtherSize(f"The server sent {size:,} bytes, and its list says that it has {exact:,}.")

    def _not_given(self, step: Step, code: str, reason: str) -> Record:
        if isinstance(step, ListPage | ListModels | KeepModels):
            kind = step.kind if isinstance(step, ListPage) else "model"
            return lambda session: imports.give_up_list(session, self._id, kind, code=f"list_{code}", reason=reason)
        what = _WHAT[type(step)]
        return lambda session: imports.give_up_object(session, self._id, step.item_id, what, code=code, reason=reason)

    def _wait(self, step: Step, trouble: RemoteError) -> timedelta | None:
        item_id = None if isinstance(step, ListPage | ListModels | KeepModels) else step.item_id
        with unit_of_work(self._running.claim) as session:
            return imports.wait(session, self._id, item_id, reason=str(trouble),
                                retry_after=getattr(trouble, "retry_after", None))

    def _refused(self, refused: AccessRefused) -> None:
        with unit_of_work(self._running.claim) as session:
            credentials.failing(session, self._credential_id, str(refused))
            imports.fail(session, self._id, code="credential_refused", message=f"The server refuses the credential:"
                         f" {refused} Update it, then go on with POST /v1/imports/{self._id}/resume.")


def _metered(chunks: Iterator[bytes], meter: Meter) -> Iterator[bytes]:
    for chunk in chunks:
        meter.feed(chunk)
        yield chunk
