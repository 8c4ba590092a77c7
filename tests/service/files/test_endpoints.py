"""Files over HTTP: what OpenAI answers, byte for byte where it was recorded, and nothing left of a refusal."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import text

from service.kit.database import transaction
from service.kit.storage import storage
from service.settings import settings
from tests.fixtures.api import Tenant
from tests.service.files.chats import line, lines

CHAT = lines()


def stored(tenant: Tenant) -> list[str]:
    return storage().keys(f"projects/{tenant.project_id}")


def create(tenant: Tenant, data: bytes = CHAT, purpose: str = "fine-tune", name: str = "train.jsonl",
           expires_after: int | None = None) -> dict[str, Any]:
    fields = {} if expires_after is None else {"expires_after[anchor]": "created_at",
                                               "expires_after[seconds]": str(expires_after)}
    answer = tenant.client.post("/v1/files", files={"file": (name, data)}, data={"purpose": purpose, **fields})
    assert answer.status_code == 200, answer.text
    created: dict[str, Any] = answer.json()
    return created


def work_of(tenant: Tenant, subject: str) -> dict[str, Any]:
    with transaction(tenant.scope) as session:
        rows = session.execute(text("select kind, run_at - now() as wait from work_items where subject = :s"),
                               {"s": subject})
        return {row.kind: row.wait.total_seconds() for row in rows}


class TestCreate:
    def test_the_answer_is_a_file_and_its_bytes_are_stored(self, tenant: Tenant) -> None:
        created = create(tenant, name="你好.jsonl")
        assert created == {"id": created["id"], "object": "file", "bytes": len(CHAT), "filename": "你好.jsonl",
                           "created_at": created["created_at"], "expires_at": None, "purpose": "fine-tune",
                           "status": "uploaded", "status_details": None}
        assert stored(tenant) == [f"projects/{tenant.project_id}/files/{created['id']}"]
        assert "datasets.validate" in work_of(tenant, created["id"])

    @pytest.mark.parametrize("purpose", ["assistants", "batch", "user_data", "vision", "evals"])
    def test_what_is_not_trained_on_is_processed_at_once(self, tenant: Tenant, purpose: str) -> None:
        created = create(tenant, b"\x00\xff anything", purpose)
        assert created["status"] == "processed"
        assert "datasets.validate" not in work_of(tenant, created["id"])

    def test_fields_may_follow_the_file(self, tenant: Tenant) -> None:
        body = (b'--B\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n' + CHAT +
                b'\r\n--B\r\nContent-Disposition: form-data; name="expires_after[seconds]"\r\n\r\n3600'
                b'\r\n--B\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune'
                b'\r\n--B\r\nContent-Disposition: form-data; name="expires_after[anchor]"\r\n\r\ncreated_at'
                b"\r\n--B--\r\n")
        answer = tenant.client.post("/v1/files", content=body,
                                    headers={"content-type": "multipart/form-data; boundary=B"})
        assert answer.status_code == 200
        assert answer.json()["expires_at"] == answer.json()["created_at"] + 3600

    def test_batch_files_expire_after_thirty_days(self, tenant: Tenant) -> None:
        created = create(tenant, purpose="batch")
        assert created["expires_at"] - created["created_at"] == 30 * 24 * 3600

    @pytest.mark.parametrize(("files", "fields", "message", "param", "code"), [
        ({"file": ("f", CHAT)}, {}, "'purpose' is a required property", "purpose", None),
        ({}, {"purpose": "fine-tune"}, "'file' is a required property", "file", None),
        ({"file": ("f", CHAT)}, {"purpose": "world_domination"},
         ("'world_domination' is not one of ['fine-tune', 'assistants', 'batch', 'user_data', 'vision', 'evals']"
          " - 'purpose'"), "purpose", None),
        ({"file": ("f", CHAT)}, {"purpose": "batch", "model": "gpt"},
         "Additional properties are not allowed ('model' was unexpected)", "model", None),
        ({"file": ("f", b"")}, {"purpose": "batch"}, "The file is empty. Upload a file with at least one byte.",
         "file", "empty_file"),
        ({"file": ("f", b'[\n{"messages": []}]')}, {"purpose": "fine-tune"},
         ("Expected file to have JSONL format, where every line is a JSON dictionary. Line 1 is not a dictionary"
          ' (HINT: line starts with: "[...").'), "file", None),
        ({"file": ("f", CHAT)}, {"purpose": "batch", "expires_after[anchor]": "created_at",
                                 "expires_after[seconds]": "60"},
         "Invalid 'expires_after.seconds': integer below minimum value. Expected a value >= 3600, but got 60 instead.",
         "expires_after.seconds", "integer_below_min_value"),
        ({"file": ("f", CHAT)}, {"purpose": "batch", "expires_after[seconds]": "3600"},
         "Missing required parameter: 'expires_after.anchor'.", "expires_after.anchor", "missing_required_parameter"),
        ({"file": ("x" * 256, CHAT)}, {"purpose": "batch"}, "The file needs a name of 1 to 255 characters.", "file",
         None),
    ], ids=["no purpose", "no file", "purpose", "unknown field", "empty", "no JSONL", "expiry", "half expiry", "name"])
    def test_a_refusal_is_worded_as_recorded_and_leaves_nothing(
            self, tenant: Tenant, files: dict[str, Any], fields: dict[str, str], message: str, param: str,
            code: str | None) -> None:
        content = {"files": files} if files else {"files": {"purpose": (None, fields.pop("purpose"))}}
        answer = tenant.client.post("/v1/files", data=fields, **content)
        assert answer.status_code == 400
        assert answer.json() == {
            "error": {"message": message, "type": "invalid_request_error", "param": param, "code": code},
            "detail": {"message": message, "code": code}}
        assert stored(tenant) == []
        assert tenant.client.get("/v1/files").json()["data"] == []

    def test_a_bad_first_line_is_refused_wherever_the_purpose_stands(self, tenant: Tenant) -> None:
        body = (b'--B\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nnot json'
                b'\r\n--B\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n--B--\r\n')
        answer = tenant.client.post("/v1/files", content=body,
                                    headers={"content-type": "multipart/form-data; boundary=B"})
        assert (answer.status_code, stored(tenant)) == (400, [])
        assert "Line 1 is not a dictionary" in answer.json()["error"]["message"]

    def test_a_byte_order_mark_and_a_long_first_line_pass(self, tenant: Tenant) -> None:
        assert create(tenant, b"\xef\xbb\xbf" + CHAT)["bytes"] == len(CHAT) + 3
        assert create(tenant, line(padding="x" * 1_500_000))["status"] == "uploaded"

    def test_another_body_is_an_unsupported_media_type(self, tenant: Tenant) -> None:
        answer = tenant.client.post("/v1/files", json={"purpose": "fine-tune"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_content_type")

    def test_a_key_is_asked_for_before_the_body_is_read(self, tenant: Tenant) -> None:
        answer = tenant.client.post("/v1/files", files={"file": ("f", CHAT)}, headers={"authorization": "Bearer no"})
        assert answer.status_code == 401


@pytest.mark.usefixtures("house")
class TestLimits:
    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        monkeypatch.setenv("TUNEWORKS_MAX_FILE_BYTES", "1000")
        settings.cache_clear()
        yield
        monkeypatch.undo()
        settings.cache_clear()

    def test_the_largest_file_passes(self, tenant: Tenant) -> None:
        assert create(tenant, b"x" * 1000, "batch")["bytes"] == 1000

    @pytest.mark.parametrize("size", [1001, 200_000])
    def test_a_larger_one_is_refused_and_leaves_nothing(self, tenant: Tenant, size: int) -> None:
        answer = tenant.client.post("/v1/files", files={"file": ("f", b"x" * size)}, data={"purpose": "batch"})
        assert (answer.status_code, stored(tenant)) == (413, [])
        assert answer.json()["error"]["message"] == \
            "The file is larger than 1000 bytes. Send it in parts with /v1/uploads."


class TestRead:
    def test_lists_are_filtered_ordered_and_paged(self, tenant: Tenant) -> None:
        ids = [create(tenant)["id"] for _ in range(3)]
        other = create(tenant, purpose="batch")["id"]

        def listed(**query: Any) -> tuple[list[str], bool]:
            page = tenant.client.get("/v1/files", params=query).json()
            found = [file["id"] for file in page["data"]]
            assert (page["object"], page["first_id"], page["last_id"]) == ("list", found[0], found[-1])
            return found, page["has_more"]

        assert listed() == ([other, *reversed(ids)], False)
        assert listed(purpose="fine-tune", order="asc") == (ids, False)
        assert listed(limit=2) == ([other, ids[2]], True)
        assert listed(limit=2, after=ids[2]) == ([ids[1], ids[0]], False)

    @pytest.mark.parametrize("query", ["limit=0", "limit=10001", "limit=x", "order=up", "after=file-x", "purpose=%00"])
    def test_a_bad_query_is_refused(self, tenant: Tenant, query: str) -> None:
        assert tenant.client.get(f"/v1/files?{query}").status_code == 400

    def test_the_content_is_what_was_uploaded(self, tenant: Tenant) -> None:
        data = bytes(range(256)) * 40_000
        created = create(tenant, data, "user_data", "ü.bin")
        answer = tenant.client.get(f"/v1/files/{created['id']}/content")
        assert answer.content == data
        assert answer.headers["content-length"] == str(len(data))
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%BC.bin"

    def test_the_content_is_gone_when_its_object_is(self, tenant: Tenant) -> None:
        created = create(tenant)
        storage().delete_prefix(f"projects/{tenant.project_id}")
        assert tenant.client.get(f"/v1/files/{created['id']}/content").status_code == 404


class TestGone:
    def test_a_deleted_file_is_gone_everywhere(self, tenant: Tenant) -> None:
        created = create(tenant)
        url = f"/v1/files/{created['id']}"
        assert tenant.client.delete(url).json() == {"id": created["id"], "object": "file", "deleted": True}
        assert [tenant.client.get(url).status_code, tenant.client.get(f"{url}/content").status_code,
                tenant.client.delete(url).status_code] == [404, 404, 404]
        assert tenant.client.get("/v1/files").json()["data"] == []
        assert work_of(tenant, created["id"])["files.erase"] <= 0

    def test_an_expired_file_is_gone_too(self, tenant: Tenant) -> None:
        created = create(tenant, expires_after=3600)
        assert 3000 < work_of(tenant, created["id"])["files.erase"] <= 3600
        with transaction(tenant.scope) as session:
            session.execute(text("update files set expires_at = now() - interval '1 second'"))
        assert tenant.client.get(f"/v1/files/{created['id']}").status_code == 404
        assert tenant.client.get("/v1/files").json()["data"] == []

    def test_a_list_goes_on_after_a_deleted_file(self, tenant: Tenant) -> None:
        ids = [create(tenant)["id"] for _ in range(2)]
        tenant.client.delete(f"/v1/files/{ids[1]}")
        assert [file["id"] for file in tenant.client.get("/v1/files", params={"after": ids[1]}).json()["data"]] == \
            [ids[0]]

    @pytest.mark.parametrize(("method", "path"), [("GET", ""), ("GET", "/content"), ("DELETE", "")])
    def test_a_strangers_file_answers_as_an_unknown_one(self, tenant: Tenant, stranger: Tenant, method: str,
                                                        path: str) -> None:
        theirs = create(stranger)["id"]
        answer = tenant.client.request(method, f"/v1/files/{theirs}{path}")
        unknown = tenant.client.request(method, f"/v1/files/file-unknown{path}")
        assert (answer.status_code, answer.text) == (404, unknown.text.replace("file-unknown", theirs))
        message = f"No such File object: {theirs}"
        assert answer.json() == {
            "error": {"message": message, "type": "invalid_request_error", "param": "id", "code": None},
            "detail": {"message": message, "code": None}}
        assert stranger.client.get(f"/v1/files/{theirs}").status_code == 200
