"""A server that speaks OpenAI's API as a Remote, through OpenAI's own SDK; every answer is read as hostile input."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

import httpx2
from openai import OpenAI, OpenAIError, omit

from service.credentials.addresses import OPENAI_URL, billed
from service.jobs.plans import RemoteOrder
from worker.providers.credential import Credential
from worker.providers.openai import reading
from worker.providers.openai.answers import Answers
from worker.providers.openai.calls import Call, Caller, Reader
from worker.providers.openai.failures import NotTheAPI, RouteNotThere, RouteUnknown
from worker.providers.openai.transport import TIMEOUT, Transport
from worker.providers.openai.uploads import Uploader
from worker.providers.remote import (
    Gone,
    Page,
    Refused,
    RemoteCheckpoint,
    RemoteEvent,
    RemoteFile,
    RemoteJob,
    RemoteModel,
    Source,
    Unavailable,
    UploadProgress,
)

_PAGE, _PAGES = 100, 50
"""Items of a page, and pages of one list that are walked at most."""
_WALKED = 32 * 1024 * 1024
"""Bytes of one list after which it is walked no further."""
_PAIRS = 14
"""Pairs of a caller's metadata that fit beside ours."""
_LAST = datetime.max.replace(tzinfo=UTC)
Item = TypeVar("Item")


class OpenAIRemote:
    """One client per credential; every call is one request, or one per page."""

    idempotent = False
    "Whether the server is told the key of an attempt in an Idempotency-Key header too."

    def __init__(self, credential: Credential, *, allow_private: bool) -> None:
        answers = Answers(credential.secret)
        transport = Transport(answers, self._door(credential), allow_private=allow_private)
        self._base_url = "" if credential.provider == "azure" else (credential.base_url or "").rstrip("/")
        self._http = httpx2.Client(transport=transport, timeout=TIMEOUT, follow_redirects=False, trust_env=False)
        try:
            self._client = self._opened(credential)
        except (httpx2.InvalidURL, OpenAIError, ValueError):
            self.close()
            raise Unavailable("The credential's base URL is none that can be asked.") from None
        self._caller = Caller(answers)

    def _door(self, credential: Credential) -> dict[str, str]:
        """The headers that open the door, and say whose it is."""
        return {"authorization": f"Bearer {credential.secret}", **billed(credential.provider, credential.options)}

    def _opened(self, credential: Credential) -> OpenAI:
        return OpenAI(api_key=credential.secret, base_url=credential.base_url or OPENAI_URL, max_retries=0,
                      timeout=TIMEOUT, http_client=self._http)

    def close(self) -> None:
        self._http.close()

    # -- the credential ----------------------------------------------------------------------------------
    def check(self) -> tuple[RemoteModel, ...]:
        try:
            return self.models()
        except (RouteNotThere, RouteUnknown) as odd:
            told = self._elsewhere(str(odd))
        except (Refused, Gone) as odd:
            told = f"The server does not list its models: {odd}"
        raise Unavailable(told)

    def _elsewhere(self, reason: str) -> str:
        """What to do where the server is there, and has no list of models where it is looked for."""
        advice = f" Try {self._base_url}/v1." if self._base_url and not self._base_url.endswith("/v1") else ""
        return f"The base URL was reached, but no list of models is there, as the API has it.{advice} {reason}"

    def models(self) -> tuple[RemoteModel, ...]:
        call = self._client.models.with_raw_response.list
        return self._caller.page(call, reading.model, limit=None).items

    # -- jobs --------------------------------------------------------------------------------------------
    def create(self, order: RemoteOrder) -> RemoteJob:
        headers = {"Idempotency-Key": order.key} if self.idempotent else None
        return self._caller.one(lambda: self._client.fine_tuning.jobs.with_raw_response.create(
            model=order.model, training_file=order.training_file, validation_file=order.validation_file or omit,
            method=cast("Any", order.method), suffix=order.suffix or omit, seed=order.seed, metadata=_metadata(order),
            extra_headers=headers), reading.job, reads=False)

    def find(self, key: str) -> tuple[RemoteJob, ...]:
        """Servers that do not know the filter send all that they have: their pages are walked to the end.

        Raises Unavailable when nothing was found and no end is within reach: "not found" would be a guess.
        """
        def call(**asked: Any) -> Any:
            return self._client.fine_tuning.jobs.with_raw_response.list(metadata={reading.KEY_PAIR: key}, **asked)
        found: dict[str, RemoteJob] = {}
        for page in self._walk(call, reading.job):
            found |= {job.id: job for job in page.items if job.key == key}
        if not found and page.after is not None:
            raise Unavailable("The server's list of jobs goes on and on; the job may be further down.")
        return tuple(sorted(found.values(), key=lambda job: job.created_at or _LAST))

    def jobs(self, *, after: str | None = None, limit: int = _PAGE) -> Page[RemoteJob]:
        return self._caller.page(self._client.fine_tuning.jobs.with_raw_response.list, reading.job, after=after,
                                 limit=limit)

    def retrieve(self, job_id: str) -> RemoteJob:
        return self._one(job_id, self._client.fine_tuning.jobs.with_raw_response.retrieve, reads=True)

    def cancel(self, job_id: str) -> RemoteJob:
        return self._one(job_id, self._client.fine_tuning.jobs.with_raw_response.cancel)

    def pause(self, job_id: str) -> RemoteJob:
        return self._one(job_id, self._client.fine_tuning.jobs.with_raw_response.pause)

    def resume(self, job_id: str) -> RemoteJob:
        return self._one(job_id, self._client.fine_tuning.jobs.with_raw_response.resume)

    def events(self, job_id: str, *, until: str | None) -> tuple[RemoteEvent, ...]:
        """Read newest first, as servers list them. Of a log beyond all measure, the oldest lines are missing."""
        def call(**asked: Any) -> Any:
            return self._client.fine_tuning.jobs.with_raw_response.list_events(_known(job_id), **asked)
        found: dict[str, RemoteEvent] = {}
        try:
            for page in self._walk(call, reading.event):
                for event in page.items:
                    if event.id == until:
                        return tuple(reversed(found.values()))
                    found.setdefault(event.id, event)
        except NotTheAPI:
            if found:
                raise  # else it answers for jobs, and keeps no logs of them
        return tuple(reversed(found.values()))

    def checkpoints(self, job_id: str) -> tuple[RemoteCheckpoint, ...]:
        def call(**asked: Any) -> Any:
            return self._client.fine_tuning.jobs.checkpoints.with_raw_response.list(_known(job_id), **asked)
        found: dict[str, RemoteCheckpoint] = {}
        with suppress(NotTheAPI):  # as many servers keep none
            found = {each.id: each for page in self._walk(call, reading.checkpoint) for each in page.items}
        return tuple(sorted(found.values(), key=lambda each: each.step))

    # -- files -------------------------------------------------------------------------------------------
    def upload(self, source: Source, begun: UploadProgress) -> Iterator[UploadProgress]:
        return Uploader(self._client, self._caller).upload(source, begun)

    def files(self, *, after: str | None = None, limit: int = 1000) -> Page[RemoteFile]:
        return self._caller.page(self._client.files.with_raw_response.list, reading.file, after=after, limit=limit)

    def content(self, file_id: str) -> Iterator[bytes]:
        with self._client.files.with_streaming_response.content(_known(file_id)) as answer:
            yield from answer.iter_bytes()

    def delete_file(self, file_id: str) -> None:
        """One that is gone already is no error."""
        with suppress(Gone):
            self._caller.done(lambda: self._client.files.with_raw_response.delete(_known(file_id)))

    # -- inside ------------------------------------------------------------------------------------------
    def _one(self, job_id: str, call: Call, *, reads: bool = False) -> RemoteJob:
        _known(job_id)
        return self._caller.one(lambda: call(job_id), reading.job, reads=reads)

    def _walk(self, call: Call, reader: Reader[Item]) -> Iterator[Page[Item]]:
        after: str | None = None
        most = self._caller.read + _WALKED
        for _ in range(_PAGES):
            page = self._caller.page(call, reader, after=after, limit=_PAGE)
            yield page
            after = page.after
            if after is None or self._caller.read > most:
                return


def _known(remote_id: str) -> str:
    """The id, which must be one that may stand in a path. Raises Gone for any other: no server here gave it."""
    if reading.identifier(remote_id) is None:
        raise Gone("This is not an id that any server gives.")
    return remote_id


def _metadata(order: RemoteOrder) -> dict[str, str]:
    """Ours, and as many of the caller's as there is room for: the job here has them all."""
    rest = {name: value for name, value in order.metadata.items()
            if name not in {reading.KEY_PAIR, reading.HOUSE_PAIR}}
    return dict(list(rest.items())[:_PAIRS]) | {reading.KEY_PAIR: order.key, reading.HOUSE_PAIR: order.house}
