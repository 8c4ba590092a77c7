"""Jobs on models that end: headers, warnings, refusals by policy, and successors that are trained in their place."""

from pathlib import Path
from typing import Any

import pytest

from service.settings import settings
from tests.fixtures.api import Administrator, Tenant
from tests.fixtures.lives import write_lives
from tests.service.jobs.building import make_file, messages


def create(tenant: Tenant, model: str, **more: Any) -> Any:
    return tenant.client.post("/v1/fine_tuning/jobs", json={"model": model, "training_file": make_file(tenant), **more})


def demand(administrator: Administrator, tenant: Tenant, days: int, action: str) -> None:
    answer = administrator.client.post(f"/v1/organization/projects/{tenant.project_id}", json={
        "training_policy": {"model_life": {"min_days": days, "action": action}}})
    assert answer.status_code == 200, answer.text
    assert answer.json()["training_policy"]["model_life"] == {"min_days": days, "action": action}


def test_headers_tell_of_the_end_when_a_job_is_made_and_when_it_is_read(own_catalog: Path, tenant: Tenant) -> None:
    write_lives(own_catalog, dying=20, living=None)
    made = create(tenant, "dying")
    read = tenant.client.get(f"/v1/fine_tuning/jobs/{made.json()['id']}")
    assert made.headers["sunset"] == read.headers["sunset"]
    assert made.headers["sunset"].endswith(" 00:00:00 GMT")
    assert "sunset" not in create(tenant, "living").headers
    assert any("SHUTS DOWN" in line for line in messages(tenant, made.json()["id"]))


@pytest.mark.parametrize(("days", "action", "status"), [(21, "refuse", 400), (20, "refuse", 200), (400, "warn", 200)])
def test_a_projects_policy_decides(own_catalog: Path, tenant: Tenant, administrator: Administrator, days: int,
                                   action: str, status: int) -> None:
    write_lives(own_catalog, dying=20)
    demand(administrator, tenant, days, action)
    answer = create(tenant, "dying")
    assert answer.status_code == status
    if status == 400:
        error = answer.json()["error"]
        assert (error["code"], error["param"]) == ("model_retires_too_soon", "model")
        assert "21 days" in error["message"]


def test_the_house_refuses_what_a_project_only_warns_of(own_catalog: Path, tenant: Tenant,
                                                        administrator: Administrator,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    write_lives(own_catalog, dying=20, living=100)
    demand(administrator, tenant, 1, "warn")
    monkeypatch.setenv("TUNEWORKS_RETIREMENT_ACTION", "refuse")
    settings.cache_clear()
    try:
        assert create(tenant, "dying").json()["error"]["code"] == "model_retires_too_soon"
        assert create(tenant, "living").status_code == 200
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def test_a_preflight_says_what_the_policy_would(own_catalog: Path, tenant: Tenant,
                                                administrator: Administrator) -> None:
    write_lives(own_catalog, dying=200)
    demand(administrator, tenant, 300, "refuse")
    made = tenant.client.post("/v1/fine_tuning/preflights", json={"model": "dying", "training_file": make_file(tenant)})
    [candidate] = made.json()["candidates"]
    assert [(each["code"], each["severity"]) for each in candidate["reasons"] if each["code"] == "model_retires"] == [
        ("model_retires", "block")]


def test_a_job_on_a_dead_model_trains_its_successor_and_says_so(own_catalog: Path, tenant: Tenant) -> None:
    write_lives(own_catalog, dead=-3, living=None)
    assert create(tenant, "dead").json()["error"]["code"] == "model_not_available"
    for model in ("dead", "ft:gone:acme::12345678"):
        tenant.client.post("/v1/model_mappings", json={"model": model, "successor": "living"})
        made = create(tenant, model)
        assert (made.status_code, made.json()["model"]) == (200, "living")
        assert made.headers["x-tuneworks-answered-by"] == "living"
        assert f"{model} is mapped to living, which is trained in its place" in messages(tenant, made.json()["id"])
    assert "x-tuneworks-answered-by" not in create(tenant, "living").headers


def test_a_preflight_of_a_dead_model_is_about_its_successor_and_fits_the_job(own_catalog: Path, tenant: Tenant) -> None:
    write_lives(own_catalog, dead=-3, living=None)
    tenant.client.post("/v1/model_mappings", json={"model": "dead", "successor": "living"})
    file_id = make_file(tenant)
    made = tenant.client.post("/v1/fine_tuning/preflights", json={"model": "dead", "training_file": file_id}).json()
    assert made["model"] == "living"
    job = tenant.client.post("/v1/fine_tuning/jobs", json={"model": "dead", "training_file": file_id,
                                                           "preflight": made["id"]})
    assert job.status_code == 200, job.text
