"""Deliveries are taken by one sender at a time, the oldest first, and nobody's backlog is in anybody's way."""

from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, text

from service.events import operations as events
from service.events.types import EventType
from service.kit.database import DISPATCH, database_now, transaction
from service.kit.identifiers import new_id
from service.webhooks import operations, signatures
from service.webhooks.operations import Due, Places, Room
from service.webhooks.tables import WebhookDelivery, WebhookEndpoint
from tests.fixtures.api import Tenant

LEASE = timedelta(seconds=60)


def endpoints(tenant: Tenant, count: int) -> list[str]:
    with transaction(tenant.scope) as session:
        made = [WebhookEndpoint(id=f"we_{number:03}{tenant.slug}", project_id=tenant.project_id, name="e",
                                url="https://example.com/", event_types=[EventType.JOB_SUCCEEDED.value],
                                secret=signatures.new_secret()) for number in range(count)]
        session.add_all(made)
        return [each.id for each in made]


def planned(tenant: Tenant, count: int) -> datetime:
    """So many events, told to whoever listens; when that was."""
    with transaction(tenant.scope) as session:
        for number in range(count):
            events.append(session, EventType.JOB_SUCCEEDED, f"ftjob-{number}", project_id=tenant.project_id)
    with transaction(DISPATCH) as session:
        now = database_now(session)
        while operations.plan(session, now, most=7):
            pass
    return now


def take(now: datetime, *, room: int = 100, each: int = 4, rooms: Mapping[str, Room] | None = None,
         project: int | None = None, of_project: Mapping[str, int] | None = None) -> list[Due]:
    places = Places(room, room if project is None else project, of_project or {})
    with transaction(DISPATCH) as session:
        return list(operations.claim(session, now, lease=new_id("lease_"), lease_time=LEASE, places=places,
                                     room_each=each, rooms=rooms or {}))


def per_endpoint(due: list[Due]) -> dict[str, int]:
    return dict(Counter(each.endpoint_id for each in due))


def per_project(due: list[Due]) -> dict[str, int]:
    return dict(Counter(each.project_id for each in due))


def test_what_is_taken_is_nobody_elses_until_its_lease_ends(tenant: Tenant) -> None:
    endpoints(tenant, 1)
    now = planned(tenant, 2)
    first = take(now)
    assert len(first) == 2
    assert take(now + LEASE - timedelta(seconds=1)) == []
    again = take(now + LEASE)
    assert {each.id for each in again} == {each.id for each in first}
    assert {each.lease for each in again}.isdisjoint(each.lease for each in first)


def test_what_is_given_back_is_due_at_once_and_only_if_it_is_still_held(tenant: Tenant) -> None:
    endpoints(tenant, 1)
    now = planned(tenant, 1)
    [lost] = take(now)
    [held] = take(now + LEASE)
    with transaction(DISPATCH) as session:
        operations.give_back(session, [lost])
    assert take(now + LEASE) == []
    with transaction(DISPATCH) as session:
        operations.give_back(session, [held])
    assert [each.id for each in take(now + LEASE)] == [held.id]


def test_many_at_once_take_each_delivery_once(tenant: Tenant) -> None:
    endpoints(tenant, 10)
    now = planned(tenant, 20)
    with ThreadPoolExecutor(4) as pool:
        batches = list(pool.map(lambda _: take(now, room=17, each=20), range(24)))
    while rest := take(now, each=20):
        batches.append(rest)
    taken = Counter(each.id for batch in batches for each in batch)
    assert len(taken) == 200
    assert set(taken.values()) == {1}


def test_events_are_planned_once_by_many_at_once(tenant: Tenant) -> None:
    endpoints(tenant, 3)
    with transaction(tenant.scope) as session:
        for number in range(60):
            events.append(session, EventType.JOB_SUCCEEDED, f"ftjob-{number}", project_id=tenant.project_id)

    def plan(_: int) -> int:
        told = 0
        while True:
            with transaction(DISPATCH) as session:
                found = operations.plan(session, database_now(session), most=5)
            if not found:
                return told
            told += len(found)
    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(plan, range(4))) == 60
    with transaction(tenant.scope) as session:
        assert len(session.scalars(select(WebhookDelivery)).all()) == 180


def test_each_endpoint_gets_its_share_whatever_waits_for_another(tenant: Tenant, stranger: Tenant) -> None:
    [busy] = endpoints(tenant, 1)
    planned(tenant, 50)
    quiet = endpoints(stranger, 9)
    now = planned(stranger, 1)
    assert per_endpoint(take(now, room=10, each=4)) == {busy: 1, **dict.fromkeys(quiet, 1)}
    assert per_endpoint(take(now, room=10, each=4)) == {busy: 4}


def test_rooms_bound_what_is_taken_and_a_blocked_endpoint_hides_no_other(tenant: Tenant) -> None:
    ids = endpoints(tenant, 4)
    now = planned(tenant, 5)
    assert per_endpoint(take(now, rooms={ids[0]: Room(0), ids[1]: Room(1)})) == {ids[1]: 1, ids[2]: 4, ids[3]: 4}


def test_an_endpoint_that_is_left_alone_gets_one_as_soon_as_it_was_updated(tenant: Tenant) -> None:
    ids = endpoints(tenant, 3)
    now = planned(tenant, 5)
    with transaction(tenant.scope) as session:
        seen = session.get_one(WebhookEndpoint, ids[0]).updated_at
        session.get_one(WebhookEndpoint, ids[1]).updated_at += timedelta(microseconds=1)
    assert per_endpoint(take(now, rooms=dict.fromkeys(ids, Room(0, seen)))) == {ids[1]: 1}
    assert per_endpoint(take(now, rooms=dict.fromkeys(ids, Room(2, seen)))) == dict.fromkeys(ids, 2)


def test_a_project_that_is_full_gets_nothing_and_hides_no_other(tenant: Tenant, stranger: Tenant) -> None:
    endpoints(tenant, 2)
    [other] = endpoints(stranger, 1)
    planned(tenant, 3)
    now = planned(stranger, 2)
    assert per_endpoint(take(now, of_project={tenant.project_id: 0})) == {other: 2}
    assert len(take(now)) == 6


def test_a_project_gets_no_more_than_its_places_whatever_waits(tenant: Tenant, stranger: Tenant) -> None:
    endpoints(tenant, 8)
    endpoints(stranger, 1)
    planned(tenant, 3)
    now = planned(stranger, 2)
    assert per_project(take(now, project=5)) == {tenant.project_id: 5, stranger.project_id: 2}
    assert per_project(take(now, of_project={tenant.project_id: 9})) == {tenant.project_id: 8}
    assert len(take(now)) == 11


def test_projects_take_turns_though_one_has_many_endpoints_that_have_waited_longer(tenant: Tenant,
                                                                                   stranger: Tenant) -> None:
    endpoints(tenant, 8)
    endpoints(stranger, 2)
    planned(tenant, 1)
    now = planned(stranger, 1)
    assert per_project(take(now, room=4)) == {tenant.project_id: 2, stranger.project_id: 2}


def test_leased_backlogs_that_are_older_hide_no_other(tenant: Tenant, stranger: Tenant) -> None:
    endpoints(tenant, 8)
    then = planned(tenant, 1)
    assert len(take(then)) == 8
    [fresh] = endpoints(stranger, 1)
    now = planned(stranger, 1)
    assert per_endpoint(take(now, room=2)) == {fresh: 1}


def test_the_oldest_are_taken_first(tenant: Tenant) -> None:
    endpoints(tenant, 1)
    now = planned(tenant, 6)
    with transaction(tenant.scope) as session:
        session.execute(text("update webhook_deliveries set next_attempt_at = :now - (position % 4) * interval '1 s'"),
                        {"now": now})
        expected = session.scalars(text("select id from webhook_deliveries order by next_attempt_at limit 2")).all()
    assert {each.id for each in take(now, each=2)} == set(expected)


def test_what_waits_for_endpoints_that_are_gone_is_failed_and_not_taken(tenant: Tenant) -> None:
    ids = endpoints(tenant, 3)
    now = planned(tenant, 2)
    [held] = take(now, rooms=dict.fromkeys(ids[1:], Room(0)), each=1)
    with transaction(tenant.scope) as session:
        for endpoint_id, column in ((ids[0], "deleted_at"), (ids[1], "disabled_at")):
            setattr(session.get_one(WebhookEndpoint, endpoint_id), column, now)
    assert set(per_endpoint(take(now))) == {ids[2]}
    assert expel(now) == 3, "one is under way"
    assert expel(now + LEASE) == 1
    found = states(tenant)
    assert found[held.id] == ("failed", "endpoint_deleted")
    assert Counter(found.values()) == {("failed", "endpoint_deleted"): 2, ("failed", "endpoint_disabled"): 2,
                                       ("pending", None): 2}


def expel(now: datetime) -> int:
    with transaction(DISPATCH) as session:
        return operations.expel(session, now, most=100)


def states(tenant: Tenant) -> dict[str, Any]:
    with transaction(tenant.scope) as session:
        return {each.id: (each.state, each.error_class) for each in session.scalars(select(WebhookDelivery))}
