"""What was delivered can be looked up: by endpoint, by event, each attempt with what went over the wire."""

import pytest
from fastapi.testclient import TestClient
from openai import OpenAI
from standardwebhooks import Webhook
from svix.webhooks import Webhook as SvixWebhook

from service.events.types import EventType
from tests.fixtures.api import Tenant
from tests.fixtures.receiver import Receiver
from tests.service.webhooks.conftest import Deliver
from tests.worker.sender.driving import happen, register

FAILED, SUCCEEDED = EventType.JOB_FAILED, EventType.JOB_SUCCEEDED


def listed(tenant: Tenant, url: str, **query: object) -> list[dict[str, object]]:
    answer = tenant.client.get(url, params=query or None)  # type: ignore[arg-type]  # whatever a test asks
    assert answer.status_code == 200, answer.text
    found: list[dict[str, object]] = answer.json()["data"]
    return found


class TestLists:
    def test_a_delivery_tells_what_became_of_it(self, tenant: Tenant, receiver: Receiver, deliver: Deliver) -> None:
        endpoint_id = register(tenant, receiver.url)["id"]
        event_id = happen(tenant)
        deliver()
        [shown] = listed(tenant, f"/v1/webhook_endpoints/{endpoint_id}/deliveries")
        assert shown["id"] == receiver.requests[0].headers["webhook-id"]
        assert isinstance(shown.pop("latency_ms"), int)
        assert shown == {
            "id": shown["id"], "object": "webhook_delivery", "webhook_endpoint_id": endpoint_id, "event_id": event_id,
            "event_type": "fine_tuning.job.succeeded", "state": "delivered", "attempts": 1,
            "created_at": shown["created_at"], "next_attempt_at": None, "delivered_at": shown["delivered_at"],
            "status_code": 200, "error": None, "error_class": None, "response_body": ""}
        assert listed(tenant, f"/v1/events/{event_id}/deliveries")[0]["id"] == shown["id"]
        assert tenant.client.get(f"/v1/webhook_deliveries/{shown['id']}").json()["state"] == "delivered"

    def test_one_that_waits_says_for_when(self, tenant: Tenant, receiver: Receiver, deliver: Deliver) -> None:
        receiver.answers = [503]
        endpoint_id = register(tenant, receiver.url)["id"]
        happen(tenant)
        deliver()
        [shown] = listed(tenant, f"/v1/webhook_endpoints/{endpoint_id}/deliveries")
        assert (shown["state"], shown["error_class"], shown["error"]) == (
            "pending", "server_error", "The endpoint answered 503.")
        assert isinstance(shown["next_attempt_at"], int)
        assert shown["next_attempt_at"] >= int(str(shown["created_at"]))

    def test_an_event_shows_its_deliveries_to_all_endpoints_also_deleted_ones(
            self, tenant: Tenant, receiver: Receiver, deliver: Deliver) -> None:
        first, second = (register(tenant, f"{receiver.url}/{n}")["id"] for n in range(2))
        event_id = happen(tenant)
        deliver()
        tenant.client.delete(f"/v1/webhook_endpoints/{first}")
        assert {each["webhook_endpoint_id"] for each in listed(tenant, f"/v1/events/{event_id}/deliveries")} == {
            first, second}
        assert tenant.client.get(f"/v1/webhook_endpoints/{first}/deliveries").status_code == 404

    def test_filters_leave_what_is_asked_for(self, tenant: Tenant, receiver: Receiver, deliver: Deliver) -> None:
        url = f"/v1/webhook_endpoints/{register(tenant, receiver.url, FAILED, SUCCEEDED)['id']}/deliveries"
        happen(tenant, SUCCEEDED)
        deliver()
        receiver.answers = [404]
        happen(tenant, FAILED)
        deliver()
        made = int(str(listed(tenant, url)[0]["created_at"]))
        for query, types in (
                ({}, [FAILED, SUCCEEDED]), ({"state": "delivered"}, [SUCCEEDED]), ({"state": "pending"}, [FAILED]),
                ({"state": "failed"}, []), ({"event_type": FAILED}, [FAILED]),
                ({"event_type": "fine_tuning.*"}, [FAILED, SUCCEEDED]), ({"event_type": "file.*"}, []),
                ({"event_type": [FAILED, SUCCEEDED]}, [FAILED, SUCCEEDED]), ({"error_class": "client_error"}, [FAILED]),
                ({"error_class": "tls"}, []), ({"since": made - 60, "until": made + 60}, [FAILED, SUCCEEDED]),
                ({"since": made + 60}, []), ({"until": made - 60}, []), ({"until": made}, [FAILED, SUCCEEDED])):
            assert [each["event_type"] for each in listed(tenant, url, **query)] == types, query

    def test_pages_run_from_the_newest_to_the_oldest(self, tenant: Tenant, receiver: Receiver,
                                                     deliver: Deliver) -> None:
        url = f"/v1/webhook_endpoints/{register(tenant, receiver.url)['id']}/deliveries"
        events = {happen(tenant) for _ in range(5)}
        deliver()
        seen: list[object] = []
        after: dict[str, str] = {}
        for expected in (True, True, False):
            page = tenant.client.get(url, params={"limit": "2", **after}).json()
            seen += [each["event_id"] for each in page["data"]]
            after = {"after": page["last_id"]}
            assert page["has_more"] is expected
        assert set(seen) == events
        assert seen == [each["event_id"] for each in listed(tenant, url, limit=100)]

    @pytest.mark.parametrize(("query", "param"), [
        ("state=lost", "state"), ("error_class=bad", "error_class"), ("event_type=x", "event_type"),
        ("since=-1", "since"), ("since=abc", "since"), ("until=999999999999999999999", "until"), ("limit=0", "limit"),
        ("limit=101", "limit"), ("after=wh_unknown", "after"), ("event_type=%00", "event_type"),
        ("until=253402300800", "until"), ("after=%ED%A0%80", "after")])
    def test_filters_that_mean_nothing_are_refused(self, tenant: Tenant, query: str, param: str) -> None:
        endpoint_id = register(tenant, "https://example.com/")["id"]
        answer = tenant.client.get(f"/v1/webhook_endpoints/{endpoint_id}/deliveries?{query}")
        assert answer.status_code == 400, answer.text
        assert param in answer.json()["error"]["param"]

    @pytest.mark.parametrize("query", ["since=0&until=253402300799", "since=253402300799", "until=0"])
    def test_the_ends_of_time_are_moments_too(self, tenant: Tenant, query: str) -> None:
        endpoint_id = register(tenant, "https://example.com/")["id"]
        assert listed(tenant, f"/v1/webhook_endpoints/{endpoint_id}/deliveries?{query}") == []

    @pytest.mark.parametrize(("path", "code"), [
        ("/v1/webhook_deliveries/wh_x", "webhook_delivery_not_found"),
        ("/v1/webhook_deliveries/wh_x/attempts", "webhook_delivery_not_found"),
        ("/v1/events/evt_x/deliveries", "event_not_found"),
        ("/v1/webhook_endpoints/we_x/deliveries", "webhook_endpoint_not_found"),
        ("/v1/webhook_endpoints/we_x/stats", "webhook_endpoint_not_found")])
    def test_unknown_ids_are_not_found(self, tenant: Tenant, path: str, code: str) -> None:
        answer = tenant.client.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, code)


class TestAttempts:
    def test_each_is_shown_with_the_heads_that_went_and_came(self, tenant: Tenant, receiver: Receiver,
                                                             deliver: Deliver) -> None:
        receiver.answers = [500, 200]
        endpoint_id = register(tenant, receiver.url)["id"]
        happen(tenant)
        deliver()
        [delivery] = listed(tenant, f"/v1/webhook_endpoints/{endpoint_id}/deliveries")
        assert tenant.client.post(f"/v1/webhook_deliveries/{delivery['id']}/resend").status_code == 200
        deliver()
        last, first = listed(tenant, f"/v1/webhook_deliveries/{delivery['id']}/attempts")
        assert [(each["number"], each["status_code"], each["error_class"]) for each in (first, last)] == [
            (1, 500, "server_error"), (2, 200, None)]
        assert [each["request_headers"] for each in (first, last)] == [each.headers for each in receiver.requests]
        assert isinstance(last["response_headers"], dict)
        assert "date" in last["response_headers"]
        assert last["object"] == "webhook_attempt"
        assert last["webhook_delivery_id"] == delivery["id"]

    def test_an_attempt_without_an_answer_has_no_head_of_one(self, tenant: Tenant, deliver: Deliver) -> None:
        endpoint_id = register(tenant, "http://127.0.0.1:9/")["id"]
        happen(tenant)
        deliver()
        [delivery] = listed(tenant, f"/v1/webhook_endpoints/{endpoint_id}/deliveries")
        [attempt] = listed(tenant, f"/v1/webhook_deliveries/{delivery['id']}/attempts")
        assert (attempt["status_code"], attempt["error_class"], attempt["response_headers"]) == (None, "connect", None)


class TestEndpoints:
    def test_an_endpoint_tells_how_it_does(self, tenant: Tenant, receiver: Receiver, deliver: Deliver) -> None:
        made = register(tenant, receiver.url)
        url = f"/v1/webhook_endpoints/{made['id']}"
        fields = ("status", "failing_since", "disabled_at", "disabled_reason", "payload")
        assert [made[name] for name in fields] == ["enabled", None, None, None, "thin"]
        receiver.answers = [500, 410]
        happen(tenant)
        deliver()
        failing = tenant.client.get(url).json()
        assert failing["status"] == "failing"
        assert failing["failing_since"] is not None
        happen(tenant)
        deliver()
        disabled = tenant.client.get(url).json()
        assert disabled["status"] == "disabled"
        assert disabled["disabled_at"] is not None
        assert "410" in disabled["disabled_reason"]
        mended = tenant.client.post(url, json={}).json()
        assert [mended[name] for name in fields] == ["enabled", None, None, None, "thin"]

    def test_the_payload_is_chosen_at_creation_and_changed_later(self, tenant: Tenant, receiver: Receiver,
                                                                 deliver: Deliver) -> None:
        made = register(tenant, receiver.url, payload="full")
        assert made["payload"] == "full"
        happen(tenant, model="tuned")
        deliver()
        assert b'"model":"tuned"' in receiver.requests[0].body
        assert tenant.client.post(f"/v1/webhook_endpoints/{made['id']}", json={"payload": "thin"}).json()[
            "payload"] == "thin"
        happen(tenant, model="tuned")
        deliver()
        assert b"tuned" not in receiver.requests[1].body.replace(b"fine_tuning", b"")

    @pytest.mark.parametrize("value", ["thick", "", 1, [], "thin\x00"])
    def test_other_payloads_are_refused(self, tenant: Tenant, value: object) -> None:
        answer = tenant.client.post("/v1/webhook_endpoints", json={
            "name": "ops", "url": "https://example.com/", "event_types": [FAILED], "payload": value})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "payload")


class TestStats:
    def test_they_count_what_happened(self, tenant: Tenant, receiver: Receiver, deliver: Deliver) -> None:
        url = f"/v1/webhook_endpoints/{register(tenant, receiver.url)['id']}/stats"
        empty = tenant.client.get(url).json()
        assert (empty["attempts"], empty["error_classes"], empty["latency_ms"]) == (0, {}, {"p50": None, "p99": None})
        receiver.answers = [200, 200, 404, 500]
        for _ in range(4):
            happen(tenant)
            deliver()
        told = tenant.client.get(url).json()
        assert told["deliveries"] == {"pending": 2, "delivered": 2, "failed": 0}
        assert told["attempts"] == 4
        assert told["error_classes"] == {"client_error": 1, "server_error": 1}
        assert 0 <= told["latency_ms"]["p50"] <= told["latency_ms"]["p99"]


def test_three_foreign_verifiers_take_the_same_delivery(tenant: Tenant, receiver: Receiver, deliver: Deliver) -> None:
    old = register(tenant, receiver.url, payload="full")
    new = tenant.client.post(f"/v1/webhook_endpoints/{old['id']}/rotate_secret",
                             json={"keep_old_secret_active_for_24_hours": True}).json()
    happen(tenant, name="Zoë ✓")
    deliver()
    [request] = receiver.requests
    for secret in (old["signing_secret"], new["signing_secret"]):
        OpenAI(api_key="none").webhooks.unwrap(request.body, request.headers, secret=secret)
        Webhook(secret).verify(request.body, request.headers)
        SvixWebhook(secret).verify(request.body, request.headers)


def test_keys_are_asked_for(app_client: TestClient) -> None:
    for path in ("/v1/webhook_deliveries/wh_x", "/v1/events/evt_x/deliveries", "/v1/webhook_endpoints/we_x/stats"):
        assert app_client.get(path).status_code == 401
