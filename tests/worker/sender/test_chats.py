"""Chats are told in sentences; all else is as with other endpoints: signed, retried, and disabled in the open."""

import json

import pytest

from service.events.types import EventType
from tests.fixtures.api import Tenant
from tests.fixtures.receiver import Receiver
from tests.worker.sender.driving import Driver, deliveries, happen, register


@pytest.fixture
def send(tenant: Tenant) -> Driver:
    return Driver()


def test_a_chat_gets_a_message_that_it_can_show(tenant: Tenant, receiver: Receiver, send: Driver) -> None:
    made = register(tenant, f"{receiver.url}/services/T0/B0/secret", EventType.JOB_FAILED, kind="slack")
    assert (made["kind"], made["payload"]) == ("slack", "thin")
    happen(tenant, EventType.JOB_FAILED, error={"message": "<!channel> The loss is not a number."})
    send()
    [request] = receiver.requests
    message = json.loads(request.body)
    assert message["text"] == "Fine-tuning job ftjob-1 failed: &lt;!channel&gt; The loss is not a number."
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-signature"].startswith("v1,")
    assert [each.state for each in deliveries(tenant)] == ["delivered"]


def test_an_endpoint_may_become_a_chat_and_a_webhook_again(tenant: Tenant, receiver: Receiver, send: Driver) -> None:
    made = register(tenant, receiver.url)
    assert made["kind"] == "webhook"
    path = f"/v1/webhook_endpoints/{made['id']}"
    for kind, key in (("slack", "blocks"), ("webhook", "object")):
        assert tenant.client.post(path, json={"kind": kind}).json()["kind"] == kind
        happen(tenant, subject=f"ftjob-{kind}")
        send()
        assert key in json.loads(receiver.requests[-1].body)
    assert tenant.client.post(path, json={"kind": "smoke signals"}).json()["error"]["param"] == "kind"


def test_the_end_of_a_chat_is_told_without_its_secret_url(tenant: Tenant, receiver: Receiver, send: Driver) -> None:
    receiver.answers = [410]
    register(tenant, f"{receiver.url}/services/T0/B0/secret", kind="slack")
    happen(tenant)
    send()
    receiver.answers = [200]
    listed = tenant.client.get("/v1/events", params={"type": "webhook_endpoint.disabled"}).json()["data"]
    assert [each["data"]["url"] for each in listed] == ["https://127.0.0.1/…"]


def test_a_chat_is_tried_by_a_sample(tenant: Tenant, receiver: Receiver) -> None:
    made = register(tenant, receiver.url, kind="slack")
    answer = tenant.client.post(f"/v1/webhook_endpoints/{made['id']}/test",
                                json={"event_type": "fine_tuning.job.succeeded"})
    assert answer.json()["status_code"] == 200
    assert json.loads(receiver.requests[0].body)["blocks"][0]["text"]["text"] == "Job succeeded"
