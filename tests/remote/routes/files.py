"""Files: upload, list, retrieve, content, delete."""

from aiohttp import BodyPartReader, web

from tests.remote import paging, refusals
from tests.remote.calls import Call, answer
from tests.remote.files import FILE_LIMIT, Bytes, StoredFile, check_lines
from tests.remote.refusals import Refusal

_FIELDS = {"purpose", "file", "expires_after[anchor]", "expires_after[seconds]"}


async def create(call: Call) -> web.Response:
    fields, file = await _read_form(call)
    if "purpose" not in fields:
        raise refusals.missing_property("purpose")
    if fields["purpose"] not in refusals.PURPOSES:
        raise refusals.bad_purpose(fields["purpose"])
    if file is None:
        raise refusals.missing_property("file")
    filename, content = file
    if fields["purpose"] == "fine-tune":
        check_lines(content)
    now = call.now
    stored = StoredFile(call.world.names.file(azure=call.is_dated), filename, fields["purpose"], now, content,
                        expires_at=_expiry(fields, now))
    call.account.files[stored.id] = stored
    return answer(stored.wire(), call.made)


async def _read_form(call: Call) -> tuple[dict[str, str], tuple[str, Bytes] | None]:
    if not call.request.content_type.startswith("multipart/"):
        raise Refusal(400, "Invalid Content-Type header. Expected multipart/form-data.", twin=True)
    fields: dict[str, str] = {}
    file = None
    async for part in await call.request.multipart():
        if not isinstance(part, BodyPartReader) or part.name is None or part.name not in _FIELDS:
            raise refusals.unknown_parameter(getattr(part, "name", None) or "")
        if part.name == "file":
            file = (part.filename or "upload", await read_part(part, FILE_LIMIT))
        else:
            fields[part.name] = await part.text()
    return fields, file


async def read_part(part: BodyPartReader, limit: int) -> Bytes:
    content = Bytes()
    while piece := await part.read_chunk(2**18):
        content.append(part.decode(piece))
        if content.size > limit:
            raise refusals.too_large(limit)
    return content


def _expiry(fields: dict[str, str], now: float) -> float | None:
    seconds = fields.get("expires_after[seconds]")
    if seconds is None:
        return None
    if fields.get("expires_after[anchor]") != "created_at" or not seconds.isdigit():
        raise refusals.wrong_value("expires_after.anchor", "expected 'created_at' and whole seconds.")
    if not 3600 <= int(seconds) <= 2_592_000:
        raise refusals.wrong_value("expires_after.seconds", "expected a value between 3600 and 2592000.")
    return now + int(seconds)


async def index(call: Call) -> web.Response:
    limit = paging.limit(call.request, 10_000, 10_000)
    purpose, order = call.request.query.get("purpose"), call.request.query.get("order", "desc")
    if order not in {"asc", "desc"}:
        raise refusals.wrong_value("order", f"'{order}' is not one of ['asc', 'desc'].")
    files = [file for file in call.account.files.values() if purpose in {None, file.purpose}]
    files.sort(key=lambda file: file.created_at)
    if order == "desc":
        files.reverse()
    cursor = call.request.query.get("after")
    rest = paging.after(files, lambda file: file.id, cursor, refusals.unknown_file(cursor or ""))
    shown = rest[:limit]
    body = {"object": "list", "data": [file.wire() for file in shown], "has_more": len(rest) > limit,
            "first_id": shown[0].id if shown else None, "last_id": shown[-1].id if shown else None}
    return answer(body)


async def retrieve(call: Call) -> web.Response:
    return answer(call.account.file(call.name("file")).wire())


async def content(call: Call) -> web.StreamResponse:
    file = call.account.file(call.name("file"))
    if file.purpose == "assistants":
        raise Refusal(400, f"Not allowed to download files of purpose: {file.purpose}", twin=True)
    file.reads += 1
    response = web.StreamResponse(headers={"Content-Type": "application/octet-stream",
                                           "Content-Length": str(file.content.size),
                                           "Content-Disposition": 'attachment; filename="content"'})
    await response.prepare(call.request)
    for piece in file.content.pieces():
        await response.write(piece)
    return response


async def delete(call: Call) -> web.Response:
    file = call.account.file(call.name("file"))
    del call.account.files[file.id]
    return answer({"object": "file", "deleted": True, "id": file.id})
