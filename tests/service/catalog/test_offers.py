"""Which base models a project has, and what stands in the way of training one for money."""

from typing import Any

import pytest

from service.credentials import operations as credentials
from service.kit.database import transaction
from tests.fixtures.api import Tenant
from tests.service.credentials.storing import store
from tests.service.jobs.building import make_file
from worker.providers.remote import RemoteModel

JOBS = "/v1/fine_tuning/jobs"
THERE = [RemoteModel(id=name, created_at=None, owned_by=owner, shutdown_date=end) for name, owner, end in (
    ("big-model", "them", "2099-01-01"), ("ft:big:them::abc", "them", None), ("x" * 300, "them", None),
    ("a b", "", "never"))]


def checked(tenant: Tenant, provider: str = "compatible", status: str = "valid", **changes: Any) -> str:
    """A credential whose server was asked and listed THERE."""
    made: str = store(tenant, provider, **changes)["id"]
    with transaction(tenant.scope) as session:
        credentials.record_check(session, made, status=status, details=None, models=THERE)
    return made


def names(tenant: Tenant) -> list[str]:
    return [each["id"] for each in tenant.client.get("/v1/models").json()["data"] if "bigger-house" in each["id"]]


def refusal(tenant: Tenant, **body: Any) -> dict[str, Any]:
    answer = tenant.client.post(JOBS, json={"training_file": make_file(tenant), **body})
    assert answer.status_code == 400, answer.text
    found: dict[str, Any] = answer.json()["error"]
    return found


class TestACompatibleServer:
    def test_its_models_are_offered_behind_the_credentials_name_and_odd_names_are_left_out(self, tenant: Tenant,
                                                                                          stranger: Tenant) -> None:
        checked(tenant)
        assert names(tenant) == ["bigger-house/big-model", "bigger-house/ft:big:them::abc"]
        found = tenant.client.get("/v1/models/bigger-house/big-model").json()
        assert (found["owned_by"], found["shutdown_date"]) == ("them", "2099-01-01")
        assert names(stranger) == []
        assert stranger.client.get("/v1/models/bigger-house/big-model").status_code == 404

    def test_a_job_on_one_of_them_is_paid_with_that_credential(self, tenant: Tenant) -> None:
        credential = checked(tenant)
        store(tenant, "compatible", name="another")
        body = {"model": "bigger-house/big-model", "training_file": make_file(tenant)}
        job = tenant.client.post(JOBS, json=body).json()
        assert (job["model"], job["provider"], job["credential"]) == (body["model"], "compatible", credential)
        assert "tuning" not in job["method"]["supervised"]
        assert refusal(tenant, model=body["model"], credential="another")["code"] == "credential_does_not_fit"

    @pytest.mark.parametrize("model", ["bigger-house/other", "bigger-house/", "nobody/big-model", "/big-model"])
    def test_what_no_server_lists_does_not_exist(self, tenant: Tenant, model: str) -> None:
        checked(tenant)
        assert refusal(tenant, model=model)["code"] == "model_not_available"

    def test_a_model_leaves_with_its_credential(self, tenant: Tenant) -> None:
        credential = checked(tenant)
        tenant.client.delete(f"/v1/credentials/{credential}")
        assert names(tenant) == []


class TestWhatStandsInTheWay:
    def test_a_job_without_a_credential_is_refused_with_what_to_do(self, tenant: Tenant) -> None:
        refused = refusal(tenant, model="gpt-4o-mini")
        assert (refused["code"], refused["param"]) == ("no_credential", "credential")
        assert "POST /v1/credentials" in refused["message"]

    def test_so_does_its_preflight_say(self, tenant: Tenant) -> None:
        body = {"model": "gpt-4o-mini", "training_file": make_file(tenant)}
        found = tenant.client.post("/v1/fine_tuning/preflights", json=body).json()
        assert "no_credential" in [each["code"] for each in found["candidates"][0]["reasons"]]
        checked(tenant, "openai")
        found = tenant.client.post("/v1/fine_tuning/preflights", json=body).json()
        assert "no_credential" not in [each["code"] for each in found["candidates"][0]["reasons"]]

    def test_a_credential_that_its_server_refuses_does_not_count(self, tenant: Tenant) -> None:
        checked(tenant, "openai", status="refused")
        assert "do not work now" in refusal(tenant, model="gpt-4o-mini")["message"]

    def test_a_preflight_warns_of_one_that_is_asked_for_and_does_not_work(self, tenant: Tenant) -> None:
        body = {"model": "gpt-4o-mini", "training_file": make_file(tenant), "credential": "main"}
        for status, words in (("valid", ""), ("refused", "refuses it"), ("unreachable", "cannot be reached")):
            checked(tenant, "openai", status=status, name=status)
            found = tenant.client.post("/v1/fine_tuning/preflights", json=body | {"credential": status}).json()
            told = [each for each in found["reasons"] if each["code"] == "credential_failing"]
            assert [(each["severity"], each["param"]) for each in told] == [("warn", "credential")] * bool(words)
            assert all(words in each["message"] and f"'{status}'" in each["message"] for each in told)

    @pytest.mark.parametrize(("provider", "meant"), [("openai", "gpt-4o-mini"), ("openai", "no-such-model"),
                                                     ("azure", "azure/gpt-4o-2024-08-06")])
    def test_a_name_behind_that_of_another_credential_is_told_how_it_is_written(self, tenant: Tenant, provider: str,
                                                                              meant: str) -> None:
        checked(tenant, provider, name="one")
        name = f"one/{meant.removeprefix('azure/')}"
        error = refusal(tenant, model=name)
        assert error["code"] == "model_not_available"
        assert f"set 'model' to '{meant}' and 'credential' to 'one'" in error["message"]
        body = {"model": name, "training_file": make_file(tenant)}
        asked = tenant.client.post("/v1/fine_tuning/preflights", json=body)
        assert asked.json()["error"]["message"] == error["message"]

    @pytest.mark.parametrize(("model", "field", "code"), [
        ("azure/gpt-4o-2024-08-06", {"suffix": "x" * 19}, "suffix_too_long"),
        ("azure/gpt-4o-2024-08-06", {"suffix": "a_b"}, "suffix_invalid"),
        ("gpt-4o-mini", {"metadata": {f"k{n}": "v" for n in range(15)}}, "too_much_metadata"),
        ("gpt-4o-mini", {"method": {"type": "supervised", "supervised": {"tuning": {"type": "lora"}}}},
         "tuning_not_supported")])
    def test_what_a_provider_cannot_do_is_said_before_the_job_and_in_its_preflight(
            self, tenant: Tenant, model: str, field: dict[str, Any], code: str) -> None:
        checked(tenant, "azure")
        checked(tenant, "openai")
        assert refusal(tenant, model=model, **field)["code"] == code
        body = {"model": model, "training_file": make_file(tenant), **field}
        found = tenant.client.post("/v1/fine_tuning/preflights", json=body).json()
        assert code in [each["code"] for each in found["candidates"][0]["reasons"]]

    def test_a_credential_for_a_model_of_this_house_is_refused(self, tenant: Tenant) -> None:
        assert refusal(tenant, model="smollm2-135m-instruct", credential="main")["code"] == "credential_does_not_fit"
