"""Events reach every endpoint that listens: signed, retried from Postgres, and given up in the open."""

import json
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from openai import OpenAI
from openai.types.webhooks import FineTuningJobSucceededWebhookEvent
from sqlalchemy import select, text
from standardwebhooks import Webhook

from service.events import operations as events
from service.events.types import EventType
from service.kit.database import DISPATCH, transaction
from service.kit.work import Work, enqueue
from service.webhooks.schedule import DELAYS
from service.webhooks.tables import WebhookDelivery, WebhookEndpoint
from tests.fixtures.api import Tenant
from tests.fixtures.receiver import Receiver
from worker import app as framework
from worker.tasks import webhooks

HANDLERS = {Work.FAN_OUT_EVENT: webhooks.fan_out, Work.DELIVER_WEBHOOK: webhooks.deliver}


def register(tenant: Tenant, url: str, *types: EventType) -> dict[str, Any]:
    answer = tenant.client.post("/v1/webhook_endpoints", json={
        "name": "ops", "url": url, "event_types": [*types] or [EventType.JOB_SUCCEEDED]})
    assert answer.status_code == 200, answer.text
    endpoint: dict[str, Any] = answer.json()
    return endpoint


def happen(tenant: Tenant, type_: EventType = EventType.JOB_SUCCEEDED) -> str:
    with transaction(tenant.scope) as session:
        return events.append(session, type_, "ftjob-1", project_id=tenant.project_id).id


def work_off() -> None:
    """Run everything that is due, as relay and workers would."""
    for _ in range(20):
        with transaction(DISPATCH) as session:
            due = session.execute(text("select id, kind from work_items"
                                       " where state = 'pending' and run_at <= now()")).all()
        if not due:
            return
        for item_id, kind in due:
            framework.run(HANDLERS[Work(kind)], item_id)
    raise AssertionError("work goes round in circles")


def let_time_pass(tenant: Tenant) -> None:
    """Bring every planned retry to the present."""
    with transaction(tenant.scope) as session:
        session.execute(text("update webhook_deliveries set next_attempt_at = now() where next_attempt_at is not null"))
    with transaction(DISPATCH) as session:
        session.execute(text("update work_items set run_at = now() where state = 'pending'"))


def deliveries(tenant: Tenant) -> list[WebhookDelivery]:
    with transaction(tenant.scope) as session:
        return list(session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.position)))


def waiting() -> list[Any]:
    with transaction(DISPATCH) as session:
        return list(session.execute(text("select kind, failures, run_at - now() as wait from work_items")).all())


class TestFanOut:
    def test_each_listening_endpoint_gets_one_delivery(self, tenant: Tenant, receiver: Receiver) -> None:
        listening = [register(tenant, f"{receiver.url}/{n}", EventType.JOB_SUCCEEDED)["id"] for n in range(2)]
        register(tenant, receiver.url, EventType.JOB_FAILED)
        deleted = register(tenant, receiver.url)["id"]
        tenant.client.delete(f"/v1/webhook_endpoints/{deleted}")
        happen(tenant)
        work_off()
        assert [each.endpoint_id for each in deliveries(tenant)] == listening
        assert sorted(request.path for request in receiver.requests) == ["/0", "/1"]

    def test_fanning_out_again_adds_nothing(self, tenant: Tenant, receiver: Receiver) -> None:
        register(tenant, receiver.url)
        event_id = happen(tenant)
        work_off()
        with transaction(tenant.scope) as session:
            enqueue(session, Work.FAN_OUT_EVENT, event_id, project_id=tenant.project_id)
        work_off()
        assert len(deliveries(tenant)) == len(receiver.requests) == 1

    def test_another_tenants_endpoint_hears_nothing(self, tenant: Tenant, stranger: Tenant, receiver: Receiver) -> None:
        register(stranger, receiver.url)
        happen(tenant)
        work_off()
        assert receiver.requests == []


class TestDeliver:
    def test_what_arrives_satisfies_two_foreign_verifiers(self, tenant: Tenant, receiver: Receiver) -> None:
        endpoint = register(tenant, receiver.url)
        event_id = happen(tenant)
        work_off()
        [request] = receiver.requests
        event = OpenAI(api_key="none").webhooks.unwrap(request.body, request.headers, secret=endpoint["signing_secret"])
        Webhook(endpoint["signing_secret"]).verify(request.body, request.headers)
        assert isinstance(event, FineTuningJobSucceededWebhookEvent)
        assert (event.id, event.type, event.data.id) == (event_id, "fine_tuning.job.succeeded", "ftjob-1")
        assert set(json.loads(request.body)) == {"id", "object", "type", "created_at", "data"}
        [delivery] = deliveries(tenant)
        assert request.headers["webhook-id"] == delivery.id
        assert delivery.id.startswith("wh_")
        assert (delivery.state, delivery.attempts, delivery.status_code, delivery.error) == ("delivered", 1, 200, None)
        assert delivery.delivered_at is not None
        assert waiting() == []

    def test_a_retry_carries_the_same_id_and_body_at_no_cost_of_the_work_item(
            self, tenant: Tenant, receiver: Receiver) -> None:
        receiver.answers = [500, 302, 200]
        register(tenant, receiver.url)
        happen(tenant)
        work_off()
        for planned in DELAYS[:2]:
            [(kind, failures, wait)] = waiting()
            assert (kind, failures) == (Work.DELIVER_WEBHOOK, 0)
            assert planned * 0.7 < wait <= planned * 1.2
            let_time_pass(tenant)
            work_off()
        assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
        assert len({request.body for request in receiver.requests}) == 1
        [delivery] = deliveries(tenant)
        assert (delivery.state, delivery.attempts) == ("delivered", 3)

    def test_a_wake_up_call_before_its_time_sends_nothing(self, tenant: Tenant, receiver: Receiver) -> None:
        receiver.answers = [503]
        register(tenant, receiver.url)
        happen(tenant)
        work_off()
        with transaction(DISPATCH) as session:
            session.execute(text("update work_items set run_at = now()"))
        work_off()
        assert len(receiver.requests) == 1
        assert len(waiting()) == 1

    def test_after_the_last_try_it_has_failed(self, tenant: Tenant, receiver: Receiver) -> None:
        receiver.answers = [500]
        register(tenant, receiver.url)
        happen(tenant)
        work_off()
        for _ in DELAYS:
            let_time_pass(tenant)
            work_off()
        [delivery] = deliveries(tenant)
        assert (delivery.state, delivery.attempts, delivery.status_code) == ("failed", 10, 500)
        assert (delivery.error, waiting()) == ("The endpoint answered 500.", [])
        assert len(receiver.requests) == 10

    def test_retry_after_is_honoured(self, tenant: Tenant, receiver: Receiver) -> None:
        async def later(_: web.Request) -> web.Response:
            return web.Response(status=429, headers={"retry-after": "7200"})
        receiver.answers = [later]
        register(tenant, receiver.url)
        happen(tenant)
        work_off()
        [(_, _, wait)] = waiting()
        assert timedelta(hours=1, minutes=59) < wait <= timedelta(hours=2)

    def test_gone_disables_the_endpoint_until_it_is_updated(self, tenant: Tenant, receiver: Receiver) -> None:
        receiver.answers = [410, 200]
        endpoint_id = register(tenant, receiver.url)["id"]
        happen(tenant)
        work_off()
        assert tenant.client.get(f"/v1/webhook_endpoints/{endpoint_id}").json()["disabled_at"] is not None
        happen(tenant)
        work_off()
        assert [each.state for each in deliveries(tenant)] == ["failed"]
        tenant.client.post(f"/v1/webhook_endpoints/{endpoint_id}", json={"name": "ops"})
        happen(tenant)
        work_off()
        assert [each.state for each in deliveries(tenant)] == ["failed", "delivered"]

    @pytest.mark.parametrize(("column", "reason"), [("deleted_at", "deleted"), ("disabled_at", "disabled")])
    def test_an_endpoint_that_went_meanwhile_gets_nothing(self, tenant: Tenant, receiver: Receiver, column: str,
                                                          reason: str) -> None:
        receiver.answers = [500]
        register(tenant, receiver.url)
        happen(tenant)
        work_off()
        with transaction(tenant.scope) as session:
            endpoint = session.scalars(select(WebhookEndpoint)).one()
            setattr(endpoint, column, endpoint.created_at)
        let_time_pass(tenant)
        work_off()
        [delivery] = deliveries(tenant)
        assert delivery.state == "failed"
        assert reason in (delivery.error or "")
        assert len(receiver.requests) == 1

    def test_during_a_rotation_both_keys_verify(self, tenant: Tenant, receiver: Receiver) -> None:
        old = register(tenant, receiver.url)
        new = tenant.client.post(f"/v1/webhook_endpoints/{old['id']}/rotate_secret",
                                 json={"keep_old_secret_active_for_24_hours": True}).json()
        happen(tenant)
        work_off()
        [request] = receiver.requests
        for secret in (old["signing_secret"], new["signing_secret"]):
            Webhook(secret).verify(request.body, request.headers)

    def test_one_dead_endpoint_keeps_no_other_waiting(self, tenant: Tenant, receiver: Receiver) -> None:
        register(tenant, "http://127.0.0.1:9/")
        register(tenant, receiver.url)
        happen(tenant)
        work_off()
        assert [each.state for each in deliveries(tenant)] == ["pending", "delivered"]
        assert "ConnectionRefusedError" in (deliveries(tenant)[0].error or "")

    def test_a_delivery_that_workers_die_over_fails_in_the_open(self, tenant: Tenant, receiver: Receiver) -> None:
        register(tenant, receiver.url)
        happen(tenant)
        with transaction(DISPATCH) as session:
            [item] = session.scalars(text("select id from work_items")).all()
        framework.run(webhooks.fan_out, item)
        with transaction(DISPATCH) as session:
            session.execute(text("update work_items set state = 'running', crashes = 5, lease_until = now() -"
                                 " interval '1 s'"))
            [item] = session.scalars(text("select id from work_items")).all()
        framework.run(webhooks.deliver, item)
        [delivery] = deliveries(tenant)
        assert delivery.state == "failed"
        assert "workers that died" in (delivery.error or "")
        assert receiver.requests == []
