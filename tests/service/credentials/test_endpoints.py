"""Credentials over HTTP: stored, shown without their secrets, changed, deleted, and refused in words."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, text

from service.credentials.operations import open_credential
from service.credentials.tables import Credential
from service.kit.database import transaction
from service.settings import settings
from tests.fixtures.api import Tenant
from tests.service.credentials.storing import BODIES, SECRET, store


@pytest.fixture
def without_keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TUNEWORKS_KEKS", "")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def public_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TUNEWORKS_REMOTE_ALLOW_PRIVATE", "false")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


def refused(tenant: Tenant, body: dict[str, Any], *, path: str = "/v1/credentials") -> tuple[int, str, str, str]:
    answer = tenant.client.post(path, json=body)
    error = answer.json()["error"]
    assert SECRET not in answer.text
    return answer.status_code, error["code"], error["param"], error["message"]


class TestStoring:
    @pytest.mark.parametrize("provider", list(BODIES))
    def test_each_provider_takes_what_it_needs(self, tenant: Tenant, provider: str) -> None:
        stored = store(tenant, provider)
        assert stored["id"].startswith("cred_")
        assert (stored["object"], stored["provider"], stored["scope"], stored["status"], stored["hint"],
                stored["models"]) == ("credential", provider, "project", "unchecked", "0042", [])
        with transaction(tenant.scope) as session:
            opened = open_credential(session, stored["id"])
        assert (opened.secret, opened.base_url, opened.session_token, opened.project_id) == (
            SECRET, BODIES[provider].get("base_url"), BODIES[provider].get("session_token"), tenant.project_id)
        assert opened.options == stored["options"]
        assert opened.options.items() >= BODIES[provider].get("options", {}).items()

    def test_no_answer_shows_a_secret(self, tenant: Tenant) -> None:
        made = store(tenant, "bedrock", webhook_secret="whsec_MDEyMzQ1Njc4OWFiY2RlZg==")
        path = f"/v1/credentials/{made['id']}"
        told = json.dumps(made) + "".join(tenant.client.request(method, path + rest).text for method, rest in (
            ("GET", ""), ("POST", "/check"), ("DELETE", ""))) + tenant.client.get("/v1/credentials").text
        assert made["has_webhook_secret"] is True
        for secret in (SECRET, "FwoGZXIvYXdz", "MDEyMzQ1Njc4"):
            assert secret not in told

    def test_a_check_is_asked_for_in_the_same_transaction(self, tenant: Tenant) -> None:
        made = store(tenant)
        with transaction(tenant.scope) as session:
            [item] = session.execute(text("select kind, subject from work_items")).all()
        assert tuple(item) == ("credentials.check", made["id"])

    def test_a_short_secret_has_no_hint(self, tenant: Tenant) -> None:
        assert store(tenant, secret="only-four")["hint"] == ""

    def test_a_name_is_taken_once_and_free_again_after_deletion(self, tenant: Tenant, stranger: Tenant) -> None:
        first = store(tenant)
        store(stranger)
        assert refused(tenant, BODIES["openai"])[:3] == (409, "credential_name_taken", "name")
        tenant.client.delete(f"/v1/credentials/{first['id']}")
        store(tenant)

    @pytest.mark.usefixtures("without_keys")
    def test_a_house_without_keys_refuses_and_says_what_to_set(self, tenant: Tenant) -> None:
        answer = tenant.client.post("/v1/credentials", json=BODIES["openai"])
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "key_encryption_missing")
        assert "TUNEWORKS_KEK_FILE" in answer.json()["error"]["message"]
        assert answer.headers["x-should-retry"] == "false"

    @pytest.mark.parametrize(("changes", "param"), [
        ({"secret": ""}, "secret"), ({"secret": "two words"}, "secret"), ({"secret": f"{SECRET}\n"}, "secret"),
        ({"secret": f"{SECRET}\x00"}, "secret"), ({"secret": "schlüssel"}, "secret"), ({"secret": [SECRET]}, "secret"),
        ({"secret": {"a": SECRET}}, "secret"), ({"secret": SECRET * 300}, "secret"), ({"secret": None}, "secret"),
        ({"name": "a/b"}, "name"), ({"name": ""}, "name"), ({"name": "x" * 65}, "name"),
        ({"provider": "local"}, "provider"), ({"base_url": "ftp://example.com"}, "base_url"),
        ({"base_url": "https://user:pw@example.com"}, "base_url"),
        ({"base_url": "https://example.com/v1?"}, "base_url"),
        ({"base_url": "https://example.com/v1?key=x"}, "base_url"), ({"base_url": "https://example.com/#"}, "base_url"),
        ({"options": {"region": "x"}}, "options.region"),
        ({"options": {"organization": 1}}, "options.organization"), ({"options": []}, "options"),
        ({"options": {"organization": "a\r\nb: c"}}, "options.organization"),
        ({"options": {"project": "\u00e9"}}, "options.project"), ({"webhook_secret": "whsec_"}, "webhook_secret"),
        ({"webhook_secret": "whsec_one"}, "webhook_secret"), ({"webhook_secret": "whsec_c2hvcnQ="}, "webhook_secret"),
        ({"webhook_secret": "short-one"}, "webhook_secret"),
        ({"webhook_secret": "whsec_not base64 at all"}, "webhook_secret"),
        ({"webhook_secret": "whsec_not-base64-of-anything"}, "webhook_secret"),
        ({"session_token": SECRET}, "session_token"), ({"unknown": 1}, "unknown"),
    ])
    def test_what_does_not_fit_is_refused_at_its_place(self, tenant: Tenant, changes: dict[str, Any],
                                                       param: str) -> None:
        status, _, told, message = refused(tenant, {**BODIES["openai"], **changes})
        assert (status, told) == (400, param)
        assert message

    @pytest.mark.parametrize(("provider", "changes", "param"), [
        ("azure", {"base_url": None}, "base_url"), ("compatible", {"base_url": None}, "base_url"),
        ("azure", {"options": {"api_version": "latest"}}, "options.api_version"),
        ("azure", {"options": {"deployments": {"m": 1}}}, "options.deployments.m"),
        ("bedrock", {"options": None}, "options.region"), ("compatible", {"name": "azure"}, "name"),
        ("bedrock", {"options": {**BODIES["bedrock"]["options"], "role_arn": "me"}}, "options.role_arn"),
    ])
    def test_each_provider_says_what_it_misses(self, tenant: Tenant, provider: str, changes: dict[str, Any],
                                               param: str) -> None:
        assert refused(tenant, {**BODIES[provider], **changes})[0:3:2] == (400, param)

    @pytest.mark.parametrize("url", ["http://example.com/v1", "https://127.0.0.1/v1", "https://localhost:8000",
                                     "https://169.254.169.254/latest", "https://[::1]/", "https://10.1.2.3"])
    @pytest.mark.usefixtures("public_only")
    def test_a_private_address_is_refused_unless_the_house_allows_it(self, tenant: Tenant, url: str) -> None:
        body = {**BODIES["compatible"], "base_url": url}
        assert refused(tenant, body)[:3] == (400, "invalid_base_url", "base_url")


class TestChanging:
    def test_what_is_left_out_stays(self, tenant: Tenant) -> None:
        made = store(tenant, "azure")
        changed = tenant.client.post(f"/v1/credentials/{made['id']}", json={"name": "other"}).json()
        assert {**changed, "updated_at": 0} == {**made, "name": "other", "updated_at": 0}
        with transaction(tenant.scope) as session:
            assert open_credential(session, made["id"]).secret == SECRET

    def test_a_new_secret_takes_the_place_of_the_old_and_webhooks_stay_as_they_are(self, tenant: Tenant) -> None:
        made = store(tenant, webhook_secret="whsec_MDEyMzQ1Njc4OWFiY2RlZg==")
        path = f"/v1/credentials/{made['id']}"
        assert tenant.client.post(path, json={"secret": "sk-another-secret-1234"}).json()["hint"] == "1234"
        with transaction(tenant.scope) as session:
            opened = open_credential(session, made["id"])
        assert (opened.secret, opened.webhook_secret) == ("sk-another-secret-1234", "whsec_MDEyMzQ1Njc4OWFiY2RlZg==")
        assert tenant.client.post(path, json={"webhook_secret": None}).json()["has_webhook_secret"] is False
        with transaction(tenant.scope) as session:
            opened = open_credential(session, made["id"])
        assert (opened.secret, opened.webhook_secret) == ("sk-another-secret-1234", None)

    def test_what_was_known_of_the_former_secret_is_not_said_of_the_new_one(self, tenant: Tenant) -> None:
        path = f"/v1/credentials/{store(tenant)['id']}"
        with transaction(tenant.scope) as session:
            session.execute(text("update credentials set status = 'refused', status_details = 'No.',"
                                 " checked_at = now()"))
        renamed = tenant.client.post(path, json={"name": "renamed"}).json()
        assert (renamed["status"], renamed["status_details"]) == ("refused", "No.")
        changed = tenant.client.post(path, json={"secret": "sk-another-secret-1234"}).json()
        assert (changed["status"], changed["status_details"], changed["checked_at"]) == ("unchecked", None, None)

    def test_a_secret_is_never_sent_to_a_new_address_on_the_word_of_who_does_not_know_it(self, tenant: Tenant) -> None:
        made = store(tenant, "compatible")
        path, elsewhere = f"/v1/credentials/{made['id']}", "https://example.org/v1"
        assert refused(tenant, {"base_url": elsewhere}, path=path)[:3] == (400, "secret_required", "secret")
        assert tenant.client.get(path).json()["base_url"] == made["base_url"]
        moved = tenant.client.post(path, json={"base_url": elsewhere, "secret": SECRET})
        assert moved.json()["base_url"] == elsewhere

    def test_a_needed_address_does_not_go(self, tenant: Tenant) -> None:
        made = store(tenant, "compatible")
        assert refused(tenant, {"base_url": None, "secret": SECRET}, path=f"/v1/credentials/{made['id']}")[1] == (
            "missing_base_url")

    def test_two_are_not_given_one_name(self, tenant: Tenant) -> None:
        store(tenant)
        second = store(tenant, name="second")
        assert refused(tenant, {"name": "main"}, path=f"/v1/credentials/{second['id']}")[1] == "credential_name_taken"

    def test_deleting_erases_the_secrets_and_leaves_the_row(self, tenant: Tenant) -> None:
        made = store(tenant, webhook_secret="whsec_MDEyMzQ1Njc4OWFiY2RlZg==")
        path = f"/v1/credentials/{made['id']}"
        assert tenant.client.delete(path).json() == {
            "id": made["id"], "object": "credential.deleted", "deleted": True, "jobs_left": 0,
            "remote_job_ids": [], "files_left": 0, "remote_file_ids": [], "models_left": 0}
        with transaction(tenant.scope) as session:
            row = session.scalars(select(Credential)).one()
            assert (row.secret, row.webhook_secret, row.hint, row.data_key_id) == (b"", None, "", None)
        for method, rest in (("GET", ""), ("POST", ""), ("POST", "/check"), ("DELETE", "")):
            answer = tenant.client.request(method, path + rest, json={} if (method, rest) == ("POST", "") else None)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "credential_not_found")
        assert tenant.client.get("/v1/credentials").json()["data"] == []

    def test_pages_and_providers_are_walked(self, tenant: Tenant) -> None:
        made = [store(tenant, name=f"n{number}")["id"] for number in range(3)]
        other = store(tenant, "compatible")["id"]
        page = tenant.client.get("/v1/credentials?limit=2").json()
        assert ([each["id"] for each in page["data"]], page["has_more"]) == ([other, made[2]], True)
        rest = tenant.client.get(f"/v1/credentials?after={page['last_id']}").json()
        assert [each["id"] for each in rest["data"]] == [made[1], made[0]]
        assert "models" not in rest["data"][0]
        found = tenant.client.get("/v1/credentials?provider=compatible").json()["data"]
        assert [each["id"] for each in found] == [other]

    def test_the_audit_log_tells_who_did_what_without_the_secret(self, tenant: Tenant) -> None:
        made = store(tenant)
        tenant.client.post(f"/v1/credentials/{made['id']}", json={"secret": SECRET})
        tenant.client.delete(f"/v1/credentials/{made['id']}")
        with transaction(tenant.scope) as session:
            rows = session.execute(text("select action, actor, details::text from audit_entries"
                                        " where subject = :id order by position"), {"id": made["id"]}).all()
        assert [row.action for row in rows] == ["credential.created", "credential.updated", "credential.deleted"]
        assert {row.actor for row in rows} == {made["created_by"]}
        assert SECRET not in str(rows)
