"""Files at Azure, which looks at each before a job may name it."""

import time
from collections.abc import Iterator

from worker.providers.openai import reading
from worker.providers.openai.uploads import Uploader
from worker.providers.remote import Refused, RemoteFile, Source, Unavailable, UploadProgress

_FILE = "file-"
_BEING_LOOKED_AT = frozenset({"pending", "running", "notrunning", "uploading", "validating"})
_BAD = frozenset({"error", "failed"})
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between looks; what takes longer is looked at again by the next try."""


class AzureUploader(Uploader):
    """A file that is there but not yet looked at is recorded in the place of an upload, under its own id."""

    def upload(self, source: Source, begun: UploadProgress) -> Iterator[UploadProgress]:
        if begun.file_id is None and begun.upload_id is not None and begun.upload_id.startswith(_FILE):
            yield UploadProgress(file_id=self._ready(begun.upload_id))
            return
        for progress in super().upload(source, begun):
            if progress.file_id is None:
                yield progress
            else:
                yield UploadProgress(progress.file_id)
                yield UploadProgress(progress.upload_id, progress.part_ids, self._ready(progress.file_id))

    def _ready(self, file_id: str) -> str:
        """The id again, once a job may name it. Raises Refused for a file that Azure finds wrong."""
        for pause in (*_PAUSES, None):
            file = self._seen(file_id)
            status = str(file.body.get("status") or "").lower()
            if status in _BAD:
                details = file.body.get("status_details")
                raise Refused("invalid_file", details if isinstance(details, str) and details else
                              "Azure found the file wrong and did not say why.", "training_file")
            if status not in _BEING_LOOKED_AT:
                return file_id
            if pause is not None:
                time.sleep(pause)
        raise Unavailable("Azure is still looking at the file.", 15.0)

    def _seen(self, file_id: str) -> RemoteFile:
        return self._caller.one(lambda: self._client.files.with_raw_response.retrieve(file_id), reading.file,
                                reads=True)
