"""Events reach every endpoint that listens: signed, tried again by the schedule, and given up in the open."""

import json
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from openai import OpenAI
from openai.types.webhooks import FineTuningJobSucceededWebhookEvent
from sqlalchemy import select
from standardwebhooks import Webhook

from service.events.tables import Event
from service.events.types import EventType
from service.kit.database import transaction
from service.webhooks import bodies
from service.webhooks.outcomes import ErrorClass
from service.webhooks.schedule import DELAYS
from service.webhooks.tables import WebhookEndpoint
from tests.fixtures.api import Tenant
from tests.fixtures.receiver import Receiver
from tests.worker.sender.driving import Driver, attempts, deliveries, happen, register, states
from worker.sender.breakers import OPENS_AT


class TestPlanning:
    def test_each_listening_endpoint_gets_one_delivery(self, tenant: Tenant, receiver: Receiver, send: Driver) -> None:
        listening = [register(tenant, f"{receiver.url}/{n}", EventType.JOB_SUCCEEDED)["id"] for n in range(2)]
        register(tenant, receiver.url, EventType.JOB_FAILED)
        deleted = register(tenant, receiver.url)["id"]
        tenant.client.delete(f"/v1/webhook_endpoints/{deleted}")
        happen(tenant)
        send()
        assert {each.endpoint_id for each in deliveries(tenant)} == set(listening)
        assert sorted(request.path for request in receiver.requests) == ["/0", "/1"]

    def test_groups_are_told_of_their_types_and_of_those_that_come_later(self, tenant: Tenant, receiver: Receiver,
                                                                         send: Driver) -> None:
        for path, *names in (("all", "*"), ("jobs", "fine_tuning.*", "fine_tuning.job.*", "fine_tuning.job.succeeded"),
                             ("deep", "fine_tuning.job.checkpoint.*"), ("files", "file.*")):
            register(tenant, f"{receiver.url}/{path}", *names)
        told = {happen(tenant, EventType.JOB_SUCCEEDED): ["/all", "/jobs"],
                happen(tenant, EventType.JOB_CHECKPOINT): ["/all", "/deep", "/jobs"],
                happen(tenant, EventType.FILE_VALIDATED): ["/all", "/files"]}
        with transaction(tenant.scope) as session:
            for type_, paths in (("fine_tuning.job.dreamt", ["/all", "/jobs"]), ("file", ["/all"])):
                told[type_] = paths
                session.add(Event(id=type_, project_id=tenant.project_id, type=type_, subject="x", data={"id": "x"}))
        send()
        heard = sorted((json.loads(request.body)["id"], request.path) for request in receiver.requests)
        assert heard == sorted((event_id, path) for event_id, paths in told.items() for path in paths)

    def test_what_was_told_is_not_told_again(self, tenant: Tenant, receiver: Receiver, send: Driver) -> None:
        register(tenant, receiver.url)
        happen(tenant)
        send()
        register(tenant, f"{receiver.url}/late")
        send()
        assert len(deliveries(tenant)) == len(receiver.requests) == 1

    def test_another_tenants_endpoint_hears_nothing(self, tenant: Tenant, stranger: Tenant, receiver: Receiver,
                                                    send: Driver) -> None:
        register(stranger, receiver.url)
        happen(tenant)
        send()
        assert receiver.requests == []


class TestDelivering:
    def test_what_arrives_satisfies_two_foreign_verifiers(self, tenant: Tenant, receiver: Receiver,
                                                          send: Driver) -> None:
        endpoint = register(tenant, receiver.url)
        event_id = happen(tenant, secret_detail="not for thin payloads")
        send()
        [request] = receiver.requests
        event = OpenAI(api_key="none").webhooks.unwrap(request.body, request.headers, secret=endpoint["signing_secret"])
        Webhook(endpoint["signing_secret"]).verify(request.body, request.headers)
        assert isinstance(event, FineTuningJobSucceededWebhookEvent)
        assert (event.id, event.type, event.data.id) == (event_id, "fine_tuning.job.succeeded", "ftjob-1")
        body = json.loads(request.body)
        assert set(body) == {"id", "object", "type", "created_at", "sequence", "data"}
        assert (body["sequence"], body["data"]) == (1, {"id": "ftjob-1"})
        [delivery] = deliveries(tenant)
        assert request.headers["webhook-id"] == delivery.id
        assert (delivery.state, delivery.attempts, delivery.status_code, delivery.error) == ("delivered", 1, 200, None)
        assert (delivery.delivered_at, delivery.next_attempt_at, delivery.lease) == (send.clock.now, None, None)

    def test_full_payloads_say_all_that_is_known(self, tenant: Tenant, receiver: Receiver, send: Driver) -> None:
        endpoint = register(tenant, receiver.url)["id"]
        with transaction(tenant.scope) as session:
            session.get_one(WebhookEndpoint, endpoint).payload = "full"
        happen(tenant, model="tuned")
        send()
        assert json.loads(receiver.requests[0].body)["data"] == {"id": "ftjob-1", "model": "tuned"}

    def test_each_attempt_is_kept_as_it_went_over_the_wire(self, tenant: Tenant, receiver: Receiver,
                                                           send: Driver) -> None:
        receiver.answers = [503, 200]
        register(tenant, receiver.url)
        happen(tenant)
        send()
        send.go_on()
        [first, second] = attempts(tenant)
        assert [(each.number, each.status_code, each.error_class) for each in (first, second)] == [
            (1, 503, "server_error"), (2, 200, None)]
        assert first.request_headers["webhook-id"] == deliveries(tenant)[0].id
        assert first.request_headers["webhook-signature"] != second.request_headers["webhook-signature"]
        assert first.response_headers is not None
        assert "server" in first.response_headers

    def test_a_retry_carries_the_same_id_and_body(self, tenant: Tenant, receiver: Receiver, send: Driver) -> None:
        receiver.answers = [500, 302, 200]
        register(tenant, receiver.url)
        happen(tenant)
        send()
        for planned in DELAYS[:2]:
            before = send.clock.now
            assert planned * 0.7 < send.go_on() - before <= planned * 1.2
        assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
        assert len({request.body for request in receiver.requests}) == 1
        assert len({request.headers["webhook-timestamp"] for request in receiver.requests}) == 3
        [delivery] = deliveries(tenant)
        assert (delivery.state, delivery.attempts) == ("delivered", 3)

    def test_before_its_time_nothing_is_sent(self, tenant: Tenant, receiver: Receiver, send: Driver) -> None:
        receiver.answers = [503]
        register(tenant, receiver.url)
        happen(tenant)
        send()
        send.clock.move(timedelta(seconds=3))
        send()
        assert len(receiver.requests) == 1

    def test_after_the_last_try_it_has_failed(self, tenant: Tenant, receiver: Receiver, send: Driver) -> None:
        receiver.answers = [500]
        register(tenant, receiver.url)
        happen(tenant)
        send()
        for _ in DELAYS:
            send.go_on()
        [delivery] = deliveries(tenant)
        assert (delivery.state, delivery.attempts, delivery.tries, delivery.status_code) == ("failed", 10, 10, 500)
        assert (delivery.error, delivery.error_class) == ("The endpoint answered 500.", "server_error")
        assert (delivery.next_attempt_at, len(receiver.requests), len(attempts(tenant))) == (None, 10, 10)

    def test_retry_after_is_honoured(self, tenant: Tenant, receiver: Receiver, send: Driver) -> None:
        async def later(_: web.Request) -> web.Response:
            return web.Response(status=429, headers={"retry-after": "7200"})
        receiver.answers = [later]
        register(tenant, receiver.url)
        happen(tenant)
        send()
        assert deliveries(tenant)[0].next_attempt_at == send.clock.now + timedelta(hours=2)

    def test_during_a_rotation_both_keys_verify_and_the_new_one_is_used_at_once(
            self, tenant: Tenant, receiver: Receiver, send: Driver) -> None:
        old = register(tenant, receiver.url)
        happen(tenant)
        send()
        new = tenant.client.post(f"/v1/webhook_endpoints/{old['id']}/rotate_secret",
                                 json={"keep_old_secret_active_for_24_hours": True}).json()
        happen(tenant)
        send()
        request = receiver.requests[-1]
        for secret in (old["signing_secret"], new["signing_secret"]):
            Webhook(secret).verify(request.body, request.headers)

    def test_one_dead_endpoint_keeps_no_other_waiting(self, tenant: Tenant, receiver: Receiver, send: Driver) -> None:
        dead = register(tenant, "http://127.0.0.1:9/")["id"]
        register(tenant, receiver.url)
        happen(tenant)
        send()
        found = {each.endpoint_id == dead: (each.state, each.error_class) for each in deliveries(tenant)}
        assert found == {True: ("pending", ErrorClass.CONNECT), False: ("delivered", None)}

    def test_an_endpoint_that_was_updated_is_tried_at_once(
            self, tenant: Tenant, receiver: Receiver, send: Driver) -> None:
        receiver.answers = [503]
        endpoint_id = register(tenant, receiver.url)["id"]
        for _ in range(OPENS_AT + 1):
            happen(tenant)
            send()
        assert len(receiver.requests) == OPENS_AT, "it is left alone"
        receiver.answers = [200]
        tenant.client.post(f"/v1/webhook_endpoints/{endpoint_id}", json={"url": f"{receiver.url}/mended"})
        send()
        assert [request.path for request in receiver.requests[OPENS_AT:]] == ["/mended"]
        assert states(tenant) == ["pending"] * OPENS_AT + ["delivered"]
        for _ in range(6):
            happen(tenant)
        send()
        assert states(tenant)[OPENS_AT:] == ["delivered"] * 7


class TestEndings:
    def test_gone_disables_the_endpoint_until_it_is_updated(self, tenant: Tenant, receiver: Receiver,
                                                            send: Driver) -> None:
        receiver.answers = [410, 200]
        listens_to = (EventType.JOB_SUCCEEDED, EventType.ENDPOINT_DISABLED)
        endpoint_id = register(tenant, receiver.url, *listens_to)["id"]
        register(tenant, f"{receiver.url}/other", EventType.ENDPOINT_DISABLED)
        happen(tenant)
        send()
        assert tenant.client.get(f"/v1/webhook_endpoints/{endpoint_id}").json()["disabled_at"] is not None
        told = json.loads(receiver.requests[-1].body)
        assert (receiver.requests[-1].path, told["type"], told["data"]) == (
            "/other", "webhook_endpoint.disabled", {"id": endpoint_id})
        happen(tenant)
        send()
        assert len(receiver.requests) == 2
        tenant.client.post(f"/v1/webhook_endpoints/{endpoint_id}", json={"name": "ops"})
        happen(tenant)
        send()
        assert states(tenant) == ["failed", "delivered", "delivered"]

    def test_what_waits_fails_when_its_endpoint_is_disabled(self, tenant: Tenant, receiver: Receiver,
                                                            send: Driver) -> None:
        receiver.answers = [500, 410]
        register(tenant, receiver.url)
        happen(tenant)
        send()
        happen(tenant)
        send()
        assert [(each.state, each.error_class) for each in deliveries(tenant)] == [
            ("failed", "endpoint_disabled"), ("failed", "gone")]

    @pytest.mark.parametrize(("column", "reason"), [("deleted_at", ErrorClass.ENDPOINT_DELETED),
                                                    ("disabled_at", ErrorClass.ENDPOINT_DISABLED)])
    def test_an_endpoint_that_went_meanwhile_gets_nothing(self, tenant: Tenant, receiver: Receiver, send: Driver,
                                                          column: str, reason: str) -> None:
        receiver.answers = [500]
        register(tenant, receiver.url)
        happen(tenant)
        send()
        with transaction(tenant.scope) as session:
            endpoint = session.scalars(select(WebhookEndpoint)).one()
            setattr(endpoint, column, endpoint.created_at)
        send.sender._expel_at = 0
        send.clock.move(timedelta(days=1))
        send()
        [delivery] = deliveries(tenant)
        assert (delivery.state, delivery.error_class, delivery.next_attempt_at) == ("failed", reason, None)
        assert len(receiver.requests) == 1

    def test_a_fault_on_our_side_fails_the_delivery_and_no_other(
            self, tenant: Tenant, receiver: Receiver, send: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
        sound = bodies.body

        def body(event: Any, endpoint: Any) -> bytes:
            if event.subject == "ftjob-bad":
                raise ValueError("broken")
            return sound(event, endpoint)
        monkeypatch.setattr(bodies, "body", body)
        register(tenant, receiver.url)
        happen(tenant, subject="ftjob-bad")
        happen(tenant, subject="ftjob-good")
        send()
        found = {each.state: each.error for each in deliveries(tenant)}
        assert found == {"failed": "The message could not be made: ValueError.", "delivered": None}
        with transaction(tenant.scope) as session:
            assert session.scalars(select(WebhookEndpoint)).one().failing_since is None

    def test_an_endpoint_that_fails_for_five_days_is_disabled_in_the_open(
            self, tenant: Tenant, receiver: Receiver, send: Driver) -> None:
        receiver.answers = [500]
        endpoint_id = register(tenant, receiver.url)["id"]
        begun = send.clock.now
        while tenant.client.get(f"/v1/webhook_endpoints/{endpoint_id}").json()["disabled_at"] is None:
            happen(tenant)
            send()
            send.clock.move(timedelta(hours=6))
            assert send.clock.now < begun + timedelta(days=6)
        assert send.clock.now >= begun + timedelta(days=5)
        assert set(states(tenant)) == {"failed"}
        with transaction(tenant.scope) as session:
            assert "5 days" in (session.get_one(WebhookEndpoint, endpoint_id).disabled_reason or "")

    def test_a_success_between_begins_the_five_days_anew(self, tenant: Tenant, receiver: Receiver,
                                                         send: Driver) -> None:
        receiver.answers = [500, 200, 500]
        endpoint_id = register(tenant, receiver.url)["id"]
        for _ in range(2):
            happen(tenant)
            send()
            send.clock.move(timedelta(days=4))
        happen(tenant)
        send()
        with transaction(tenant.scope) as session:
            endpoint = session.get_one(WebhookEndpoint, endpoint_id)
            assert (endpoint.failing_since, endpoint.disabled_at) == (send.clock.now, None)
