"""What the organization shares: every project may use it, none may change it, in the API and in the database."""

import pytest
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import ProgrammingError

from service.credentials.errors import NoCredential, UnknownCredential
from service.credentials.operations import choose, named, open_credential
from service.credentials.tables import Credential, DataKey
from service.kit.database import Scope, transaction
from tests.fixtures.api import Administrator, Tenant
from tests.service.credentials.storing import SECRET, store


def test_a_project_sees_and_opens_what_is_shared(tenant: Tenant, administrator: Administrator) -> None:
    shared = store(administrator.client)
    assert shared["scope"] == "organization"
    assert tenant.client.get(f"/v1/credentials/{shared['id']}").json() == shared
    assert [each["id"] for each in tenant.client.get("/v1/credentials").json()["data"]] == [shared["id"]]
    with transaction(tenant.scope) as session:
        opened = open_credential(session, shared["id"])
    assert (opened.secret, opened.project_id, opened.organization_id) == (SECRET, None, tenant.organization_id)


def test_a_project_may_have_it_checked_but_not_change_it(tenant: Tenant, administrator: Administrator) -> None:
    path = f"/v1/credentials/{store(administrator.client)['id']}"
    for method, body in (("POST", {"name": "mine"}), ("DELETE", None)):
        answer = tenant.client.request(method, path, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "organization_credential")
    assert tenant.client.post(f"{path}/check").status_code == 200


def test_an_administrator_does_not_see_what_is_a_projects(tenant: Tenant, administrator: Administrator) -> None:
    mine = store(tenant)
    assert administrator.client.get("/v1/organization/credentials").json()["data"] == []
    path = f"/v1/organization/credentials/{mine['id']}"
    for method, rest in (("GET", ""), ("POST", "/check"), ("DELETE", "")):
        assert administrator.client.request(method, path + rest).status_code == 404


def test_an_administrator_changes_checks_and_deletes_what_is_shared(tenant: Tenant,
                                                                    administrator: Administrator) -> None:
    path = f"/v1/organization/credentials/{store(administrator.client)['id']}"
    assert administrator.client.post(path, json={"secret": "sk-other-secret-4321"}).json()["hint"] == "4321"
    assert administrator.client.post(f"{path}/check").status_code == 200
    with transaction(tenant.scope) as session:  # the check is work of the organization's oldest project
        assert session.execute(text("select count(*) from work_items")).scalar() == 1
    assert administrator.client.delete(path).json()["deleted"] is True
    assert administrator.client.get(path).status_code == 404


def test_what_is_stored_before_there_is_a_project_waits_unchecked(administrator: Administrator) -> None:
    shared = store(administrator.client)
    assert administrator.client.post(f"/v1/organization/credentials/{shared['id']}/check").json()["status"] == (
        "unchecked")


def test_names_of_projects_and_of_the_organization_do_not_collide(tenant: Tenant,
                                                                  administrator: Administrator) -> None:
    shared, mine = store(administrator.client), store(tenant)
    with transaction(tenant.scope) as session:
        found = named(session, "main")
        assert found is not None
        assert found.id == mine["id"] != shared["id"]
        assert named(session, "nobody") is None


class TestChoosing:
    def test_the_newest_of_the_project_comes_before_the_organizations(self, tenant: Tenant, stranger: Tenant,
                                                                      administrator: Administrator) -> None:
        store(tenant, name="older")
        newest, shared = store(tenant, name="newest"), store(administrator.client)
        store(tenant, "compatible")
        with transaction(tenant.scope) as session:
            assert choose(session, "openai", None).id == newest["id"]
        with transaction(stranger.scope) as session:
            assert choose(session, "openai", None).id == shared["id"]

    def test_one_that_is_refused_is_passed_over_unless_it_is_asked_for(self, tenant: Tenant,
                                                                       administrator: Administrator) -> None:
        mine, shared = store(tenant), store(administrator.client)
        with transaction(tenant.scope) as session:
            session.execute(update(Credential).where(Credential.id == mine["id"]).values(status="refused"))
            assert choose(session, "openai", None).id == shared["id"]
            assert choose(session, "openai", "main").id == choose(session, "openai", mine["id"]).id == mine["id"]

    def test_no_name_of_another_provider_or_tenant_is_found(self, tenant: Tenant, stranger: Tenant) -> None:
        theirs = store(stranger)
        store(tenant, "compatible")
        with transaction(tenant.scope) as session:
            for wanted in (theirs["id"], "main", "bigger-house", "nobody"):
                with pytest.raises(UnknownCredential) as refused:
                    choose(session, "openai", wanted)
                assert (refused.value.status, refused.value.param) == (400, "credential")

    def test_where_there_is_none_it_says_how_to_store_one_or_what_is_wrong(self, tenant: Tenant) -> None:
        with transaction(tenant.scope) as session, pytest.raises(NoCredential, match="POST /v1/credentials") as none:
            choose(session, "openai", None)
        assert (none.value.status, none.value.code, none.value.param) == (400, "no_credential", "credential")
        store(tenant)
        with transaction(tenant.scope) as session:
            session.execute(update(Credential).values(status="unreachable"))
            with pytest.raises(NoCredential, match="'main'"):
                choose(session, "openai", None)


class TestWalls:
    """The database refuses what the API refuses."""

    def test_a_project_cannot_rewrite_what_is_shared(self, tenant: Tenant, administrator: Administrator) -> None:
        store(administrator.client)
        for statement in (update(Credential).values(base_url="https://evil.example"),
                          update(Credential).values(secret=b""),
                          update(Credential).values(project_id=tenant.project_id),
                          update(DataKey).values(wrapped=b""), delete(DataKey)):
            with pytest.raises(ProgrammingError, match="does not change what belongs"), \
                    transaction(tenant.scope) as session:
                session.execute(statement)

    def test_a_project_cannot_share_with_the_others_what_is_its_own(self, tenant: Tenant) -> None:
        store(tenant)
        for table in (Credential, DataKey):
            with pytest.raises(ProgrammingError, match="does not change what belongs"), \
                    transaction(tenant.scope) as session:
                session.execute(update(table).values(project_id=None))
        with pytest.raises(ProgrammingError, match="does not change"), transaction(tenant.scope) as session:
            session.execute(insert(DataKey).values(id="dkey_x", organization_id=tenant.organization_id, kek="x",
                                                   wrapped=b""))

    def test_another_organization_sees_nothing_of_it(self, tenant: Tenant, administrator: Administrator) -> None:
        store(administrator.client)
        store(tenant)
        with transaction(Scope.organization("org-of-somebody-else")) as session:
            assert session.scalars(select(Credential)).all() == []
            assert session.scalars(select(DataKey)).all() == []
