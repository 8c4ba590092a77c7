"""Models whose credential is deleted are found again by another one of the same server, and by no other."""

from typing import Any

import pytest
from sqlalchemy import select

from service.catalog import operations as catalog
from service.catalog.binding import bind_again
from service.catalog.tables import TunedModel
from service.jobs.errors import ServerLost
from service.jobs.operations.placing import credential_for
from service.kit.database import transaction
from tests.fixtures.api import Administrator, Tenant
from tests.service.credentials.storing import store


def register(tenant: Tenant, name: str, credential_id: str, *, provider: str = "openai", job_id: str = "") -> None:
    with transaction(tenant.scope) as session:
        catalog.register_remote_model(session, project_id=tenant.project_id, job_id=job_id, step=len(name), name=name,
                                      base_model="gpt-4o", provider=provider, credential_id=credential_id)


def bound(tenant: Tenant, credential_id: str, *names: str) -> dict[str, str | None]:
    """To which credentials the models lead once this one was checked and its server listed these names."""
    with transaction(tenant.scope) as session:
        bind_again(session, credential_id, names)
    with transaction(tenant.scope) as session:
        return {row.name: row.credential_id for row in session.scalars(select(TunedModel))}


def forget(tenant: Tenant, credential_id: str) -> None:
    assert tenant.client.delete(f"/v1/credentials/{credential_id}").status_code == 200


@pytest.fixture
def lost(tenant: Tenant) -> str:
    """A deleted credential that led to ft:mine and, by a job, to ft:made and its checkpoint."""
    credential: str = store(tenant)["id"]
    register(tenant, "ft:mine", credential)
    register(tenant, "ft:made", credential, job_id="ftjob-1")
    register(tenant, "ft:made:ckpt-step-1", credential, job_id="ftjob-1")
    forget(tenant, credential)
    return credential


def test_what_the_server_lists_is_led_to_again_and_a_checkpoint_with_its_result(tenant: Tenant, lost: str) -> None:
    again = store(tenant)["id"]
    assert bound(tenant, again, "gpt-4o", "ft:made") == {
        "ft:mine": lost, "ft:made": again, "ft:made:ckpt-step-1": again}
    assert bound(tenant, again, "ft:mine")["ft:mine"] == again


def test_a_credential_that_is_there_keeps_its_models(tenant: Tenant) -> None:
    first, second = store(tenant)["id"], store(tenant, name="second")["id"]
    register(tenant, "ft:mine", first)
    assert bound(tenant, second, "ft:mine") == {"ft:mine": first}


@pytest.mark.parametrize(("provider", "changes"), [
    ("compatible", {}), ("openai", {"base_url": "https://example.com/v1"})])
def test_another_server_is_not_taken_for_it(tenant: Tenant, lost: str, provider: str, changes: dict[str, Any]) -> None:
    elsewhere = store(tenant, provider, **changes)["id"]
    assert set(bound(tenant, elsewhere, "ft:mine", "ft:made").values()) == {lost}


def test_the_same_address_may_be_written_otherwise(tenant: Tenant) -> None:
    first = store(tenant, "compatible")["id"]
    register(tenant, "mine", first, provider="compatible")
    forget(tenant, first)
    again = store(tenant, "compatible", base_url="https://example.com/v1/")["id"]
    assert bound(tenant, again, "mine") == {"mine": again}


def test_one_of_the_organization_leads_all_its_projects_again(tenant: Tenant, stranger: Tenant,
                                                              administrator: Administrator, lost: str) -> None:
    theirs = store(administrator.client)["id"]
    register(stranger, "ft:mine", theirs)
    assert administrator.client.delete(f"/v1/organization/credentials/{theirs}").status_code == 200
    again = store(administrator.client)["id"]
    assert bound(tenant, again, "ft:mine") == {
        "ft:mine": again, "ft:made": lost, "ft:made:ckpt-step-1": lost}
    with transaction(stranger.scope) as session:
        assert session.scalars(select(TunedModel.credential_id)).all() == [again]


def test_one_project_does_not_bind_what_is_anothers(tenant: Tenant, stranger: Tenant, lost: str) -> None:
    again = store(stranger)["id"]
    assert bound(stranger, again, "ft:mine", "ft:made") == {}
    with transaction(tenant.scope) as session:
        assert set(session.scalars(select(TunedModel.credential_id))) == {lost}


def test_one_that_is_deleted_meanwhile_binds_nothing(tenant: Tenant, lost: str) -> None:
    gone = store(tenant)["id"]
    forget(tenant, gone)
    assert set(bound(tenant, gone, "ft:mine").values()) == {lost}


def test_training_on_says_what_to_do(tenant: Tenant, lost: str) -> None:
    assert lost
    with transaction(tenant.scope) as session:
        model = catalog.resolve(session, "ft:mine")
        with pytest.raises(ServerLost, match="Store a credential for that server again"):
            credential_for(session, model, None)
