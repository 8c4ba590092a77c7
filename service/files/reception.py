"""Takes a form off the wire and its file into the object store, without holding either; refusals leave nothing."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from service.files.contents import Meter, is_dictionary
from service.files.errors import (
    PURPOSES,
    EmptyFile,
    FileTooLarge,
    InvalidExpiry,
    InvalidFilename,
    MissingField,
    NotJSONLines,
    PartTooLarge,
    RepeatedField,
    UnexpectedField,
    UnknownPurpose,
)
from service.files.forms import Form, Part
from service.files.schemas import ExpiresAfter
from service.kit.explanations import explain
from service.kit.storage import StorageUnavailable, storage
from service.settings import settings

_FORM_BYTES = 65_536  # what the form around a file may add to a request
_EXPIRY = {"expires_after[anchor]": "anchor", "expires_after[seconds]": "seconds"}
_NOT_A_FILE = ": the part of that name has no filename (HINT: with curl, write -F file=@path)"


@dataclass(frozen=True, slots=True)
class Received:
    """A file whose bytes are in the object store, and which no row names yet."""

    filename: str
    purpose: str
    bytes: int
    sha256: str
    expires_after: int | None
    "Seconds."


async def receive_file(request: Request, key: str) -> Received:
    """Store the file of a POST /v1/files under `key`. Raises what is wrong with the form, and then stores nothing."""
    limit = settings().max_file_bytes
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > limit + _FORM_BYTES:
        raise FileTooLarge(limit)
    form, fields, meter = _form_of(request), dict[str, str](), Meter()

    def judge() -> None:
        if meter.bytes > limit:
            raise FileTooLarge(limit)
        if meter.head_is_news:
            _check_head(meter, fields)

    async with _nothing_left_of(key, meter):
        while (part := await form.next_part()) is not None:
            if part.name in fields:
                raise RepeatedField(part.name)
            if part.name == "file":
                fields["file"] = _filename(part)
                await storage().write_async(key, _metered(form, meter, judge, field="file"))
            else:
                fields[part.name] = await _field(form, part)
        for name in ("file", "purpose"):
            if name not in fields:
                raise MissingField(name)
        _check_head(meter, fields)
        return Received(fields["file"], fields["purpose"], meter.bytes, meter.sha256, _expiry(fields))


async def receive_part(request: Request, key: str, *, limit: int) -> int:
    """Store the data of a part, at most `limit` bytes, under `key`; returns their number."""
    form, meter = _form_of(request), Meter()

    def judge() -> None:
        if meter.bytes > limit:
            raise PartTooLarge(limit)

    async with _nothing_left_of(key, meter):
        while (part := await form.next_part()) is not None:
            if part.name != "data":
                raise UnexpectedField(part.name)
            if meter.bytes:
                raise RepeatedField("data")
            await storage().write_async(key, _metered(form, meter, judge, field="data"))
        if not meter.bytes:
            raise MissingField("data")
    return meter.bytes


async def concatenate(keys: Sequence[str], target: str) -> Meter:
    """Store the bytes of `keys`, one after another, under `target`. Raises ObjectMissing."""
    meter = Meter(md5=True)

    async def chunks() -> AsyncIterator[bytes]:
        for key in keys:
            _, part = await storage().open_async(key)
            async for chunk in part:
                await run_in_threadpool(meter.feed, chunk)  # digests of megabytes would hold up other requests
                yield chunk

    await storage().write_async(target, chunks())
    return meter


@asynccontextmanager
async def _nothing_left_of(key: str, meter: Meter) -> AsyncIterator[None]:
    """A refusal after the last byte finds the object stored already; it goes again."""
    try:
        yield
    except BaseException:
        if meter.bytes:
            with suppress(StorageUnavailable):
                await storage().delete_async(key)
        raise


def _form_of(request: Request) -> Form:
    return Form(request.headers.get("content-type", ""), request.stream())


async def _metered(form: Form, meter: Meter, judge: Callable[[], None], *, field: str) -> AsyncIterator[bytes]:
    async for chunk in form.chunks():
        meter.feed(chunk)
        judge()
        yield chunk
    if not meter.bytes:
        raise EmptyFile(field)


def _check_head(meter: Meter, fields: dict[str, str]) -> None:
    """Called when the first line is there and again at the end, since the purpose may come after the file."""
    if fields.get("purpose") == "fine-tune" and not is_dictionary(meter.head):
        raise NotJSONLines(meter.head)


async def _field(form: Form, part: Part) -> str:
    if part.name != "purpose" and part.name not in _EXPIRY:
        raise UnexpectedField(part.name)
    text = await form.text()
    if part.name == "purpose" and text not in PURPOSES:
        raise UnknownPurpose(text)
    return text


def _filename(part: Part) -> str:
    if part.filename is None:
        raise MissingField("file", _NOT_A_FILE)
    if not 1 <= len(part.filename) <= 255:
        raise InvalidFilename
    return part.filename


def _expiry(fields: dict[str, str]) -> int | None:
    given = {name: fields[field] for field, name in _EXPIRY.items() if field in fields}
    if not given:
        return None
    try:
        return ExpiresAfter.model_validate_strings(given).seconds
    except ValidationError as invalid:
        first = invalid.errors()[0]
        told = explain({**first, "loc": ("body", "expires_after", *first["loc"])})
        raise InvalidExpiry(told.message, code=told.code, param=told.param) from invalid
