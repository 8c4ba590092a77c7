"""How attempts ended is written down once, by whoever holds the delivery, and endpoints are judged by it."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from service.events.tables import Event
from service.events.types import EventType
from service.kit.database import DISPATCH, transaction
from service.webhooks import operations
from service.webhooks.operations import Due, Ended, disabling
from service.webhooks.operations.recording import FAILS_FOR
from service.webhooks.outcomes import ErrorClass
from service.webhooks.replies import Reply
from service.webhooks.tables import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from tests.fixtures.api import Tenant
from tests.service.webhooks.test_claiming import LEASE, endpoints, planned, take

TAKEN = Reply(200, body="ok", latency_ms=12, request_headers={"webhook-id": "x"}, response_headers={"server": "s"})
REFUSED = Reply(500, body="no", error="The endpoint answered 500.", error_class=ErrorClass.SERVER_ERROR)


def record(now: datetime, *ended: Ended) -> None:
    with transaction(DISPATCH) as session:
        operations.record(session, ended, now)


def deliveries(tenant: Tenant) -> dict[str, WebhookDelivery]:
    with transaction(tenant.scope) as session:
        return {each.id: each for each in session.scalars(select(WebhookDelivery))}


def endpoint(tenant: Tenant) -> WebhookEndpoint:
    with transaction(tenant.scope) as session:
        return session.scalars(select(WebhookEndpoint)).one()


def attempts(tenant: Tenant) -> list[WebhookAttempt]:
    with transaction(tenant.scope) as session:
        return list(session.scalars(select(WebhookAttempt)))


def fail(tenant: Tenant, now: datetime) -> None:
    """One more failure of the only endpoint."""
    planned(tenant, 1)
    [due] = take(now + timedelta(days=1), each=1)
    record(now, Ended(due, REFUSED))


def test_many_are_recorded_together_each_with_its_own_end(tenant: Tenant) -> None:
    endpoints(tenant, 1)
    now = planned(tenant, 3)
    first, second, third = take(now)
    record(now, Ended(first, TAKEN), Ended(second, REFUSED), Ended(third, Reply(None, error="broken"), ours=True))
    found = deliveries(tenant)
    assert [found[each.id].state for each in (first, second, third)] == ["delivered", "pending", "failed"]
    assert (found[first.id].delivered_at, found[first.id].response_body, found[first.id].latency_ms) == (now, "ok", 12)
    wait = (found[second.id].next_attempt_at or now) - now
    assert timedelta(seconds=4) <= wait <= timedelta(seconds=6)
    assert {(each.lease, each.leased_until, each.attempts, each.tries) for each in found.values()} == {
        (None, None, 1, 1)}
    [kept] = [each for each in attempts(tenant) if each.delivery_id == first.id]
    assert (kept.request_headers, kept.response_headers, kept.project_id) == (
        {"webhook-id": "x"}, {"server": "s"}, tenant.project_id)


def test_whoever_lost_the_lease_writes_nothing(tenant: Tenant) -> None:
    endpoints(tenant, 1)
    now = planned(tenant, 1)
    [lost] = take(now)
    [held] = take(now + LEASE)
    record(now + LEASE, Ended(lost, REFUSED))
    assert attempts(tenant) == []
    record(now + LEASE, Ended(held, TAKEN))
    record(now + LEASE, Ended(held, REFUSED))
    assert [each.state for each in deliveries(tenant).values()] == ["delivered"]
    assert len(attempts(tenant)) == 1


def test_the_schedule_counts_from_the_last_resend(tenant: Tenant) -> None:
    endpoints(tenant, 1)
    now = planned(tenant, 1)
    with transaction(tenant.scope) as session:
        delivery = session.scalars(select(WebhookDelivery)).one()
        delivery.attempts, delivery.tries = 10, 0
    [due] = take(now)
    record(now, Ended(due, REFUSED))
    [found] = deliveries(tenant).values()
    assert (found.state, found.attempts, found.tries) == ("pending", 11, 1)


class TestHealth:
    def test_failing_begins_with_the_first_failure_and_ends_with_a_success(self, tenant: Tenant) -> None:
        endpoints(tenant, 1)
        now = planned(tenant, 3)
        for minutes, due in enumerate(take(now)[:2]):
            record(now + timedelta(minutes=minutes), Ended(due, REFUSED))
        assert (endpoint(tenant).failing_since, endpoint(tenant).last_failure_at) == (now, now + timedelta(minutes=1))
        [due] = [each for each in take(now + LEASE) if each.tries == 0]
        record(now, Ended(due, TAKEN))
        assert (endpoint(tenant).failing_since, endpoint(tenant).last_failure_at) == (None, None)

    def test_a_success_and_then_a_failure_in_one_batch_is_failing_anew(self, tenant: Tenant) -> None:
        endpoints(tenant, 1)
        now = planned(tenant, 1)
        fail(tenant, now - timedelta(days=1))
        planned(tenant, 2)
        first, second, *_ = take(now + timedelta(days=1))
        record(now, Ended(first, TAKEN), Ended(second, REFUSED))
        assert endpoint(tenant).failing_since == now

    def test_a_fault_of_ours_is_no_failure_of_the_endpoint(self, tenant: Tenant) -> None:
        endpoints(tenant, 1)
        now = planned(tenant, 1)
        [due] = take(now)
        record(now, Ended(due, Reply(None, error="broken"), ours=True))
        assert endpoint(tenant).failing_since is None

    def test_after_five_days_of_failures_it_is_disabled_once_and_told(self, tenant: Tenant) -> None:
        endpoints(tenant, 1)
        now = planned(tenant, 0)
        for hours in range(0, 24 * FAILS_FOR.days, 24):
            fail(tenant, now + timedelta(hours=hours))
        assert endpoint(tenant).disabled_at is None
        fail(tenant, now + FAILS_FOR)
        assert endpoint(tenant).disabled_at == now + FAILS_FOR
        with transaction(tenant.scope) as session:
            told = session.scalars(select(Event).where(Event.type == EventType.ENDPOINT_DISABLED.value)).one()
        assert told.data == {"id": endpoint(tenant).id, "name": "e", "url": "https://example.com/",
                             "reason": endpoint(tenant).disabled_reason}
        assert {each.state for each in deliveries(tenant).values()} <= {"failed", "pending"}

    def test_silence_of_two_days_is_not_held_against_it(self, tenant: Tenant) -> None:
        endpoints(tenant, 1)
        now = planned(tenant, 0)
        fail(tenant, now)
        later = now + timedelta(days=6)
        fail(tenant, later)
        assert (endpoint(tenant).failing_since, endpoint(tenant).disabled_at) == (later, None)


@pytest.mark.parametrize("gone_first", [True, False])
def test_gone_disables_and_what_is_under_way_is_still_recorded(tenant: Tenant, gone_first: bool) -> None:
    endpoints(tenant, 1)
    now = planned(tenant, 3)
    gone, taken = take(now, each=2)
    ended = [Ended(gone, Reply(410, error="gone", error_class=ErrorClass.GONE)), Ended(taken, TAKEN)]
    for each in ended if gone_first else ended[::-1]:
        record(now, each)
    found = deliveries(tenant)
    assert (found[gone.id].state, found[taken.id].state) == ("failed", "delivered")
    [waiting] = [each for each in found.values() if each.id not in {gone.id, taken.id}]
    assert (waiting.state, waiting.error_class) == ("failed", "endpoint_disabled")


def test_an_endpoint_that_is_updated_is_taken_up_again(tenant: Tenant) -> None:
    [endpoint_id] = endpoints(tenant, 1)
    now = planned(tenant, 0)
    with transaction(tenant.scope) as session:
        assert operations.disable(session, endpoint_id, "It was closed.", now=now)
        assert not operations.disable(session, endpoint_id, "It was closed again.", now=now)
    assert endpoint(tenant).disabled_reason == "It was closed."
    assert tenant.client.post(f"/v1/webhook_endpoints/{endpoint_id}", json={"name": "e"}).status_code == 200
    found = endpoint(tenant)
    assert (found.disabled_at, found.disabled_reason, found.failing_since) == (None, None, None)


def test_a_former_url_that_is_gone_says_nothing_of_the_present_one(tenant: Tenant) -> None:
    [endpoint_id] = endpoints(tenant, 1)
    now = planned(tenant, 2)
    [former] = take(now, each=1)
    answer = tenant.client.post(f"/v1/webhook_endpoints/{endpoint_id}", json={"url": "https://example.com/new"})
    assert answer.status_code == 200, answer.text
    record(now, Ended(former, Reply(410, error="gone", error_class=ErrorClass.GONE)))
    assert endpoint(tenant).disabled_at is None
    [present] = take(now)
    record(now, Ended(present, Reply(410, error="gone", error_class=ErrorClass.GONE)))
    assert endpoint(tenant).disabled_at == now


def test_an_update_that_overlaps_the_end_of_an_endpoint_takes_it_up_again(tenant: Tenant) -> None:
    [endpoint_id] = endpoints(tenant, 1)
    now = planned(tenant, 0)
    with ThreadPoolExecutor(1) as threads:
        with transaction(tenant.scope) as session:
            operations.disable(session, endpoint_id, "It was closed.", now=now)
            asked = threads.submit(tenant.client.post, f"/v1/webhook_endpoints/{endpoint_id}", json={"name": "new"})
            await_waiting(session)
        assert asked.result().json()["status"] == "enabled"
    assert endpoint(tenant).disabled_at is None


def await_waiting(session: Session) -> None:
    """Until somebody waits for a lock of this transaction's."""
    for _ in range(1000):
        if session.scalar(text("select exists (select from pg_locks where not granted and pg_backend_pid() ="
                               " any(pg_blocking_pids(pid)))")):
            return
        time.sleep(0.01)
    raise AssertionError("nobody waits")


def test_days_of_backlog_are_failed_piece_by_piece(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disabling, "_AT_ONCE", 2)
    endpoints(tenant, 1)
    now = planned(tenant, 5)
    [gone] = take(now, each=1)
    record(now, Ended(gone, Reply(410, error="gone", error_class=ErrorClass.GONE)))
    assert Counter(each.state for each in deliveries(tenant).values()) == {"failed": 3, "pending": 2}
    assert take(now) == []
    with transaction(DISPATCH) as session:
        assert operations.expel(session, now, most=10) == 2
    assert {each.state for each in deliveries(tenant).values()} == {"failed"}


def test_due_deliveries_hold_no_secret(tenant: Tenant) -> None:
    endpoints(tenant, 1)
    now = planned(tenant, 1)
    [due] = take(now)
    assert isinstance(due, Due)
    assert "example.com" not in repr(due)
