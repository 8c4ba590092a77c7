"""Files in the bucket: our bytes as they are, resumable by parts, and beside them the form that a model wants.

    <prefix>files/<random>/<name>.jsonl            the original bytes, as uploaded
    <prefix>staged/<random>-<family>/<name>.jsonl  the same, turned into a family's form; only where that differs
    <prefix>outputs/<key>/…                        what Bedrock writes of a job
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from service.catalog.bedrock_models import Family
from service.kit.identifiers import random_text
from worker.providers.bedrock import lines
from worker.providers.bedrock.failures import translating
from worker.providers.bedrock.names import Place, place, safe_filename
from worker.providers.remote import Gone, Refused, RemoteError, Source, Unavailable, UploadProgress

PART = 16 * 1024 * 1024
"""Of a multi-part upload: 10,000 of them make 160 GB, and no more than one is in memory."""
_CHUNK = 1024 * 1024


class Staging:
    """One bucket, and the part of it that is ours."""

    def __init__(self, s3: Any, bucket: str, prefix: str) -> None:
        self.s3, self.bucket = s3, bucket
        self.prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""

    def at(self, *parts: str) -> Place:
        return Place(self.bucket, self.prefix + "/".join(parts))

    def upload(self, source: Source, begun: UploadProgress) -> Iterator[UploadProgress]:
        """Send a file's original bytes. What is orphaned by a lost answer lies under a name that nothing points to."""
        if begun.file_id is not None:
            return
        resumed = _begun(begun)
        if resumed is None and source.size <= PART:
            target = self._fresh(source)
            body = b"".join(source.read())
            self._do("uploading a file", self.s3.put_object, **target.named, Body=body)
            yield UploadProgress(file_id=target.uri)
            return
        if resumed is not None and self._size(resumed[0]) == source.size:
            yield UploadProgress(file_id=resumed[0].uri)  # completed, and the answer was lost
            return
        try:
            yield from self._by_parts(source, begun, resumed)
        except Gone:
            yield UploadProgress()  # it expired there: from the start
            yield from self._by_parts(source, UploadProgress(), None)

    def _fresh(self, source: Source) -> Place:
        return self.at("files", random_text(16), safe_filename(source.filename))

    def _by_parts(self, source: Source, begun: UploadProgress,
                  resumed: tuple[Place, str] | None) -> Iterator[UploadProgress]:
        target, upload_id = resumed or self._start(source)
        known = f"{PART}|{upload_id}|{target.uri}"
        tags = list(begun.part_ids)
        if resumed is None:
            yield UploadProgress(known)
        for body in regrouped(source.read(len(tags) * PART), PART):
            answer = self._do("uploading a part", self.s3.upload_part, **target.named, UploadId=upload_id,
                              PartNumber=len(tags) + 1, Body=body)
            tags.append(_etag(answer))
            yield UploadProgress(known, tuple(tags))
        self._complete(target, upload_id, tags)
        if self._size(target) != source.size:
            raise Unavailable("The upload is not as long as the file; it is sent again.")
        yield UploadProgress(known, tuple(tags), target.uri)

    def _start(self, source: Source) -> tuple[Place, str]:
        target = self._fresh(source)
        return target, self._begin(target)

    def _begin(self, target: Place) -> str:
        answer = self._do("beginning an upload", self.s3.create_multipart_upload, **target.named)
        upload_id = answer.get("UploadId")
        if not isinstance(upload_id, str) or "|" in upload_id or not 0 < len(upload_id) <= 2048:
            raise Unavailable("Beginning an upload: S3's answer cannot be read.")
        return upload_id

    def _complete(self, target: Place, upload_id: str, tags: list[str]) -> None:
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]
        self._do("completing an upload", self.s3.complete_multipart_upload, **target.named, UploadId=upload_id,
                 MultipartUpload={"Parts": parts})

    def _size(self, target: Place) -> int | None:
        """Of an object; None where there is none."""
        try:
            with translating("looking at a file"):
                size = self.s3.head_object(**target.named).get("ContentLength")
        except Gone:
            return None
        return size if isinstance(size, int) else 0

    def in_form(self, uri: str, family: Family, param: str) -> str:
        """Where the file lies in the form that the family is trained on; made now unless it is there already."""
        source = place(uri)
        if source is None:
            raise Refused("invalid_file", f"{param}: '{uri[:100]}' is no file in S3.", param)
        if family.form == "prompt":
            return uri
        random, name = (["file", *source.key.split("/")])[-2:]
        target = self.at("staged", f"{random}-{family.name}-{lines.VERSION}", safe_filename(name))
        if self._size(target) is None:
            self._convert(source, target, family, param)
        return target.uri

    def _convert(self, source: Place, target: Place, family: Family, param: str) -> None:
        """Streamed from object to object; what fails half-way is taken back, and leaves nothing that can be read."""
        told = regrouped(lines.converted(self.content(source), family, param), PART)
        first = next(told, b"")
        if len(first) < PART:
            self._do("storing the converted file", self.s3.put_object, **target.named, Body=first)
            return
        upload_id = self._begin(target)
        try:
            tags = [_etag(self._do("storing the converted file", self.s3.upload_part, **target.named,
                                   UploadId=upload_id, PartNumber=number, Body=body))
                    for number, body in enumerate(_again(first, told), 1)]
        except RemoteError:
            self._give_up(target, upload_id)
            raise
        self._complete(target, upload_id, tags)

    def _give_up(self, target: Place, upload_id: str) -> None:
        with suppress(RemoteError):  # a lifecycle rule of the bucket sweeps what stays
            self._do("ending an upload", self.s3.abort_multipart_upload, **target.named, UploadId=upload_id)

    def content(self, source: Place) -> Iterator[bytes]:
        """The bytes of an object. Raises Gone, AccessRefused, Unavailable; in the middle too."""
        body = self._do("reading a file", self.s3.get_object, **source.named)["Body"]
        try:
            with translating("reading a file"):
                yield from body.iter_chunks(_CHUNK)
        finally:
            body.close()

    @staticmethod
    def _do(doing: str, call: Any, **told: Any) -> dict[str, Any]:
        with translating(doing):
            answer: dict[str, Any] = call(**told)
        return answer


def _begun(progress: UploadProgress) -> tuple[Place, str] | None:
    """Where an upload goes on; None for one that was not begun, or in parts of another size."""
    pieces = (progress.upload_id or "").split("|", 2)
    target = place(pieces[2]) if len(pieces) == 3 and pieces[0] == str(PART) else None
    return (target, pieces[1]) if target is not None else None


def _etag(answer: dict[str, Any]) -> str:
    tag = answer.get("ETag")
    if not isinstance(tag, str) or len(tag) > 200:
        raise Unavailable("Uploading a part: S3's answer cannot be read.")
    return tag


def _again(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def regrouped(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of `size`, the last one shorter; of nothing, nothing."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)
