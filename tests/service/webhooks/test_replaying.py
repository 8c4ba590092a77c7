"""Sending again: one delivery, or a span of time; what is on its way already is left alone, and ids stay."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from service.events import operations as events
from service.events.tables import Event
from service.events.types import EventType
from service.kit.database import database_now, transaction
from service.webhooks import schemas
from service.webhooks.operations import replaying
from service.webhooks.tables import WebhookDelivery
from tests.fixtures.api import Tenant
from tests.fixtures.receiver import Receiver
from tests.service.webhooks.conftest import Deliver
from tests.worker.sender.driving import deliveries, happen, register, states
from worker.sender.turns import Turns

FAILED, SUCCEEDED = EventType.JOB_FAILED, EventType.JOB_SUCCEEDED


def give_up(tenant: Tenant) -> None:
    """All that waits has failed for good, as after three days."""
    with transaction(tenant.scope) as session:
        session.execute(text("update webhook_deliveries set state = 'failed', next_attempt_at = null, tries = 10"
                             " where state = 'pending'"))


def resend(tenant: Tenant, delivery_id: str) -> dict[str, Any]:
    answer = tenant.client.post(f"/v1/webhook_deliveries/{delivery_id}/resend")
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def replay(tenant: Tenant, endpoint_id: str, **body: Any) -> dict[str, Any]:
    answer = tenant.client.post(f"/v1/webhook_endpoints/{endpoint_id}/replay", json={"since": 0} | body)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def ids(receiver: Receiver) -> list[str]:
    return [request.headers["webhook-id"] for request in receiver.requests]


class TestResend:
    def test_what_was_given_up_is_sent_at_once_and_by_a_fresh_schedule(self, tenant: Tenant, receiver: Receiver,
                                                                       deliver: Deliver) -> None:
        receiver.answers = [500, 500, 200]
        register(tenant, receiver.url)
        happen(tenant)
        deliver()
        give_up(tenant)
        [delivery] = deliveries(tenant)
        assert resend(tenant, delivery.id)["state"] == "pending"
        deliver()
        [again] = deliveries(tenant)
        assert (again.state, again.attempts, again.tries) == ("pending", 2, 1)
        assert again.next_attempt_at is not None
        assert again.next_attempt_at - delivery.created_at < timedelta(minutes=4)
        assert len(set(ids(receiver))) == 1

    def test_what_was_delivered_is_delivered_again_under_its_id(self, tenant: Tenant, receiver: Receiver,
                                                                deliver: Deliver) -> None:
        register(tenant, receiver.url)
        happen(tenant)
        deliver()
        shown = resend(tenant, ids(receiver)[0])
        assert (shown["state"], shown["delivered_at"]) == ("pending", None)
        deliver()
        assert states(tenant) == ["delivered"]
        assert len(receiver.requests) == 2
        assert len({(each.headers["webhook-id"], each.body) for each in receiver.requests}) == 1

    def test_asked_often_while_it_waits_it_is_sent_once(self, tenant: Tenant, receiver: Receiver,
                                                        deliver: Deliver) -> None:
        receiver.answers = [500, 200]
        register(tenant, receiver.url)
        happen(tenant)
        deliver()
        for _ in range(3):
            resend(tenant, ids(receiver)[0])
        deliver()
        deliver()
        assert len(receiver.requests) == 2

    def test_what_a_sender_has_is_left_to_it(self, tenant: Tenant, receiver: Receiver, deliver: Deliver) -> None:
        receiver.answers = [500]
        register(tenant, receiver.url)
        happen(tenant)
        deliver()
        with transaction(tenant.scope) as session:
            session.execute(text("update webhook_deliveries set lease = 'theirs',"
                                 " next_attempt_at = now() + interval '1 min'"))
        [before] = deliveries(tenant)
        assert resend(tenant, before.id)["next_attempt_at"] is None
        [after] = deliveries(tenant)
        assert (after.lease, after.next_attempt_at, after.tries) == ("theirs", before.next_attempt_at, 1)

    @pytest.mark.parametrize("column", ["disabled_at", "deleted_at"])
    def test_nothing_is_sent_where_nothing_is_taken(self, tenant: Tenant, receiver: Receiver, deliver: Deliver,
                                                    column: str) -> None:
        endpoint_id = register(tenant, receiver.url)["id"]
        happen(tenant)
        deliver()
        with transaction(tenant.scope) as session:
            session.execute(text(f"update webhook_endpoints set {column} = now()"))
        answer = tenant.client.post(f"/v1/webhook_deliveries/{ids(receiver)[0]}/resend")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "webhook_endpoint_not_enabled")
        assert answer.headers["x-should-retry"] == "false"
        expected = {"disabled_at": 409, "deleted_at": 404}[column]
        assert tenant.client.post(f"/v1/webhook_endpoints/{endpoint_id}/replay", json={
            "since": 0}).status_code == expected
        assert states(tenant) == ["delivered"]


class TestReplay:
    def test_all_that_failed_is_sent_again_and_nothing_else(self, tenant: Tenant, receiver: Receiver,
                                                            deliver: Deliver) -> None:
        endpoint_id = register(tenant, receiver.url)["id"]
        other = register(tenant, f"{receiver.url}/other")["id"]
        happen(tenant)
        deliver()
        receiver.answers = [500]
        happen(tenant)
        deliver()
        give_up(tenant)
        receiver.answers, receiver.requests = [200], []
        assert replay(tenant, endpoint_id, dry_run=True) == {
            "object": "webhook_endpoint.replay", "webhook_endpoint_id": endpoint_id, "matched": 1, "pending": 0,
            "queued": 0, "has_more": False, "last_event_id": None, "dry_run": True}
        told = replay(tenant, endpoint_id)
        assert (told["matched"], told["queued"]) == (1, 1)
        told = replay(tenant, endpoint_id)
        assert (told["matched"], told["queued"]) == (0, 0)
        deliver()
        assert [request.path for request in receiver.requests] == ["/"]
        assert sorted((each.endpoint_id == other, each.state) for each in deliveries(tenant)) == [
            (False, "delivered"), (False, "delivered"), (True, "delivered"), (True, "failed")]

    @pytest.mark.parametrize("state", ["failed", "undelivered", "all"])
    def test_what_is_on_its_way_already_is_counted_beside(self, tenant: Tenant, receiver: Receiver, deliver: Deliver,
                                                          state: str) -> None:
        receiver.answers = [500]
        endpoint_id = register(tenant, receiver.url, SUCCEEDED, FAILED)["id"]
        register(tenant, f"{receiver.url}/other")
        happen(tenant)
        deliver()
        give_up(tenant)
        waiting = [happen(tenant, type_) for type_ in (SUCCEEDED, SUCCEEDED, FAILED)]
        deliver()
        for body, matched, pending in (
                ({}, 1, 3), ({"event_types": [FAILED]}, 0, 1), ({"after": waiting[0]}, 0, 2), ({"until": 1}, 0, 0)):
            told = replay(tenant, endpoint_id, state=state, dry_run=True, **body)
            assert (told["matched"], told["pending"]) == (matched, pending), body
        told = replay(tenant, endpoint_id, state=state)
        assert (told["matched"], told["pending"], told["queued"]) == (1, 3, 1)
        told = replay(tenant, endpoint_id, state=state)
        assert (told["matched"], told["pending"], told["queued"]) == (0, 4, 0)

    def test_everything_means_what_was_delivered_and_what_was_missed(self, tenant: Tenant, receiver: Receiver,
                                                                     deliver: Deliver) -> None:
        early = happen(tenant)
        unheard = happen(tenant, FAILED)
        deliver()
        endpoint_id = register(tenant, receiver.url)["id"]
        late = happen(tenant)
        deliver()
        assert len(receiver.requests) == 1
        assert replay(tenant, endpoint_id)["matched"] == 0
        told = replay(tenant, endpoint_id, state="all")
        assert (told["matched"], told["queued"]) == (2, 2)
        assert replay(tenant, endpoint_id, state="all")["matched"] == 0
        deliver()
        sent = [request.body.decode() for request in receiver.requests]
        assert [sum(event_id in body for body in sent) for event_id in (early, late, unheard)] == [1, 2, 0]
        assert len(set(ids(receiver))) == 2

    def test_what_was_missed_while_disabled_comes_without_what_was_delivered(
            self, tenant: Tenant, receiver: Receiver, deliver: Deliver) -> None:
        receiver.answers = [200, 410]
        endpoint_id = register(tenant, receiver.url)["id"]
        told = []
        for _ in range(3):
            told.append(happen(tenant))
            deliver()
        tenant.client.post(f"/v1/webhook_endpoints/{endpoint_id}", json={})
        receiver.answers, receiver.requests = [200], []
        assert replay(tenant, endpoint_id, dry_run=True)["matched"] == 1
        assert replay(tenant, endpoint_id, state="undelivered")["queued"] == 2
        deliver()
        sent = [json.loads(request.body)["id"] for request in receiver.requests]
        assert sorted(sent) == sorted(told[1:])

    def test_events_that_senders_have_not_come_to_are_left_to_them(self, tenant: Tenant, receiver: Receiver,
                                                                   deliver: Deliver) -> None:
        endpoint_id = register(tenant, receiver.url)["id"]
        happen(tenant)
        assert replay(tenant, endpoint_id, state="all")["matched"] == 0
        deliver()
        assert len(receiver.requests) == 1

    def test_events_that_outlive_what_is_known_of_their_delivery_are_not_missed_ones(
            self, tenant: Tenant, receiver: Receiver, deliver: Deliver, monkeypatch: pytest.MonkeyPatch) -> None:
        endpoint_id = register(tenant, receiver.url)["id"]
        with transaction(tenant.scope) as session:
            events.append_once(session, SUCCEEDED, "ftjob-1", project_id=tenant.project_id, dedupe_key="once")
            later = database_now(session) + timedelta(days=31)
        deliver()
        monkeypatch.setattr(replaying, "database_now", lambda _: later)
        Turns(lambda _: later).forget()
        assert deliveries(tenant) == []
        assert replay(tenant, endpoint_id, state="undelivered")["matched"] == 0

    def test_a_range_and_types_narrow_it(self, tenant: Tenant, receiver: Receiver, deliver: Deliver) -> None:
        endpoint_id = register(tenant, receiver.url, SUCCEEDED, FAILED)["id"]
        for type_ in (SUCCEEDED, FAILED):
            happen(tenant, type_)
        deliver()
        now = int(time.time())
        for body, matched in (
                ({}, 2), ({"event_types": [FAILED]}, 1), ({"event_types": ["fine_tuning.job.*"]}, 2),
                ({"event_types": ["credential.*"]}, 0),
                ({"since": now - 60, "until": now + 60}, 2), ({"since": now + 60}, 0), ({"until": now - 60}, 0)):
            assert replay(tenant, endpoint_id, state="all", dry_run=True, **body)["matched"] == matched, body

    def test_what_a_group_missed_comes_with_its_types(self, tenant: Tenant, receiver: Receiver,
                                                      deliver: Deliver) -> None:
        for type_ in (SUCCEEDED, FAILED, EventType.FILE_VALIDATED):
            happen(tenant, type_)
        deliver()
        for name, missed in (("fine_tuning.job.*", 2), ("file.*", 1), ("*", 3)):
            endpoint_id = register(tenant, receiver.url, name)["id"]
            assert replay(tenant, endpoint_id, state="undelivered")["queued"] == missed, name

    def test_what_is_more_than_one_request_does_goes_on_after_its_last(
            self, tenant: Tenant, receiver: Receiver, deliver: Deliver, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(replaying, "MOST", 2)
        endpoint_id = register(tenant, receiver.url)["id"]
        happened = [happen(tenant) for _ in range(5)]
        deliver()
        after: dict[str, str] = {}
        for matched, queued, last in ((5, 2, happened[1]), (3, 2, happened[3]), (1, 1, None)):
            told = replay(tenant, endpoint_id, state="all", **after)
            assert (told["matched"], told["queued"], told["last_event_id"]) == (matched, queued, last)
            assert told["has_more"] is (last is not None)
            after = {"after": told["last_event_id"] or ""}
            deliver()
        assert len(receiver.requests) == 10
        assert len(set(ids(receiver))) == 5

    @pytest.mark.parametrize(("body", "param"), [
        ({}, "since"), ({"since": -1}, "since"), ({"since": "0"}, "since"), ({"since": 10**30}, "since"),
        ({"since": 1.5}, "since"), ({"since": True}, "since"), ({"since": 5, "until": 4}, "until"),
        ({"since": 0, "state": "some"}, "state"), ({"since": 0, "event_types": []}, "event_types"),
        ({"since": 0, "event_types": ["x"]}, "event_types[0]"), ({"since": 0, "dry_run": "yes"}, "dry_run"),
        ({"since": 0, "after": "evt_x"}, "after"), ({"since": 0, "after": "\x00"}, "after"),
        ({"since": 0, "x": 1}, "x")])
    def test_requests_that_mean_nothing_are_refused(self, tenant: Tenant, body: dict[str, Any], param: str) -> None:
        endpoint_id = register(tenant, "https://example.com/")["id"]
        answer = tenant.client.post(f"/v1/webhook_endpoints/{endpoint_id}/replay", json=body)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["param"] == param

    def test_the_whole_of_time_can_be_replayed(self, tenant: Tenant) -> None:
        endpoint_id = register(tenant, "https://example.com/")["id"]
        assert replay(tenant, endpoint_id, until=253_402_300_799, state="all")["matched"] == 0

    @pytest.mark.parametrize(("state", "heard"), [("failed", True), ("all", True), ("all", False)])
    def test_several_at_once_queue_each_delivery_once(self, tenant: Tenant, receiver: Receiver, deliver: Deliver,
                                                      state: str, heard: bool) -> None:
        receiver.answers = [400]
        endpoint_id = register(tenant, receiver.url)["id"] if heard else ""
        for _ in range(40):
            happen(tenant)
        deliver()
        give_up(tenant)
        endpoint_id = endpoint_id or register(tenant, receiver.url)["id"]
        receiver.answers, receiver.requests = [200], []
        body = schemas.ReplayCreate(since=0, state=state)  # type: ignore[arg-type]  # one of two words

        def ask(_: int) -> int:
            with transaction(tenant.scope) as session:
                return replaying.replay(session, endpoint_id, body).queued
        with ThreadPoolExecutor(4) as threads:
            assert sum(threads.map(ask, range(8))) == 40
        deliver()
        assert len(ids(receiver)) == len(set(ids(receiver))) == 40

    def test_a_disabled_endpoint_can_still_be_counted_for(self, tenant: Tenant, receiver: Receiver,
                                                          deliver: Deliver) -> None:
        receiver.answers = [410]
        endpoint_id = register(tenant, receiver.url)["id"]
        happen(tenant)
        deliver()
        assert replay(tenant, endpoint_id, dry_run=True)["matched"] == 1
        tenant.client.post(f"/v1/webhook_endpoints/{endpoint_id}", json={})
        receiver.answers = [200]
        assert replay(tenant, endpoint_id)["queued"] == 1
        deliver()
        assert states(tenant) == ["delivered"]

    def test_a_request_that_is_repeated_under_its_key_sends_nothing_twice(
            self, tenant: Tenant, receiver: Receiver, deliver: Deliver) -> None:
        endpoint_id = register(tenant, receiver.url)["id"]
        happen(tenant)
        deliver()
        for path, body in ((f"/v1/webhook_endpoints/{endpoint_id}/replay", {"since": 0, "state": "all"}),
                           (f"/v1/webhook_deliveries/{ids(receiver)[0]}/resend", None)):
            receiver.requests = []
            first, second = (self._ask(tenant, path, body, deliver) for _ in range(2))
            assert second.headers["idempotent-replayed"] == "true"
            assert first.json()["object"] == second.json()["object"]
            assert first.json().get("queued") == second.json().get("queued")
            assert len(receiver.requests) == 1

    @staticmethod
    def _ask(tenant: Tenant, path: str, body: Any, deliver: Deliver) -> Any:
        answer = tenant.client.post(path, json=body, headers={"idempotency-key": path[-30:]})
        assert answer.status_code == 200, answer.text
        deliver()
        return answer

    def test_another_tenants_events_are_none_of_it(self, tenant: Tenant, stranger: Tenant, receiver: Receiver,
                                                   deliver: Deliver) -> None:
        happen(stranger)
        deliver()
        endpoint_id = register(tenant, receiver.url)["id"]
        assert replay(tenant, endpoint_id, state="all")["matched"] == 0
        with transaction(stranger.scope) as session:
            assert session.scalars(select(WebhookDelivery)).all() == []
            event = session.scalars(select(Event)).one()
        answer = tenant.client.post(f"/v1/webhook_endpoints/{endpoint_id}/replay", json={
            "since": 0, "after": event.id})
        assert answer.status_code == 400
