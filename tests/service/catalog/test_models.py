"""Models are listed, found and deleted by their names, each project seeing its own."""

from typing import Any

import pytest
from sqlalchemy import select

from service.catalog import operations
from service.catalog.base_models import base_models, find_base_model
from service.catalog.errors import MethodNotAvailable, ModelNotFound, TuningNotAvailable
from service.catalog.operations import Artifact
from service.kit.database import transaction
from service.kit.work import Work, WorkItem
from tests.fixtures.api import Tenant

BASE = "smollm2-135m-instruct"


def make_model(tenant: Tenant, code: str = "AbCd1234", *, step: int = 10) -> str:
    base = find_base_model(BASE)
    assert base is not None
    name = operations.tuned_name(BASE, tenant.slug, "mail", code)
    with transaction(tenant.scope) as session:
        for _ in range(2):
            operations.register_model(session, project_id=tenant.project_id, job_id="ftjob-1", step=step, name=name,
                                      base=base, artifact=Artifact(f"artifacts/{code}", "adapter", {"a": "b"}))
    return name


def error(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    return dict(answer.json()["error"])


def test_a_project_sees_the_base_models_and_its_own(tenant: Tenant, stranger: Tenant) -> None:
    first, second = make_model(tenant), make_model(tenant, "EfGh5678", step=20)
    listed = tenant.client.get("/v1/models").json()
    assert set(listed) == {"object", "data"}
    assert [model["id"] for model in listed["data"]] == [*(base.id for base in base_models()), second, first]
    assert [model["id"] for model in stranger.client.get("/v1/models").json()["data"]] == [
        base.id for base in base_models()]


def test_a_tuned_model_is_read_by_its_name(tenant: Tenant) -> None:
    name = make_model(tenant)
    assert name == f"ft:{BASE}:{tenant.slug}:mail:AbCd1234"
    model = tenant.client.get(f"/v1/models/{name}").json()
    assert isinstance(model.pop("created"), int)
    assert model == {"id": name, "object": "model", "owned_by": tenant.slug, "shutdown_date": None}


def test_a_base_model_is_read_by_its_alias_and_tells_its_end(tenant: Tenant) -> None:
    assert tenant.client.get("/v1/models/gpt-4o-mini").json() == {
        "id": "gpt-4o-mini", "object": "model", "created": 1721260800, "owned_by": "openai",
        "shutdown_date": "2027-01-14"}


def test_unknown_foreign_and_deleted_models_answer_alike(tenant: Tenant, stranger: Tenant) -> None:
    deleted = make_model(tenant)
    assert tenant.client.delete(f"/v1/models/{deleted}").json() == {"id": deleted, "object": "model", "deleted": True}
    for name in ("fake_id", "a/b/c", "ft:a:b::c:ckpt-step-9", make_model(stranger), deleted):
        for verb in ("GET", "DELETE"):
            assert error(tenant.client.request(verb, f"/v1/models/{name}"), 404) == {
                "message": f"The model '{name}' does not exist", "type": "invalid_request_error", "param": "model",
                "code": "model_not_found"}
    assert deleted not in tenant.client.get("/v1/models").text


def test_deleting_a_model_asks_for_its_files_to_be_erased(tenant: Tenant) -> None:
    tenant.client.delete(f"/v1/models/{make_model(tenant)}")
    with transaction(tenant.scope) as session:
        erased = session.scalars(select(WorkItem.subject).where(WorkItem.kind == Work.ERASE_OBJECT.value)).all()
    assert erased == ["artifacts/AbCd1234/"]


def test_base_models_cannot_be_deleted(tenant: Tenant) -> None:
    assert error(tenant.client.delete(f"/v1/models/{BASE}"), 403)["code"] == "base_model_not_deletable"
    assert tenant.client.get(f"/v1/models/{BASE}").status_code == 200


def test_a_name_resolves_to_what_stands_behind_it(tenant: Tenant, stranger: Tenant) -> None:
    name = make_model(tenant)
    with transaction(tenant.scope) as session:
        base, tuned = operations.resolve(session, BASE), operations.resolve(session, name)
    assert (base.kind, base.name, base.internal_name, base.artifact) == ("base", BASE, BASE, None)
    assert (tuned.kind, tuned.name, tuned.base.id) == ("adapter", name, BASE)
    assert tuned.artifact == Artifact("artifacts/AbCd1234/", "adapter", {"a": "b"})
    assert tuned.internal_name not in {name, BASE}
    with pytest.raises(ModelNotFound), transaction(stranger.scope) as session:
        operations.resolve(session, name)


def test_only_what_the_catalog_allows_can_be_trained(tenant: Tenant) -> None:
    with transaction(tenant.scope) as session:
        smol = operations.resolve_for_training(session, BASE, "supervised")
        with pytest.raises(MethodNotAvailable, match="dpo"):
            operations.resolve_for_training(session, BASE, "dpo")
        oss = operations.resolve_for_training(session, "gpt-oss-20b", "supervised")
    operations.check_tuning(smol, "full")
    with pytest.raises(TuningNotAvailable, match="supports: lora"):
        operations.check_tuning(oss, "full")
