"""Uploads in parts: one file of exactly the declared bytes, made once, and nothing kept of what is given up."""

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from service.kit.database import transaction
from service.kit.storage import storage
from service.settings import settings
from tests.fixtures.api import Tenant
from tests.service.files.chats import lines

CHAT = lines()


def create(tenant: Tenant, size: int = len(CHAT), **more: Any) -> dict[str, Any]:
    answer = tenant.client.post("/v1/uploads", json={"bytes": size, "filename": "train.jsonl", "purpose": "fine-tune",
                                                     "mime_type": "text/jsonl", **more})
    assert answer.status_code == 200, answer.text
    created: dict[str, Any] = answer.json()
    return created


def send(tenant: Tenant, upload: dict[str, Any], data: bytes) -> Any:
    return tenant.client.post(f"/v1/uploads/{upload['id']}/parts", files={"data": ("part", data)})


def part(tenant: Tenant, upload: dict[str, Any], data: bytes) -> str:
    answer = send(tenant, upload, data)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"id": answer.json()["id"], "object": "upload.part", "upload_id": upload["id"],
                             "created_at": answer.json()["created_at"]}
    identifier: str = answer.json()["id"]
    return identifier


def complete(tenant: Tenant, upload: dict[str, Any], *part_ids: str, **more: Any) -> Any:
    return tenant.client.post(f"/v1/uploads/{upload['id']}/complete", json={"part_ids": part_ids, **more})


def expire(tenant: Tenant) -> None:
    with transaction(tenant.scope) as session:
        session.execute(text("update uploads set expires_at = now() - interval '1 second'"))


def files_of(tenant: Tenant) -> list[str]:
    return storage().keys(f"projects/{tenant.project_id}/files")


def test_an_upload_begins_without_a_file(tenant: Tenant) -> None:
    upload = create(tenant, 8)
    assert upload == {"id": upload["id"], "object": "upload", "bytes": 8, "created_at": upload["created_at"],
                      "filename": "train.jsonl", "purpose": "fine-tune", "status": "pending",
                      "expires_at": upload["created_at"] + settings().upload_lifetime_seconds}


def test_parts_become_a_file_in_the_order_given(tenant: Tenant) -> None:
    upload = create(tenant, expires_after={"anchor": "created_at", "seconds": 3600})
    second, first = part(tenant, upload, CHAT[100:]), part(tenant, upload, CHAT[:100])
    done = complete(tenant, upload, first, second, md5=hashlib.md5(CHAT).hexdigest()).json()
    file = done.pop("file")
    assert done == {**upload, "status": "completed"}
    assert file == {"id": file["id"], "object": "file", "bytes": len(CHAT), "created_at": file["created_at"],
                    "filename": "train.jsonl", "purpose": "fine-tune", "status": "uploaded", "status_details": None,
                    "expires_at": file["created_at"] + 3600}
    assert tenant.client.get(f"/v1/files/{file['id']}/content").content == CHAT
    with transaction(tenant.scope) as session:
        assert session.execute(text("select sha256 from files")).scalar_one() == hashlib.sha256(CHAT).hexdigest()
        assert session.execute(text("select count(*) from work_items where kind = 'datasets.validate'"
                                    " and subject = :s"), {"s": file["id"]}).scalar_one() == 1


def test_md5_may_be_base64(tenant: Tenant) -> None:
    upload = create(tenant)
    md5 = base64.b64encode(hashlib.md5(CHAT).digest()).decode()
    assert complete(tenant, upload, part(tenant, upload, CHAT), md5=md5).status_code == 200


def test_completing_twice_answers_the_same(tenant: Tenant) -> None:
    upload = create(tenant)
    part_id = part(tenant, upload, CHAT)
    first = complete(tenant, upload, part_id)
    assert complete(tenant, upload, part_id).json() == first.json()
    assert len(files_of(tenant)) == 1


def test_completing_at_the_same_time_makes_one_file(tenant: Tenant) -> None:
    upload = create(tenant)
    part_id = part(tenant, upload, CHAT)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: complete(tenant, upload, part_id), range(4)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["file"]["id"] for answer in answers}) == 1
    assert len(tenant.client.get("/v1/files").json()["data"]) == 1


@pytest.mark.parametrize(("chosen", "message", "param"), [
    ([0, 0], "Part '{0}' is listed more than once.", "part_ids"),
    ([1], "The listed parts hold 3 bytes, but the upload was created with 6 bytes.", "part_ids"),
    ([0, 2], "No part '{2}' in upload {upload}.", "part_ids"),
    ([0, 3], "No part 'part_unknown' in upload {upload}.", "part_ids"),
])
def test_the_parts_must_make_the_file(tenant: Tenant, chosen: list[int], message: str, param: str) -> None:
    upload, other = create(tenant, 6), create(tenant, 6)
    ids = [part(tenant, upload, b"abc"), part(tenant, upload, b"def"), part(tenant, other, b"ghi"), "part_unknown"]
    answer = complete(tenant, upload, *(ids[index] for index in chosen))
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert answer.json()["error"]["message"] == message.format(*ids, upload=upload["id"])
    assert complete(tenant, upload, ids[0], ids[1]).status_code == 200


def test_a_wrong_md5_stores_nothing_and_may_be_corrected(tenant: Tenant) -> None:
    upload = create(tenant)
    part_id = part(tenant, upload, CHAT)
    answer = complete(tenant, upload, part_id, md5="0" * 32)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "md5")
    assert hashlib.md5(CHAT).hexdigest() in answer.json()["error"]["message"]
    assert files_of(tenant) == []
    assert complete(tenant, upload, part_id).status_code == 200


def test_a_part_sent_again_does_not_spoil_the_upload(tenant: Tenant) -> None:
    upload = create(tenant, 6)
    first = part(tenant, upload, b"abc")
    part(tenant, upload, b"def")
    again = part(tenant, upload, b"def")
    assert complete(tenant, upload, first, again).status_code == 200


def test_parts_are_limited(tenant: Tenant) -> None:
    upload = create(tenant, 6)
    assert send(tenant, upload, b"1234567").status_code == 413
    assert send(tenant, upload, b"").status_code == 400
    for _ in range(2):
        part(tenant, upload, b"123456")
    answer = send(tenant, upload, b"1")
    assert answer.json()["error"]["message"] == \
        "The parts hold more than the 6 bytes that this upload was created with."
    assert len(storage().keys(f"projects/{tenant.project_id}/uploads")) == 2


@pytest.mark.parametrize("form", [{"file": ("f", b"x")}, {"data": (None, b"")}])
def test_a_part_needs_data(tenant: Tenant, form: dict[str, Any]) -> None:
    answer = tenant.client.post(f"/v1/uploads/{create(tenant, 6)['id']}/parts", files=form)
    assert answer.status_code == 400


def test_a_cancelled_upload_takes_no_more(tenant: Tenant) -> None:
    upload = create(tenant)
    part_id = part(tenant, upload, CHAT)
    for _ in range(2):
        cancelled = tenant.client.post(f"/v1/uploads/{upload['id']}/cancel")
        assert cancelled.json() == {**upload, "status": "cancelled"}
    for answer in (send(tenant, upload, CHAT), complete(tenant, upload, part_id)):
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "upload_cancelled")
        assert answer.json()["error"]["message"] == \
            f"Upload {upload['id']} is cancelled. Create a new upload to send a file."
    assert tenant.client.get("/v1/files").json()["data"] == []


def test_an_expired_upload_takes_no_more(tenant: Tenant) -> None:
    upload = create(tenant)
    part_id = part(tenant, upload, CHAT)
    expire(tenant)
    cancel = tenant.client.post(f"/v1/uploads/{upload['id']}/cancel")
    for answer in (send(tenant, upload, CHAT), complete(tenant, upload, part_id), cancel):
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "upload_expired")


def test_a_completed_upload_is_closed(tenant: Tenant) -> None:
    upload = create(tenant)
    complete(tenant, upload, part(tenant, upload, CHAT))
    for answer in (send(tenant, upload, CHAT), tenant.client.post(f"/v1/uploads/{upload['id']}/cancel")):
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "upload_completed")


def test_parts_that_are_erased_while_they_are_joined_end_in_the_uploads_state(tenant: Tenant) -> None:
    upload = create(tenant)
    part_id = part(tenant, upload, CHAT)
    storage().delete_prefix(f"projects/{tenant.project_id}/uploads")
    answer = complete(tenant, upload, part_id)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "upload_expired")
    assert files_of(tenant) == []


@pytest.mark.parametrize(("change", "param"), [
    ({"bytes": 0}, "bytes"), ({"bytes": 8 * 2**30 + 1}, "bytes"), ({"bytes": 2**80}, "bytes"),
    ({"bytes": "8"}, "bytes"), ({"purpose": "x"}, "purpose"), ({"filename": ""}, "filename"),
    ({"filename": "a\x00"}, "filename"), ({"mime_type": None}, "mime_type"), ({"what": 1}, "what"),
    ({"expires_after": {"anchor": "created_at", "seconds": 1}}, "expires_after.seconds"),
])
def test_a_bad_upload_is_refused(tenant: Tenant, change: dict[str, Any], param: str) -> None:
    body = {"bytes": 8, "filename": "f", "purpose": "fine-tune", "mime_type": "text/jsonl", **change}
    answer = tenant.client.post("/v1/uploads", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize("body", [{}, {"part_ids": []}, {"part_ids": "x"}, {"part_ids": ["x"], "md5": 1}])
def test_a_bad_completion_is_refused(tenant: Tenant, body: dict[str, Any]) -> None:
    assert tenant.client.post(f"/v1/uploads/{create(tenant)['id']}/complete", json=body).status_code == 400


@pytest.mark.parametrize("verb", ["complete", "cancel", "parts"])
def test_a_strangers_upload_answers_as_an_unknown_one(tenant: Tenant, stranger: Tenant, verb: str) -> None:
    def call(upload_id: str) -> Any:
        body: dict[str, Any] = {"json": {"part_ids": ["part_x"]}} if verb == "complete" else \
            {"files": {"data": ("f", b"x")}} if verb == "parts" else {}
        return tenant.client.post(f"/v1/uploads/{upload_id}/{verb}", **body)
    theirs = create(stranger)["id"]
    answer, unknown = call(theirs), call("upload_unknown")
    assert (answer.status_code, answer.text) == (404, unknown.text.replace("upload_unknown", theirs))
