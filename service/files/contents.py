"""What is learnt about bytes while they pass: their number, their digests, how their first line begins."""

import hashlib
import json

from service.settings import MiB

_HEAD_BYTES = MiB  # a first line longer than this is judged by its beginning
_BOM = b"\xef\xbb\xbf"


def file_key(project_id: str, file_id: str) -> str:
    """Where the bytes of a file lie in the object store."""
    return f"projects/{project_id}/files/{file_id}"


def upload_prefix(project_id: str, upload_id: str) -> str:
    """Where the parts of an upload lie until it is completed."""
    return f"projects/{project_id}/uploads/{upload_id}"


class Meter:
    """Counts and digests bytes as they pass, and keeps the first line that is not blank, up to 1 MiB of it.

    `head_is_news` is true from the chunk that completed the first line to the next.
    """

    def __init__(self, *, md5: bool = False) -> None:
        self.bytes = 0
        self.head_complete = False
        self.head_is_news = False
        self._head = bytearray()
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False) if md5 else None

    def feed(self, chunk: bytes) -> None:
        self.bytes += len(chunk)
        self._sha256.update(chunk)
        if self._md5 is not None:
            self._md5.update(chunk)
        self.head_is_news = not self.head_complete and self._extends_head(chunk)

    @property
    def head(self) -> bytes:
        return bytes(self._head)

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    @property
    def md5(self) -> bytes:
        return b"" if self._md5 is None else self._md5.digest()

    def _extends_head(self, chunk: bytes) -> bool:
        """Add to the head; whether it is complete now."""
        line, newline, _ = (chunk if self._head else chunk.lstrip(b"\r\n")).partition(b"\n")
        self._head += line[:_HEAD_BYTES - len(self._head)]
        self.head_complete = bool(newline) or len(self._head) >= _HEAD_BYTES
        return self.head_complete


def is_dictionary(head: bytes) -> bool:
    """Whether a first line, as Meter keeps it, is a JSON object (or, being cut, begins like one)."""
    text = head.removeprefix(_BOM)
    if len(head) >= _HEAD_BYTES:
        return text.lstrip().startswith(b"{")
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
