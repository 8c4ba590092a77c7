"""Bytes are erased when nobody needs them, not sooner, and not left behind."""

from typing import Any

import pytest
from sqlalchemy import text

from service.files import operations
from service.files.contents import file_key
from service.kit.database import transaction
from service.kit.storage import storage
from service.settings import settings
from tests.fixtures.api import Tenant
from tests.service.files.chats import lines
from tests.worker.tasks.running import work_off


def create(tenant: Tenant, **fields: str) -> str:
    answer = tenant.client.post("/v1/files", files={"file": ("f", lines())}, data={"purpose": "user_data", **fields})
    identifier: str = answer.json()["id"]
    return identifier


def run(tenant: Tenant, statement: str) -> Any:
    with transaction(tenant.scope) as session:
        return session.execute(text(statement))


def make_due(tenant: Tenant) -> None:
    run(tenant, "update work_items set run_at = now(), next_dispatch = now()")


def stored(tenant: Tenant) -> list[str]:
    return storage().keys(f"projects/{tenant.project_id}")


def items(tenant: Tenant) -> list[tuple[str, float]]:
    return [(row.kind, row.wait.total_seconds())
            for row in run(tenant, "select kind, run_at - now() as wait from work_items")]


def test_a_deleted_files_bytes_are_erased(tenant: Tenant) -> None:
    gone, kept = create(tenant), create(tenant)
    tenant.client.delete(f"/v1/files/{gone}")
    work_off(tenant)
    assert stored(tenant) == [file_key(tenant.project_id, kept)]


def test_a_live_file_outlives_the_check_of_its_reservation(tenant: Tenant) -> None:
    kept = create(tenant)
    make_due(tenant)
    assert work_off(tenant) == 1
    assert stored(tenant) == [file_key(tenant.project_id, kept)]
    assert items(tenant) == []


def test_bytes_that_no_row_names_are_erased(tenant: Tenant) -> None:
    with transaction(tenant.scope) as session:
        file_id = operations.reserve(session, tenant.project_id)
    storage().write(file_key(tenant.project_id, file_id), b"of a process that died")
    make_due(tenant)
    work_off(tenant)
    assert stored(tenant) == []


def test_a_file_that_expires_later_is_looked_at_again_then(tenant: Tenant) -> None:
    create(tenant, **{"expires_after[anchor]": "created_at", "expires_after[seconds]": "7200"})
    make_due(tenant)
    work_off(tenant)
    [(kind, wait)] = items(tenant)
    assert kind == "files.erase"
    assert 7000 < wait <= 7200
    assert len(stored(tenant)) == 1
    run(tenant, "update files set expires_at = now()")
    make_due(tenant)
    work_off(tenant)
    assert stored(tenant) == []


@pytest.mark.parametrize("how", ["cancel", "complete", "expire"])
def test_the_parts_of_a_closed_upload_are_erased(tenant: Tenant, how: str) -> None:
    body = {"bytes": 3, "filename": "f", "purpose": "user_data", "mime_type": "text/plain"}
    upload = tenant.client.post("/v1/uploads", json=body).json()["id"]
    part = tenant.client.post(f"/v1/uploads/{upload}/parts", files={"data": ("f", b"abc")}).json()["id"]
    make_due(tenant)
    work_off(tenant)
    assert len(stored(tenant)) == 1  # still open
    if how == "expire":
        run(tenant, "update uploads set expires_at = now()")
        make_due(tenant)
    else:
        answer = tenant.client.post(f"/v1/uploads/{upload}/{how}", json={"part_ids": [part]})
        assert answer.status_code == 200
    work_off(tenant)
    assert [key for key in stored(tenant) if "/uploads/" in key] == []
    assert len(stored(tenant)) == (how == "complete")
    [status] = run(tenant, "select status from uploads").scalars()
    assert status == {"cancel": "cancelled", "complete": "completed", "expire": "expired"}[how]


def test_a_store_that_is_away_is_tried_again(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = create(tenant)
    tenant.client.delete(f"/v1/files/{gone}")
    with monkeypatch.context() as patch:
        patch.setenv("TUNEWORKS_STORAGE_URL", "file:///proc/no/such/place")
        settings.cache_clear()
        work_off(tenant)
    settings.cache_clear()
    assert len(stored(tenant)) == 1
    make_due(tenant)
    work_off(tenant)
    assert stored(tenant) == []
