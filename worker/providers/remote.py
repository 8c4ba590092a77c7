"""The seam between jobs and servers that train for money: orders out, what the server said back, no database row out.

    RemoteError
    ├── Refused         the server said no, and nothing was made: fail the job with its code, message and param
    ├── Unavailable     nothing was made (refused connection, 429, 503 before the effect): try again later
    │   └── Unusable    no request can be made with this installation, or with what the credential says
    ├── Ambiguous       no answer, or none that can be read: it may have been made. Never send it again: look for it
    ├── AccessRefused   the credential does not open the door any more (401, 403)
    └── Gone            the server knows nothing of that id any more

Every call makes one request, or one per page, and none is retried here: who may be asked again, and when, is decided
where the state is (service/jobs/operations/remote.py). Answers are hostile input: whatever does not fit is left out or
cut, never raised as another error than those above.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from service.jobs.plans import RemoteCheckpoint, RemoteEvent, RemoteJob, RemoteOrder, RemoteState

__all__ = [
    "AccessRefused",
    "Ambiguous",
    "Gone",
    "Page",
    "Refused",
    "Remote",
    "RemoteCheckpoint",
    "RemoteError",
    "RemoteEvent",
    "RemoteFile",
    "RemoteJob",
    "RemoteModel",
    "RemoteOrder",
    "RemoteState",
    "Source",
    "Unavailable",
    "Unusable",
    "UploadProgress",
]
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class RemoteFile:
    id: str
    filename: str
    bytes: int
    purpose: str
    created_at: datetime
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RemoteModel:
    id: str
    created_at: datetime | None
    owned_by: str
    shutdown_date: str | None = None


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page of a list, and the cursor of the next; None at the end."""

    items: tuple[Item, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """How far a file is uploaded: what must be recorded so that another worker can go on."""

    upload_id: str | None = None
    part_ids: tuple[str, ...] = ()
    file_id: str | None = None
    "Set once the server has the whole file."


class RemoteError(Exception):
    """Parent of what a remote raises. The message never contains the credential."""


class Refused(RemoteError):
    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.param = code, message, param


class Unavailable(RemoteError):
    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unusable(Unavailable):
    """Nobody can be asked until somebody mends how things are set up; `code` says what: a snake_case word."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Ambiguous(RemoteError):
    pass


class AccessRefused(RemoteError):
    pass


class Gone(RemoteError):
    pass


class Source(Protocol):
    """The original bytes of one of our files."""

    filename: str
    size: int

    def read(self, start: int = 0) -> Iterator[bytes]: ...


class Remote(Protocol):
    """One server, opened with one credential. Close it after use; no call is made inside a transaction."""

    def close(self) -> None: ...

    def check(self) -> tuple[RemoteModel, ...]:
        """Ask for the models, the cheapest question that needs the credential. Raises AccessRefused, Unavailable."""
        ...

    def upload(self, source: Source, begun: UploadProgress) -> Iterator[UploadProgress]:
        """Send a file, going on from `begun`; each value is to be recorded before the next is asked for."""
        ...

    def create(self, order: RemoteOrder) -> RemoteJob: ...

    def find(self, key: str) -> tuple[RemoteJob, ...]:
        """Every job that bears this key, oldest first; a list may lag behind what was made."""
        ...

    def jobs(self, *, after: str | None = None, limit: int = 100) -> Page[RemoteJob]:
        """Newest first."""
        ...

    def retrieve(self, job_id: str) -> RemoteJob: ...

    def events(self, job_id: str, *, until: str | None) -> tuple[RemoteEvent, ...]:
        """What came after the event with id `until` (all, for None), oldest first, at most some thousands."""
        ...

    def checkpoints(self, job_id: str) -> tuple[RemoteCheckpoint, ...]: ...

    def cancel(self, job_id: str) -> RemoteJob: ...

    def pause(self, job_id: str) -> RemoteJob: ...

    def resume(self, job_id: str) -> RemoteJob: ...

    def files(self, *, after: str | None = None, limit: int = 1000) -> Page[RemoteFile]: ...

    def content(self, file_id: str) -> Iterator[bytes]:
        """The bytes of a file as they are. A result file may come base64-encoded; whoever reads it must look."""
        ...

    def delete_file(self, file_id: str) -> None: ...

    def models(self) -> tuple[RemoteModel, ...]: ...
