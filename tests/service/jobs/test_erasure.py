"""Deleting data: refused while jobs used it, erased when that is asked for, and what it reaches told in either case."""

from typing import Any

import pytest
from sqlalchemy import text

from service.catalog import operations as catalog
from service.catalog.base_models import find_base_model
from service.catalog.operations import Artifact
from service.kit.database import transaction
from service.kit.storage import storage
from tests.fixtures.api import Tenant
from tests.service.datasets.making import DATASETS, built, chats, dataset, error, get, transform, upload, work
from tests.service.jobs.building import BASE, make_job


def tuned(tenant: Tenant, job_id: str, name: str) -> str:
    base = find_base_model(BASE)
    assert base is not None
    with transaction(tenant.scope) as session:
        catalog.register_model(session, project_id=tenant.project_id, job_id=job_id, step=1, name=name, base=base,
                               artifact=Artifact(prefix=f"artifacts/{name}/", kind="adapter"))
    return name


def delete(tenant: Tenant, path: str, query: str = "") -> Any:
    return tenant.client.delete(f"{DATASETS}/{path}{query}")


def count(tenant: Tenant, table: str, where: str = "true") -> int:
    with transaction(tenant.scope) as session:
        return int(session.execute(text(f"select count(*) from {table} where {where}")).scalar_one())


@pytest.fixture
def of(tenant: Tenant) -> str:
    return dataset(tenant)


@pytest.fixture
def version(tenant: Tenant, of: str) -> dict[str, Any]:
    return built(tenant, of, chats(12))


class TestDeleteAVersion:
    def test_an_unused_one_goes_with_its_bytes_and_its_findings(self, tenant: Tenant, of: str,
                                                                version: dict[str, Any]) -> None:
        tenant.client.post(f"{DATASETS}/{of}/versions/1/previews", json={"model": BASE})
        assert count(tenant, "dataset_reports", f"file_id = '{version['file_id']}'") == 1
        answer = delete(tenant, f"{of}/versions/1")
        assert answer.status_code == 200
        assert (answer.json()["deleted"], answer.json()["used_by"]) == (True, 0)
        assert count(tenant, "dataset_reports", f"file_id = '{version['file_id']}'") == 0
        assert count(tenant, "dataset_previews") == 0
        work(tenant)
        assert not [key for key in storage().keys(f"projects/{tenant.project_id}") if version["file_id"] in key]
        assert error(tenant.client.get(f"{DATASETS}/{of}/versions/1"), 404)["code"] == "version_not_found"
        assert tenant.client.get(f"/v1/files/{version['file_id']}").status_code == 404
        assert error(delete(tenant, f"{of}/versions/1"), 404)

    def test_its_number_is_not_used_again(self, tenant: Tenant, of: str, version: dict[str, Any]) -> None:
        delete(tenant, f"{of}/versions/{version['id']}")
        assert built(tenant, of, chats(12))["number"] == 2

    def test_one_that_a_job_used_is_refused_with_the_jobs_name(self, tenant: Tenant, of: str,
                                                               version: dict[str, Any]) -> None:
        job = make_job(tenant, training_file=version["id"])
        refused = delete(tenant, f"{of}/versions/1")
        told = error(refused, 409)
        assert told["code"] == "version_in_use"
        assert job in told["message"]
        assert "?erase=true" in told["message"]
        assert refused.headers["x-should-retry"] == "false"
        assert get(tenant, of, 1) == version

    def test_one_that_a_job_is_measured_by_is_used_too(self, tenant: Tenant, of: str, version: dict[str, Any]) -> None:
        make_job(tenant, validation_file=version["file_id"])
        assert error(delete(tenant, f"{of}/versions/1"), 409)

    def test_a_dry_run_changes_nothing(self, tenant: Tenant, of: str, version: dict[str, Any]) -> None:
        make_job(tenant, training_file=version["id"])
        for query in ("?dry_run=true", "?erase=true&dry_run=true"):
            answer = delete(tenant, f"{of}/versions/1", query).json()
            assert (answer["deleted"], answer["dry_run"], answer["used_by"]) == (False, True, 1)
        assert get(tenant, of, 1) == version

    def test_erasure_lists_everything_that_was_made_from_it(self, tenant: Tenant, stranger: Tenant, of: str,
                                                            version: dict[str, Any]) -> None:
        derived = transform(tenant, of, version["id"], type="shuffle", seed=1).json()["id"]
        work(tenant)
        further = transform(tenant, of, derived, type="sample", examples=11).json()["id"]
        work(tenant)
        copy = built(tenant, dataset(tenant, "elsewhere"), chats(12))["id"]
        unrelated = built(tenant, of, chats(12, first=50))["id"]
        first = make_job(tenant, training_file=version["id"])
        later = make_job(tenant, training_file=further)
        original = make_job(tenant, training_file=version["source"]["file_id"])
        make_job(tenant, training_file=unrelated)
        make_job(stranger, training_file=built(stranger, dataset(stranger), chats(12))["id"])
        kept, gone = tuned(tenant, first, f"ft:{BASE}:acme-support::aaaaaaaa"), tuned(tenant, later, "ft:gone")
        with transaction(tenant.scope) as session:
            catalog.delete(session, gone)
        heir = make_job(tenant, training_file=unrelated, model=kept)
        heirs = tuned(tenant, heir, "ft:heir")

        answer = delete(tenant, f"{of}/versions/1", "?erase=true")
        assert answer.status_code == 200
        reached = answer.json()["reach"]
        assert {(each["id"], each["relation"], each["exists"]) for each in reached["versions"]} == {
            (version["id"], "itself", True), (derived, "derived", True), (further, "derived", True),
            (copy, "copy", True)}
        assert {each["id"] for each in reached["jobs"]} == {first, later, original, heir}
        assert {(each["name"], each["exists"]) for each in reached["models"]} == {
            (kept, True), (gone, False), (heirs, True)}
        assert version["source"]["file_id"] in {each["id"] for each in reached["files"]}
        assert reached["truncated"] is False
        work(tenant)
        assert not [key for key in storage().keys(f"projects/{tenant.project_id}") if version["file_id"] in key]
        assert get(tenant, of, derived)["status"] == "ready"
        told = get(tenant, of, derived, "/lineage")
        assert [each["deleted"] for each in told["ancestors"]] == [False, True]

    def test_anothers_is_as_unknown_as_nobodys(self, stranger: Tenant, of: str, version: dict[str, Any]) -> None:
        theirs = dataset(stranger)
        for path in (f"{of}/versions/1", f"{theirs}/versions/{version['id']}", f"{theirs}/versions/1"):
            assert delete(stranger, path, "?erase=true").status_code == 404


class TestDeleteADataset:
    def test_it_goes_with_all_its_versions(self, tenant: Tenant, of: str, version: dict[str, Any]) -> None:
        other = built(tenant, of, chats(3))
        assert delete(tenant, of).json()["deleted"] is True
        work(tenant)
        assert tenant.client.get(f"{DATASETS}/{of}").status_code == 404
        assert tenant.client.get(f"{DATASETS}/{of}/versions").status_code == 404
        left = storage().keys(f"projects/{tenant.project_id}")
        assert not [key for key in left if version["file_id"] in key or other["file_id"] in key]
        refused = tenant.client.post("/v1/fine_tuning/jobs", json={"model": BASE, "training_file": version["id"]})
        assert error(refused, 400)["param"] == "training_file"

    def test_it_is_refused_while_a_job_used_one_of_them(self, tenant: Tenant, of: str,
                                                        version: dict[str, Any]) -> None:
        job = make_job(tenant, training_file=version["id"])
        built(tenant, of, chats(3))
        assert job in error(delete(tenant, of), 409)["message"]
        assert delete(tenant, of, "?erase=true&dry_run=true").json()["deleted"] is False
        assert len(tenant.client.get(f"{DATASETS}/{of}/versions").json()["data"]) == 2
        answer = delete(tenant, of, "?erase=true").json()
        assert ([each["id"] for each in answer["reach"]["jobs"]], answer["used_by"]) == ([job], 1)
        assert tenant.client.get(f"{DATASETS}/{of}").status_code == 404


def test_an_original_upload_can_still_be_deleted(tenant: Tenant) -> None:
    assert tenant.client.delete(f"/v1/files/{upload(tenant, chats(3))}").status_code == 200
