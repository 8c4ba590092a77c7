"""Files of ours on their way to a server: streamed from where they lie, one piece in memory at a time."""

import io
import time
from collections.abc import Iterator
from typing import IO, Any, cast

from openai import OpenAI

from worker.providers.openai import reading
from worker.providers.openai.answers import Answers
from worker.providers.openai.calls import Caller
from worker.providers.remote import Gone, Refused, RemoteFile, Source, Unavailable, UploadProgress

MiB = 1024 * 1024
PART_BYTES = 64 * MiB
WHOLE_BYTES = 512 * MiB
"""The largest file that goes in one request."""
_TYPE = "application/jsonl"
_LIFETIME = 50 * 60
"""Seconds after which a refused part may well be a late one: servers wait an hour."""


class Piece(io.BufferedIOBase):
    """`size` bytes of a source from `start` on, as the file object that a multipart body is made from."""

    def __init__(self, source: Source, start: int, size: int) -> None:
        self._source, self._start, self._size = source, start, size
        self._chunks: Iterator[bytes] = iter(())
        self._rest = memoryview(b"")
        self._at = 0
        self._rewind()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Only to either end: enough to be measured, and to begin again."""
        target = offset + (self._size if whence == io.SEEK_END else 0)
        if whence == io.SEEK_CUR or target not in {0, self._size}:
            raise io.UnsupportedOperation("a piece is read from its beginning")
        if target == 0 and self._at:
            self._rewind()
        self._at = target
        return target

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes, at most `size`; what is missing of a source that ends early is missed by its server."""
        left = self._size - self._at
        wanted = left if size is None or size < 0 else min(size, left)
        got = bytearray()
        while len(got) < wanted and self._filled():
            taken = self._rest[:wanted - len(got)]
            self._rest = self._rest[len(taken):]
            got += taken
        self._at += len(got)
        return bytes(got)

    def _filled(self) -> bool:
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return False
            self._rest = memoryview(chunk)
        return True

    def _rewind(self) -> None:
        self._chunks = iter(self._source.read(self._start))
        self._rest = memoryview(b"")


class Uploader:
    """Sends one file: whole where servers take it so, else in parts that can be gone on with.

    An answer that is lost leaves at most a file or a part that no job names, so sending again buys nothing twice.
    """

    def __init__(self, client: OpenAI, caller: Caller) -> None:
        self._client, self._caller = client, caller

    def upload(self, source: Source, begun: UploadProgress) -> Iterator[UploadProgress]:
        """Errors of the source come out as they are."""
        if begun.file_id is not None:
            return
        if source.size <= WHOLE_BYTES:
            yield UploadProgress(file_id=self._whole(source))
            return
        started = time.monotonic()
        try:
            yield from self._parts(source, begun)
        except (Gone, Refused) as ended:
            # It ran out, or was ended: there is no telling which, nor is there a need.
            if begun.upload_id is None and time.monotonic() - started < _LIFETIME:
                raise
            late = ended
        else:
            return
        if begun.upload_id is None:
            raise Unavailable(f"The upload took longer than the server waits: {late}")
        yield from self._parts(source, UploadProgress())

    def _whole(self, source: Source) -> str:
        piece = Piece(source, 0, source.size)
        file = self._caller.one(lambda: self._client.files.with_raw_response.create(
            file=(source.filename, cast("IO[bytes]", piece), _TYPE), purpose="fine-tune"), reading.file, reads=False)
        return _whole(file, source)

    def _parts(self, source: Source, begun: UploadProgress) -> Iterator[UploadProgress]:
        upload_id, sent = begun.upload_id or self._begin(source), list(begun.part_ids)
        if begun.upload_id is None:
            yield UploadProgress(upload_id)
        for start in range(len(sent) * PART_BYTES, source.size, PART_BYTES):
            sent.append(self._part(upload_id, Piece(source, start, min(PART_BYTES, source.size - start))))
            yield UploadProgress(upload_id, tuple(sent))
        yield UploadProgress(upload_id, tuple(sent), self._complete(upload_id, sent, source))

    def _begin(self, source: Source) -> str:
        return self._caller.one(lambda: self._client.uploads.with_raw_response.create(
            bytes=source.size, filename=source.filename, mime_type=_TYPE, purpose="fine-tune"), _id, reads=False)

    def _part(self, upload_id: str, piece: Piece) -> str:
        return self._caller.one(lambda: self._client.uploads.parts.with_raw_response.create(
            upload_id, data=("part", cast("IO[bytes]", piece), "application/octet-stream")), _id, reads=False)

    def _complete(self, upload_id: str, sent: list[str], source: Source) -> str:
        return _whole(self._caller.one(lambda: self._client.uploads.with_raw_response.complete(
            upload_id, part_ids=sent), _file_of_upload, reads=False), source)


def _id(raw: Any, answers: Answers) -> str | None:
    return reading.identifier(answers.cleaned(raw.get("id"))) if isinstance(raw, dict) else None


def _file_of_upload(raw: Any, answers: Answers) -> RemoteFile | None:
    return reading.file(raw.get("file"), answers) if isinstance(raw, dict) else None


def _whole(file: RemoteFile, source: Source) -> str:
    """The file's id. Raises Refused where the server has other bytes than it was sent: no job may learn from them."""
    if file.bytes not in {0, source.size}:
        raise Refused("file_incomplete", f"The server stored {file.bytes} of the {source.size} bytes of"
                      f" {source.filename!r}.", "training_file")
    return file.id
