"""Keys are recognised, refused, and confined to what they may see."""

import pytest
from fastapi import Request
from fastapi.security import HTTPAuthorizationCredentials
from fastapi.testclient import TestClient
from sqlalchemy import select, text

from service.files.tables import File
from service.kit.database import NOBODY, transaction
from service.tenants import access, operations
from service.tenants.tables import ServiceAccount
from tests.fixtures.api import Administrator, Tenant


def test_an_unknown_url_answers_in_the_envelope(app_client: TestClient) -> None:
    answer = app_client.get("/v1/nothing")
    assert answer.status_code == 404
    assert answer.json() == {"error": {"message": "Invalid URL (GET /v1/nothing)",
                                       "type": "invalid_request_error", "param": None, "code": None}}
    assert answer.headers["x-request-id"].startswith("req_")


@pytest.mark.parametrize("table", ["projects", "api_keys", "organizations"])
def test_nobody_sees_nothing(tenant: Tenant, table: str) -> None:
    with transaction(NOBODY) as session:
        assert session.execute(text(f"select count(*) from {table}")).scalar_one() == 0
    with transaction(tenant.scope) as session:
        assert session.execute(text("select count(*) from projects")).scalar_one() == 1


class TestActor:
    def test_two_keys_of_one_account_are_one_actor(self, tenant: Tenant) -> None:
        with transaction(tenant.scope) as session:
            [account] = session.scalars(select(ServiceAccount)).all()
            second, plain = operations.create_account_key(session, account, "second")
            account_id, second_id = account.id, second.id
        callers = [access.authenticate(request(), credentials(each)) for each in (tenant.key, plain)]
        assert {caller.actor for caller in callers} == {account_id}
        assert callers[1].key_id == second_id != callers[0].key_id

    def test_an_admin_key_acts_for_itself(self, administrator: Administrator) -> None:
        caller = access.authenticate(request(), credentials(administrator.key))
        assert caller.actor == caller.key_id


class TestUploader:
    def test_files_and_uploads_tell_who_made_them(self, tenant: Tenant) -> None:
        file = tenant.client.post("/v1/files", data={"purpose": "fine-tune"},
                                  files={"file": ("train.jsonl", b'{"messages": []}\n')}).json()
        upload = tenant.client.post("/v1/uploads", json={"filename": "a", "purpose": "batch", "bytes": 3,
                                                         "mime_type": "text/plain"}).json()
        part = tenant.client.post(f"/v1/uploads/{upload['id']}/parts", files={"data": ("p", b"abc")}).json()
        done = tenant.client.post(f"/v1/uploads/{upload['id']}/complete", json={"part_ids": [part["id"]]}).json()
        assert "created_by" not in file
        with transaction(tenant.scope) as session:
            account_id = session.scalars(select(ServiceAccount.id)).one()
            assert {row.id: row.created_by for row in session.scalars(select(File))} == \
                {file["id"]: account_id, done["file"]["id"]: account_id}


def request() -> Request:
    return Request({"type": "http", "state": {}})


def credentials(key: str) -> HTTPAuthorizationCredentials:
    return HTTPAuthorizationCredentials(scheme="Bearer", credentials=key)
