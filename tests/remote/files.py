"""Files and uploads of a simulated project; large ones lie on disk."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any

from tests.remote import refusals

FILE_LIMIT = 512 * 2**20
UPLOAD_LIMIT = 8 * 2**30
PART_LIMIT = 64 * 2**20
_IN_MEMORY = 2**20
_READ = 2**18


class Bytes:
    """Bytes that are appended once and read often; past a size they leave memory."""

    def __init__(self, content: bytes = b"") -> None:
        self.size = len(content)
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  # lives as long as this
        self._file.write(content)

    def __reduce__(self) -> tuple[Any, ...]:
        return Bytes, (self.all(),)

    def append(self, content: bytes) -> None:
        self._file.seek(0, 2)
        self._file.write(content)
        self.size += len(content)

    def pieces(self) -> Iterator[bytes]:
        """In pieces; whoever reads along with another reader takes turns, so each piece seeks anew."""
        place = 0
        while place < self.size:
            self._file.seek(place)
            piece = self._file.read(_READ)
            yield piece
            place += len(piece)

    def lines(self) -> Iterator[bytes]:
        self._file.seek(0)
        return iter(self._file)

    def all(self) -> bytes:
        return b"".join(self.pieces())


class Generated(Bytes):
    """Bytes that are made anew at each reading: estates of thousands of files cost nothing until they are read."""

    def __init__(self, make: Callable[[], bytes]) -> None:
        self._make = make
        self._size: int | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Generated, (self._make,)

    @property
    def size(self) -> int:  # type: ignore[override]  # known once it was made
        if self._size is None:
            self._size = len(self._make())
        return self._size

    def pieces(self) -> Iterator[bytes]:
        yield self._make()

    def lines(self) -> Iterator[bytes]:
        return iter(self._make().splitlines(keepends=True))


@dataclass(slots=True)
class StoredFile:
    id: str
    filename: str
    purpose: str
    created_at: float
    content: Bytes
    status: str = "processed"
    expires_at: float | None = None
    reads: int = 0
    "How often its content was fetched."
    readings: dict[str, Any] = field(default_factory=dict)
    "What was found in it, by method and use: files of thousands of jobs are read once."

    def wire(self) -> dict[str, Any]:
        return {"object": "file", "id": self.id, "purpose": self.purpose, "filename": self.filename,
                "bytes": self.content.size, "created_at": int(self.created_at),
                "expires_at": None if self.expires_at is None else int(self.expires_at),
                "status": self.status, "status_details": None}


@dataclass(slots=True)
class Upload:
    id: str
    filename: str
    purpose: str
    bytes: int
    mime_type: str
    created_at: float
    expires_at: float
    status: str = "pending"
    parts: dict[str, Bytes] = field(default_factory=dict)
    file: StoredFile | None = None

    def wire(self) -> dict[str, Any]:
        body: dict[str, Any] = {"id": self.id, "object": "upload", "bytes": self.bytes,
                                "created_at": int(self.created_at), "filename": self.filename,
                                "purpose": self.purpose, "status": self.status, "expires_at": int(self.expires_at)}
        return body | ({"file": self.file.wire()} if self.file else {})

    def check_open(self, now: float) -> None:
        if self.status == "pending" and now >= self.expires_at:
            self.status = "expired"
        if self.status != "pending":
            raise refusals.Refusal(400, f"Upload {self.id} is {self.status} and cannot be changed.", param="upload_id")


def check_lines(content: Bytes) -> None:
    """What is looked at while the caller waits: that every line is a JSON dictionary; only its first letter is read."""
    for number, line in enumerate(content.lines(), start=1):
        if line.strip() and not line.lstrip().startswith(b"{"):
            raise refusals.not_jsonl(number, line.decode(errors="replace").strip())
