"""Administration through the official SDK: projects, service accounts, keys, and the audit log."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from openai import (
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    OpenAI,
    PermissionDeniedError,
)
from openai.resources.admin.organization.organization import Organization
from openai.types.admin.organization.audit_log_list_params import EffectiveAt

from tests.fixtures.api import Administrator, Tenant
from tests.fixtures.server import MakeSDK


@pytest.fixture
def admin(sdk: MakeSDK, administrator: Administrator) -> Organization:
    return sdk(admin_api_key=administrator.key).admin.organization


def works(client: OpenAI) -> bool:
    """Whether the client's project key opens the door."""
    try:
        client.webhooks.list()
    except AuthenticationError:
        return False
    return True


class TestProjects:
    def test_a_project_is_made_renamed_listed_and_archived(self, admin: Organization) -> None:
        made = admin.projects.create(name="Customer Care")
        assert made.id.startswith("proj_")
        assert (made.object, made.name, made.status, made.archived_at) == (
            "organization.project", "Customer Care", "active", None)
        assert made.to_dict()["slug"] == "customer-care"
        assert admin.projects.update(made.id, name="Care").name == "Care"
        assert admin.projects.retrieve(made.id).to_dict()["slug"] == "customer-care"
        archived = admin.projects.archive(made.id)
        assert archived.status == "archived"
        assert admin.projects.archive(made.id).archived_at == archived.archived_at
        assert made.id not in {each.id for each in admin.projects.list()}
        assert made.id in {each.id for each in admin.projects.list(include_archived=True)}

    def test_names_that_look_alike_get_slugs_that_differ(self, admin: Organization) -> None:
        names = ("Care", "care!", "CARE", "Ünïcödé", "?")
        slugs = {admin.projects.create(name=name).to_dict()["slug"] for name in names}
        assert len(slugs) == 5
        assert all(isinstance(slug, str) and slug.strip("-") == slug for slug in slugs)

    def test_teams_of_one_name_made_at_once_get_slugs_that_differ(self, admin: Organization) -> None:
        start = Barrier(8)

        def make(name: str) -> object:
            start.wait()
            return admin.projects.create(name=name).to_dict()["slug"]

        with ThreadPoolExecutor(8) as pool:
            for name in ("Care", "Sales", "Legal"):
                assert len(set(pool.map(make, [name] * 8))) == 8

    def test_pages_are_walked(self, admin: Organization) -> None:
        ids = [admin.projects.create(name=f"p{number}").id for number in range(5)]
        assert [each.id for each in admin.projects.list(limit=2)] == ids[::-1]

    def test_an_archived_project_takes_nothing_new(self, admin: Organization) -> None:
        project = admin.projects.create(name="Old")
        account = admin.projects.service_accounts.create(project.id, name="bot")
        admin.projects.archive(project.id)
        calls: list[Callable[[], object]] = [
            lambda: admin.projects.update(project.id, name="x"),
            lambda: admin.projects.service_accounts.create(project.id, name="x"),
            lambda: admin.projects.service_accounts.update(account.id, project_id=project.id, name="x"),
            lambda: admin.projects.service_accounts.api_keys.create(account.id, project_id=project.id)]
        for call in calls:
            with pytest.raises(BadRequestError) as refused:
                call()
            assert refused.value.code == "project_archived"


class TestServiceAccounts:
    def test_its_key_is_shown_once_and_opens_the_project(self, admin: Organization, sdk: MakeSDK) -> None:
        project = admin.projects.create(name="Care")
        made = admin.projects.service_accounts.create(project.id, name="bot")
        assert made.api_key is not None
        assert made.api_key.value.startswith("tw-proj-")
        assert made.role == "member"
        assert works(sdk(made.api_key.value))
        found = admin.projects.service_accounts.retrieve(made.id, project_id=project.id)
        assert (found.id, found.name, found.role) == (made.id, "bot", "member")
        assert [each.id for each in admin.projects.service_accounts.list(project.id)] == [made.id]

    def test_one_without_a_key_has_no_role_until_it_is_given_one(self, admin: Organization, sdk: MakeSDK) -> None:
        project = admin.projects.create(name="Care")
        made = admin.projects.service_accounts.create(project.id, name="bot", create_service_account_only=True)
        assert (made.api_key, made.role) == (None, "none")
        with pytest.raises(BadRequestError) as refused:
            admin.projects.service_accounts.api_keys.create(made.id, project_id=project.id)
        assert refused.value.code == "service_account_without_role"
        admin.projects.service_accounts.update(made.id, project_id=project.id, role="member")
        key = admin.projects.service_accounts.api_keys.create(made.id, project_id=project.id, name="second")
        assert works(sdk(key.value))

    def test_a_life_without_a_key_is_refused(self, admin: Organization) -> None:
        project = admin.projects.create(name="Care")
        with pytest.raises(BadRequestError) as refused:
            admin.projects.service_accounts.create(project.id, name="bot", create_service_account_only=True,
                                                   expires_in_seconds=60)
        assert refused.value.param == "expires_in_seconds"

    def test_a_key_ends_with_its_time(self, admin: Organization, sdk: MakeSDK) -> None:
        project = admin.projects.create(name="Care")
        made = admin.projects.service_accounts.create(project.id, name="bot", expires_in_seconds=1)
        assert made.api_key is not None
        assert made.api_key.expires_at is not None
        time.sleep(1.1)
        assert not works(sdk(made.api_key.value))

    def test_an_account_of_another_project_is_unknown(self, admin: Organization) -> None:
        one, other = admin.projects.create(name="one"), admin.projects.create(name="other")
        made = admin.projects.service_accounts.create(one.id, name="bot")
        with pytest.raises(NotFoundError) as unknown:
            admin.projects.service_accounts.retrieve(made.id, project_id=other.id)
        assert unknown.value.code == "service_account_not_found"


class TestRevocation:
    """Keys that were used a moment ago stop working with the answer that says so."""

    def test_deleting_a_key(self, admin: Organization, sdk: MakeSDK) -> None:
        project = admin.projects.create(name="Care")
        made = admin.projects.service_accounts.create(project.id, name="bot")
        assert made.api_key is not None
        client = sdk(made.api_key.value)
        assert works(client)
        listed = admin.projects.api_keys.list(project.id)
        assert [each.id for each in listed] == [made.api_key.id]
        assert listed.data[0].redacted_value.startswith("tw-proj-")
        assert made.api_key.value not in listed.to_json()
        owner = admin.projects.api_keys.retrieve(made.api_key.id, project_id=project.id).owner
        assert owner.service_account is not None
        assert (owner.type, owner.service_account.id) == ("service_account", made.id)
        deleted = admin.projects.api_keys.delete(made.api_key.id, project_id=project.id)
        assert (deleted.object, deleted.deleted) == ("organization.project.api_key.deleted", True)
        assert not works(client)
        with pytest.raises(NotFoundError):
            admin.projects.api_keys.retrieve(made.api_key.id, project_id=project.id)

    def test_deleting_a_service_account(self, admin: Organization, sdk: MakeSDK) -> None:
        project = admin.projects.create(name="Care")
        made = admin.projects.service_accounts.create(project.id, name="bot")
        assert made.api_key is not None
        second = admin.projects.service_accounts.api_keys.create(made.id, project_id=project.id)
        clients = [sdk(made.api_key.value), sdk(second.value)]
        assert all(map(works, clients))
        admin.projects.service_accounts.delete(made.id, project_id=project.id)
        assert not any(map(works, clients))
        assert list(admin.projects.api_keys.list(project.id)) == []

    def test_archiving_a_project(self, admin: Organization, sdk: MakeSDK) -> None:
        project = admin.projects.create(name="Care")
        made = admin.projects.service_accounts.create(project.id, name="bot")
        assert made.api_key is not None
        client = sdk(made.api_key.value)
        assert works(client)
        admin.projects.archive(project.id)
        assert not works(client)

    def test_deleting_an_admin_key(self, admin: Organization, sdk: MakeSDK) -> None:
        second = admin.admin_api_keys.create(name="second", expires_in_seconds=3600)
        other = sdk(admin_api_key=second.value).admin.organization
        assert [each.id for each in other.projects.list()] == []
        admin.admin_api_keys.delete(second.id)
        with pytest.raises(AuthenticationError):
            other.projects.list()


class TestAdminKeys:
    def test_a_key_is_shown_once(self, admin: Organization) -> None:
        made = admin.admin_api_keys.create(name="second")
        assert made.value.startswith("tw-admin-")
        assert (made.object, made.name, made.expires_at) == ("organization.admin_api_key", "second", None)
        found = admin.admin_api_keys.retrieve(made.id)
        assert found.to_dict() == {name: value for name, value in made.to_dict().items() if name != "value"}
        assert [each.name for each in admin.admin_api_keys.list()] == ["root", "second"]
        assert [each.name for each in admin.admin_api_keys.list(order="desc", limit=1)] == ["second", "root"]

    def test_the_last_one_stays(self, admin: Organization) -> None:
        [last] = admin.admin_api_keys.list()
        with pytest.raises(BadRequestError) as refused:
            admin.admin_api_keys.delete(last.id)
        assert refused.value.code == "last_admin_api_key"
        second = admin.admin_api_keys.create(name="second")
        assert admin.admin_api_keys.delete(last.id).deleted
        assert second.value

    def test_a_key_that_has_ended_does_not_count(self, admin: Organization) -> None:
        [only] = admin.admin_api_keys.list()
        admin.admin_api_keys.create(name="short", expires_in_seconds=1)
        time.sleep(1.1)
        with pytest.raises(BadRequestError):
            admin.admin_api_keys.delete(only.id)

    def test_a_project_key_is_no_admin_key(self, sdk: MakeSDK, tenant: Tenant) -> None:
        with pytest.raises(PermissionDeniedError) as refused:
            sdk(admin_api_key=tenant.key).admin.organization.projects.list()
        assert refused.value.code == "admin_key_required"


class TestAuditLog:
    def test_every_act_is_written_down_with_who_did_it(self, admin: Organization) -> None:
        project = admin.projects.create(name="Care")
        account = admin.projects.service_accounts.create(project.id, name="bot")
        admin.projects.service_accounts.delete(account.id, project_id=project.id)
        admin.projects.archive(project.id)
        entries = list(admin.audit_logs.list(project_ids=[project.id], limit=2))
        assert [entry.type for entry in entries] == [
            "project.archived", "service_account.deleted", "api_key.created", "service_account.created",
            "project.created"]
        root = next(iter(admin.admin_api_keys.list()))
        assert all(entry.actor and entry.actor.api_key and entry.actor.api_key.id == root.id for entry in entries)
        assert entries[-1].project_created is not None
        assert entries[-1].project_created.id == project.id
        assert entries[-1].project is not None

    def test_entries_can_be_chosen(self, admin: Organization) -> None:
        project = admin.projects.create(name="Care")
        assert [each.type for each in admin.audit_logs.list(event_types=["project.created"])] == ["project.created"]
        assert [each.type for each in admin.audit_logs.list(resource_ids=[project.id])] == ["project.created"]
        assert list(admin.audit_logs.list(actor_ids=["key_unknown"])) == []

    def test_entries_can_be_chosen_by_time(self, admin: Organization) -> None:
        now = admin.projects.create(name="Care").created_at
        ranges: list[tuple[EffectiveAt, bool]] = [
            ({"lte": now}, True), ({"lt": now}, False), ({"gte": now}, True), ({"gt": now}, False),
            ({"gt": now - 1, "lt": now + 1}, True)]
        for chosen, found in ranges:
            entries = admin.audit_logs.list(effective_at=chosen, event_types=["project.created"])
            assert bool(list(entries)) is found, chosen

    def test_what_fails_is_not_written_down(self, administrator: Administrator) -> None:
        before = administrator.client.get("/v1/organization/audit_logs").json()["data"]
        assert administrator.client.post("/v1/organization/projects/proj_x", json={"name": "x"}).status_code == 404
        assert administrator.client.get("/v1/organization/audit_logs").json()["data"] == before

    def test_no_key_stands_in_it(self, admin: Organization) -> None:
        made = admin.admin_api_keys.create(name="second")
        assert made.value not in admin.audit_logs.list().to_json()


@pytest.mark.parametrize(("body", "param", "code"), [
    ({}, "name", "missing_required_parameter"), ({"name": ""}, "name", "empty_string"),
    ({"name": "x" * 257}, "name", "string_above_max_length"), ({"name": "a\x00"}, "name", "invalid_value"),
    ({"name": "x", "geography": "EU"}, "geography", "unknown_parameter"), ({"name": ["x"]}, "name", "invalid_type"),
])
def test_bad_names_are_told(administrator: Administrator, body: dict[str, object], param: str, code: str) -> None:
    answer = administrator.client.post("/v1/organization/projects", json=body)
    assert answer.status_code == 400
    assert (answer.json()["error"]["param"], answer.json()["error"]["code"]) == (param, code)
