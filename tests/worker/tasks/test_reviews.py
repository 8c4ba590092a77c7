"""Preparing a review: waits for the analysis, chooses once, and says what it could not do."""

from typing import Any

import pytest
from sqlalchemy import text

from service.datasets.analysis.batches import Flag
from service.datasets.operations.places import columns_key
from service.kit.database import transaction
from service.kit.storage import storage
from service.kit.work import MAX_FAILURES, Work, enqueue
from service.settings import settings
from tests.fixtures.api import Tenant
from tests.service.datasets.reviewing import Reviewed, make_version
from tests.worker.tasks.running import work_off


def ask(version: Reviewed) -> str:
    identifier: str = version.tenant.client.post(version.url, json={"flagged": "all"}).json()["id"]
    return identifier


def found(version: Reviewed, review_id: str) -> dict[str, Any]:
    review: dict[str, Any] = version.tenant.client.get(f"{version.url}/{review_id}").json()
    return review


def change(tenant: Tenant, statement: str) -> None:
    with transaction(tenant.scope) as session:
        session.execute(text(statement))


@pytest.mark.parametrize("waiting", ["update files set status = 'uploaded'",
                                     "update dataset_versions set status = 'building'"])
def test_it_waits_until_the_version_is_built_and_read(tenant: Tenant, waiting: str) -> None:
    version = make_version(tenant, [Flag.SECRET] * 3)
    change(tenant, waiting)
    review = ask(version)
    work_off(tenant)
    assert found(version, review)["status"] == "preparing"
    change(tenant, "update files set status = 'error'")
    change(tenant, "update dataset_versions set status = 'ready'")
    change(tenant, "update work_items set run_at = now()")
    work_off(tenant)
    assert (found(version, review)["status"], found(version, review)["progress"]["items"]) == ("open", 3)


def test_preparing_twice_records_the_same_items_once(tenant: Tenant) -> None:
    version = make_version(tenant, [Flag.SECRET] * 3)
    review = ask(version)
    for _ in range(2):
        work_off(tenant)
        with transaction(tenant.scope) as session:
            enqueue(session, Work.PREPARE_REVIEW, review, project_id=tenant.project_id)
    assert found(version, review)["progress"]["items"] == 3


@pytest.mark.parametrize("columns", [None, b"", b"no columns", b"PK\x03\x04 torn"])
def test_without_an_analysis_it_fails_and_says_so(tenant: Tenant, columns: bytes | None) -> None:
    version = make_version(tenant, [Flag.SECRET] * 3, analysed=False)
    if columns is not None:
        storage().write(columns_key(tenant.project_id, version.file_id), columns)
    review = ask(version)
    work_off(tenant)
    failed = found(version, review)
    assert failed["status"] == "failed"
    assert f"GET /v1/files/{version.file_id}/validation" in failed["error"]


def test_a_version_that_is_gone_has_nothing_to_review(tenant: Tenant) -> None:
    version = make_version(tenant, [Flag.SECRET] * 3)
    review = ask(version)
    change(tenant, "update dataset_versions set status = 'failed'")
    work_off(tenant)
    assert found(version, review)["status"] == "failed"


def test_a_store_that_stays_away_fails_it_in_the_end(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    version = make_version(tenant, [Flag.SECRET] * 3)
    review = ask(version)
    with monkeypatch.context() as patch:
        patch.setenv("TUNEWORKS_STORAGE_URL", "file:///proc/no/such/place")
        settings.cache_clear()
        work_off(tenant)
        assert found(version, review)["status"] == "preparing"
        with transaction(tenant.scope) as session:
            session.execute(text("update work_items set run_at = now(), failures = :most"), {"most": MAX_FAILURES})
        work_off(tenant)
    settings.cache_clear()
    assert found(version, review)["error"].startswith("The examples could not be chosen: The object store")
