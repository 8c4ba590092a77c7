"""Validation by a worker: the report and the file's status, the same however often it runs."""

from typing import Any

import pytest
from sqlalchemy import text

from service.kit.database import transaction
from service.kit.storage import storage
from service.kit.work import MAX_FAILURES, Work, enqueue
from service.settings import settings
from tests.fixtures.api import Tenant
from tests.service.files.chats import line, lines
from tests.worker.tasks.running import work_off


def create(tenant: Tenant, data: bytes) -> str:
    answer = tenant.client.post("/v1/files", files={"file": ("f", data)}, data={"purpose": "fine-tune"})
    identifier: str = answer.json()["id"]
    return identifier


def get(tenant: Tenant, path: str) -> dict[str, Any]:
    found: dict[str, Any] = tenant.client.get(f"/v1/files/{path}").json()
    return found


def test_a_good_file_becomes_processed(tenant: Tenant) -> None:
    file_id = create(tenant, lines(12))
    work_off(tenant)
    assert get(tenant, file_id)["status"] == "processed"
    report = get(tenant, f"{file_id}/validation")
    assert (report["status"], report["format"], report["lines"], report["examples"], report["errors"]) == \
        ("completed", "chat", 12, 12, 0)


def test_a_bad_file_becomes_an_error_that_says_why(tenant: Tenant) -> None:
    file_id = create(tenant, lines(12) + line(colour="red"))
    work_off(tenant)
    file = get(tenant, file_id)
    assert (file["status"], file["status_details"]) == \
        ("error", 'Invalid file format. Example 13 contains an extra "colour".')


def test_validating_twice_records_the_same(tenant: Tenant) -> None:
    file_id = create(tenant, lines(3) + b"{\n" * 5)
    reports = []
    for _ in range(2):
        work_off(tenant)
        report = get(tenant, f"{file_id}/validation")
        findings = [{**each, "id": None} for each in get(tenant, f"{file_id}/validation/findings")["data"]]
        reports.append(({**report, "completed_at": None}, findings))
        with transaction(tenant.scope) as session:
            enqueue(session, Work.VALIDATE_FILE, file_id, project_id=tenant.project_id)
    assert reports[0] == reports[1]
    assert len(reports[0][1]) == 6


def test_a_deleted_file_is_not_read(tenant: Tenant) -> None:
    file_id = create(tenant, lines())
    tenant.client.delete(f"/v1/files/{file_id}")
    work_off(tenant)
    with transaction(tenant.scope) as session:
        assert session.execute(text("select count(*) from dataset_reports")).scalar_one() == 0


def test_lost_bytes_are_told(tenant: Tenant) -> None:
    file_id = create(tenant, lines())
    storage().delete_prefix(f"projects/{tenant.project_id}")
    work_off(tenant)
    assert get(tenant, file_id)["status_details"] == \
        "The bytes of this file are gone from the object store. Upload it again."
    assert get(tenant, f"{file_id}/validation")["status"] == "failed"


def test_a_file_that_cannot_be_read_fails_in_the_end(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    file_id = create(tenant, lines())
    with monkeypatch.context() as patch:
        patch.setenv("TUNEWORKS_STORAGE_URL", "file:///proc/no/such/place")
        settings.cache_clear()
        work_off(tenant)
        assert get(tenant, file_id)["status"] == "uploaded"
        with transaction(tenant.scope) as session:
            session.execute(text("update work_items set run_at = now(), failures = :most"), {"most": MAX_FAILURES})
        work_off(tenant)
    settings.cache_clear()
    file = get(tenant, file_id)
    assert file["status"] == "error"
    assert file["status_details"].startswith("The file could not be validated: The object store is not reachable")
