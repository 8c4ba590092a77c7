"""Uploads in parts: begin, add, complete, cancel, and expiry by the simulated clock."""

import hashlib
import re
from typing import Any

from aiohttp import BodyPartReader, web

from tests.remote import refusals
from tests.remote.calls import Call, answer
from tests.remote.files import PART_LIMIT, UPLOAD_LIMIT, Bytes, StoredFile, Upload, check_lines
from tests.remote.refusals import Refusal, missing_parameter, unknown_parameter, wrong_type, wrong_value
from tests.remote.routes.files import read_part

_TYPES: dict[str, type] = {"purpose": str, "filename": str, "bytes": int, "mime_type": str, "expires_after": dict}


def _find(call: Call) -> Upload:
    upload = call.account.uploads.get(call.name("upload"))
    if upload is None:
        raise Refusal(404, f"No such Upload object: {call.name('upload')}", param="upload_id")
    return upload


async def create(call: Call) -> web.Response:
    body = await call.json()
    _check(body)
    now = call.now
    upload = Upload(call.world.names.upload(), body["filename"], body["purpose"], body["bytes"], body["mime_type"],
                    now, now + call.world.behaviour.upload_seconds)
    call.account.uploads[upload.id] = upload
    return answer(upload.wire())


def _check(body: Any) -> None:
    if not isinstance(body, dict):
        raise refusals.not_json()
    for name, value in body.items():
        if name not in _TYPES:
            raise unknown_parameter(name)
        if not isinstance(value, _TYPES[name]) or isinstance(value, bool):
            raise wrong_type(name, refusals.type_name(_TYPES[name]()), value)
    for name in ("purpose", "filename", "bytes", "mime_type"):
        if name not in body:
            raise missing_parameter(name)
    if body["purpose"] not in refusals.PURPOSES:
        raise wrong_value("purpose", f"'{body['purpose']}' is not one of {list(refusals.PURPOSES)}.")
    if not 0 < body["bytes"] <= UPLOAD_LIMIT:
        raise wrong_value("bytes", f"expected a value between 1 and {UPLOAD_LIMIT}.")
    if not re.fullmatch(r"[\w.+-]+/[\w.+-]+", body["mime_type"]):
        raise wrong_value("mime_type", "is not a MIME type.")


async def add_part(call: Call) -> web.Response:
    upload = _find(call)
    upload.check_open(call.now)
    content = None
    async for part in await call.request.multipart():
        if not isinstance(part, BodyPartReader) or part.name != "data":
            raise unknown_parameter(getattr(part, "name", None) or "")
        content = await read_part(part, PART_LIMIT)
    if content is None:
        raise missing_parameter("data")
    upload.check_open(call.now)
    part_id = call.world.names.part()
    upload.parts[part_id] = content
    return answer({"id": part_id, "object": "upload.part", "created_at": int(call.now), "upload_id": upload.id})


async def complete(call: Call) -> web.Response:
    upload, body = _find(call), await call.json()
    part_ids = body.get("part_ids") if isinstance(body, dict) else None
    if not isinstance(part_ids, list):
        raise missing_parameter("part_ids")
    upload.check_open(call.now)
    content = _join(upload, part_ids)
    if content.size != upload.bytes:
        raise Refusal(400, f"Upload {upload.id} expected {upload.bytes} bytes, but its parts have {content.size}.",
                      param="part_ids")
    if body.get("md5") and hashlib.md5(content.all()).hexdigest() != body["md5"]:
        raise Refusal(400, "The md5 checksum does not match.", param="md5")
    if upload.purpose == "fine-tune":
        check_lines(content)
    upload.file = StoredFile(call.world.names.file(), upload.filename, upload.purpose, call.now, content)
    upload.status = "completed"
    upload.parts.clear()
    call.account.files[upload.file.id] = upload.file
    return answer(upload.wire())


def _join(upload: Upload, part_ids: list[Any]) -> Bytes:
    content = Bytes()
    for part_id in part_ids:
        if part_id not in upload.parts:
            raise Refusal(404, f"No such Part object: {part_id}", param="part_ids")
        for piece in upload.parts[part_id].pieces():
            content.append(piece)
    return content


async def cancel(call: Call) -> web.Response:
    upload = _find(call)
    upload.check_open(call.now)
    upload.status = "cancelled"
    upload.parts.clear()
    return answer(upload.wire())
