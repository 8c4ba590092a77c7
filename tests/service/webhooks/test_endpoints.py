"""Webhook endpoints through the official SDK, over a real socket."""

import json
import socket
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from openai import BadRequestError, NotFoundError, OpenAI
from sqlalchemy import select

from service.events.types import EventType
from service.kit import connections
from service.kit.database import transaction
from service.settings import settings
from service.webhooks import signatures
from service.webhooks.operations import endpoints
from service.webhooks.tables import MOST_OLD_KEYS, WebhookEndpoint
from tests.fixtures.api import Tenant
from tests.fixtures.receiver import Receiver
from tests.fixtures.server import MakeSDK


@pytest.fixture
def client(sdk: MakeSDK, tenant: Tenant) -> OpenAI:
    return sdk(tenant.key)


class TestCreate:
    def test_the_secret_is_shown_once(self, client: OpenAI) -> None:
        made = client.webhooks.create(name="ops", url="https://127.0.0.1/hook",
                                      event_types=["fine_tuning.job.succeeded", "fine_tuning.job.succeeded"])
        assert made.id.startswith("we_")
        assert made.object == "webhook_endpoint"
        assert made.event_types == ["fine_tuning.job.succeeded"]
        assert made.signing_secret.startswith("whsec_")
        assert made.signing_secret_hint == "whsec_..." + made.signing_secret[-4:]
        assert made.updated_at == made.created_at
        found = client.webhooks.retrieve(made.id)
        assert found.to_dict() == {name: value for name, value in made.to_dict().items() if name != "signing_secret"}

    @pytest.mark.parametrize(("field", "value", "code"), [
        ("url", "ftp://example.com", "invalid_url"), ("url", "https://user@example.com", "invalid_url"),
        ("url", "https://e.com/" + "x" * 2048, "string_above_max_length"), ("url", "", "empty_string"),
        ("name", "", "empty_string"), ("name", "n" * 257, "string_above_max_length"),
        ("event_types", [], "empty_array"), ("event_types", "all", "invalid_type"),
    ])
    def test_bad_fields_are_named(self, tenant: Tenant, field: str, value: object, code: str) -> None:
        body = {"name": "ops", "url": "https://example.com/", "event_types": ["fine_tuning.job.failed"], field: value}
        answer = tenant.client.post("/v1/webhook_endpoints", json=body)
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == field
        assert answer.json()["error"]["code"] == code

    def test_an_event_that_is_never_sent_is_refused_with_those_that_are(self, client: OpenAI) -> None:
        with pytest.raises(BadRequestError) as refused:
            client.webhooks.create(name="ops", url="https://example.com/", event_types=["batch.completed"])
        assert refused.value.code == "invalid_value"
        assert "fine_tuning.job.succeeded" in refused.value.message

    def test_groups_are_kept_as_they_are_named(self, tenant: Tenant) -> None:
        names = ["fine_tuning.job.*", "file.validated", "*"]
        made = tenant.client.post("/v1/webhook_endpoints", json={
            "name": "ops", "url": "https://example.com/", "event_types": [*names, "*"]}).json()
        assert made["event_types"] == names
        path = f"/v1/webhook_endpoints/{made['id']}"
        assert tenant.client.post(path, json={"event_types": ["dataset.*"]}).json()["event_types"] == ["dataset.*"]
        assert tenant.client.get(path).json()["event_types"] == ["dataset.*"]

    @pytest.mark.parametrize("name", ["foo.*", "fine_tuning", "fine_tuning.job.succeeded.*", "fine_tuning.job*", ".*",
                                      "**", "*.*", "", "FILE.*", "file.* "])
    def test_groups_that_no_type_belongs_to_are_refused(self, tenant: Tenant, name: str) -> None:
        body = {"name": "ops", "url": "https://example.com/", "event_types": ["file.*", name]}
        known = tenant.client.post("/v1/webhook_endpoints", json=body | {"event_types": ["*"]}).json()["id"]
        for path in ("", f"/{known}"):
            answer = tenant.client.post(f"/v1/webhook_endpoints{path}", json=body)
            assert (answer.status_code, answer.json()["error"]["param"], answer.json()["error"]["code"]) == (
                400, "event_types[1]", "invalid_value")
            assert "'fine_tuning.job.*'" in answer.json()["error"]["message"]

    def test_a_project_has_so_many_and_no_more(self, tenant: Tenant, stranger: Tenant,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(endpoints, "_MOST", 2)
        body = {"name": "ops", "url": "https://example.com/", "event_types": ["fine_tuning.job.failed"]}
        answers = [tenant.client.post("/v1/webhook_endpoints", json=body) for _ in range(3)]
        assert [each.status_code for each in answers] == [200, 200, 400]
        assert answers[2].json()["error"]["code"] == "too_many_webhook_endpoints"
        assert stranger.client.post("/v1/webhook_endpoints", json=body).status_code == 200
        tenant.client.delete(f"/v1/webhook_endpoints/{answers[0].json()['id']}")
        assert tenant.client.post("/v1/webhook_endpoints", json=body).status_code == 200

    def test_a_house_that_forbids_private_addresses_refuses_them_at_once(
            self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TUNEWORKS_WEBHOOK_ALLOW_PRIVATE", "false")
        settings.cache_clear()
        for url in ("http://example.com/", "https://10.0.0.8/", "https://169.254.169.254/", "https://localhost/"):
            answer = tenant.client.post("/v1/webhook_endpoints", json={
                "name": "ops", "url": url, "event_types": ["fine_tuning.job.failed"]})
            assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_url"), url
        with transaction(tenant.scope) as session:
            assert session.scalars(select(WebhookEndpoint)).all() == []
        monkeypatch.undo()
        settings.cache_clear()

    def test_where_a_name_leads_in_the_house_s_network_is_not_told(
            self, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TUNEWORKS_WEBHOOK_ALLOW_PRIVATE", "false")
        monkeypatch.setattr(connections, "_look_up", lambda _: [(socket.AF_INET, "10.1.2.3")])
        settings.cache_clear()
        answer = tenant.client.post("/v1/webhook_endpoints", json={
            "name": "ops", "url": "https://wiki.example.com/", "event_types": ["*"]})
        assert answer.status_code == 400
        assert "the URL leads to an address that is not public." in answer.json()["error"]["message"]
        monkeypatch.undo()
        settings.cache_clear()


def make(client: OpenAI, name: str = "ops", url: str = "https://example.com/") -> str:
    return client.webhooks.create(name=name, url=url, event_types=["fine_tuning.job.failed"]).id


class TestList:
    def test_pages_run_from_the_newest_to_the_oldest(self, client: OpenAI) -> None:
        ids = [make(client, f"n{number}") for number in range(5)]
        assert [each.id for each in client.webhooks.list(limit=2)] == ids[::-1]
        assert client.webhooks.list(limit=2).has_more

    @pytest.mark.parametrize(("query", "param"), [("limit=0", "limit"), ("limit=101", "limit"),
                                                  ("after=we_unknown", "after")])
    def test_bad_pages_are_refused(self, tenant: Tenant, query: str, param: str) -> None:
        answer = tenant.client.get(f"/v1/webhook_endpoints?{query}")
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


class TestUpdate:
    def test_only_what_is_given_changes(self, client: OpenAI) -> None:
        endpoint_id = make(client)
        changed = client.webhooks.update(endpoint_id, name="other")
        assert (changed.name, changed.url) == ("other", "https://example.com/")
        changed = client.webhooks.update(endpoint_id, url="https://example.org/", event_types=[
            "fine_tuning.job.cancelled"])
        assert (changed.name, changed.url, changed.event_types) == (
            "other", "https://example.org/", ["fine_tuning.job.cancelled"])

    def test_a_disabled_endpoint_is_taken_up_again(self, client: OpenAI, tenant: Tenant) -> None:
        endpoint_id = make(client)
        with transaction(tenant.scope) as session:
            endpoint = session.get_one(WebhookEndpoint, endpoint_id)
            endpoint.disabled_at = endpoint.created_at
        assert client.webhooks.retrieve(endpoint_id).to_dict()["disabled_at"] is not None
        client.webhooks.update(endpoint_id, name="ops")
        assert client.webhooks.retrieve(endpoint_id).to_dict()["disabled_at"] is None


class TestRotateSecret:
    def test_the_old_key_is_kept_only_if_asked(self, client: OpenAI, tenant: Tenant) -> None:
        made = client.webhooks.create(name="ops", url="https://example.com/", event_types=["fine_tuning.job.failed"])
        rotated = client.webhooks.rotate_secret(made.id, keep_old_secret_active_for_24_hours=True)
        assert rotated.signing_secret != made.signing_secret
        with transaction(tenant.scope) as session:
            endpoint = session.get_one(WebhookEndpoint, made.id)
            assert len(endpoint.signing_keys(endpoint.updated_at)) == 2
        client.webhooks.rotate_secret(made.id)
        with transaction(tenant.scope) as session:
            endpoint = session.get_one(WebhookEndpoint, made.id)
            assert endpoint.signing_keys(endpoint.updated_at) == [endpoint.secret]

    def test_every_key_that_was_promised_a_day_signs_for_a_day(self, client: OpenAI, tenant: Tenant) -> None:
        made = client.webhooks.create(name="ops", url="https://example.com/", event_types=["fine_tuning.job.failed"])
        shown = [made.signing_secret, *(
            client.webhooks.rotate_secret(made.id, keep_old_secret_active_for_24_hours=True).signing_secret
            for _ in range(12))]
        with transaction(tenant.scope) as session:
            endpoint = session.get_one(WebhookEndpoint, made.id)
            signing = [signatures.shown(key) for key in endpoint.signing_keys(endpoint.updated_at)]
            assert signing == shown[:-MOST_OLD_KEYS - 2:-1]
            after = endpoint.updated_at + timedelta(hours=24, seconds=1)
            assert endpoint.signing_keys(after) == [endpoint.secret]

    def test_no_body_is_needed(self, client: OpenAI, tenant: Tenant) -> None:
        answer = tenant.client.post(f"/v1/webhook_endpoints/{make(client)}/rotate_secret")
        assert answer.status_code == 200
        assert answer.json()["signing_secret"].startswith("whsec_")


class TestTest:
    def test_a_sample_event_arrives_signed(self, client: OpenAI, receiver: Receiver) -> None:
        made = client.webhooks.create(name="ops", url=f"{receiver.url}/hook", event_types=["fine_tuning.job.failed"])
        result = client.webhooks.test(made.id, event_type="fine_tuning.job.succeeded")
        assert (result.status_code, result.success, result.webhook_endpoint_id) == (200, True, made.id)
        [request] = receiver.requests
        event = client.webhooks.unwrap(request.body, request.headers, secret=made.signing_secret)
        assert event.type == "fine_tuning.job.succeeded"

    @pytest.mark.parametrize("event_type", list(EventType))
    def test_a_sample_says_so_and_looks_like_its_type(self, client: OpenAI, receiver: Receiver,
                                                      event_type: EventType) -> None:
        wanted: Any = event_type.value  # the SDK's own list knows three of ours
        client.webhooks.test(make(client, url=receiver.url), event_type=wanted)
        chat = client.webhooks.create(name="chat", url=receiver.url, event_types=["fine_tuning.job.failed"],
                                      extra_body={"kind": "slack"})
        client.webhooks.test(chat.id, event_type=wanted)
        signed, told = (json.loads(each.body) for each in receiver.requests)
        assert signed["test"] is True
        assert signed["data"]["id"].startswith("ftjob-") == event_type.startswith("fine_tuning.job.")
        assert told["text"].startswith("Test, nothing has happened: ")

    def test_a_status_is_reported_whatever_it_is(self, client: OpenAI, receiver: Receiver) -> None:
        receiver.answers = [500]
        endpoint_id = make(client, url=receiver.url)
        assert client.webhooks.test(endpoint_id, event_type="fine_tuning.job.failed").status_code == 500

    def test_an_endpoint_that_is_not_there_is_the_callers_to_mend(self, client: OpenAI) -> None:
        endpoint_id = make(client, url="http://127.0.0.1:9/")
        with pytest.raises(BadRequestError) as refused:
            client.webhooks.test(endpoint_id, event_type="fine_tuning.job.failed")
        assert refused.value.code == "webhook_endpoint_unreachable"


def test_deleted_endpoints_are_gone(client: OpenAI) -> None:
    endpoint_id = make(client)
    assert client.webhooks.delete(endpoint_id).to_dict() == {
        "id": endpoint_id, "object": "webhook_endpoint.deleted", "deleted": True}
    for call in (client.webhooks.retrieve, client.webhooks.delete, client.webhooks.rotate_secret):
        with pytest.raises(NotFoundError) as unknown:
            call(endpoint_id)
        assert unknown.value.code == "webhook_endpoint_not_found"
    assert list(client.webhooks.list()) == []


def test_event_types_are_the_ones_that_can_be_subscribed_to(client: OpenAI) -> None:
    assert client.webhooks.event_types.list().data == [each.value for each in EventType]


def test_health_needs_no_key(app_client: TestClient) -> None:
    assert app_client.get("/healthz").json() == {"status": "ok"}
    assert app_client.get("/readyz").json() == {"status": "ok"}
