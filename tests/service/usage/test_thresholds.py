"""Others are told once a month of each sum that a project's spending reaches, in the transaction that reaches it."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import select, text

from service.events import operations as events
from service.events.tables import Event
from service.events.types import DESCRIPTIONS, EventType
from service.kit.database import Scope, transaction
from service.tenants.tables import Project
from service.usage import operations
from tests.fixtures.api import Administrator, Tenant


def set_thresholds(tenant: Tenant, *thresholds: int) -> None:
    with transaction(Scope.organization(tenant.organization_id)) as session:
        session.get_one(Project, tenant.project_id).spend_thresholds = list(thresholds)


def book(tenant: Tenant, kind: str, key: str, amount: int = 0) -> None:
    more: dict[str, Any] = {} if kind == "release" else {"micro_dollars": amount}
    more |= {"remote_id": "theirs"} if kind == "book_extra" else {}
    with transaction(tenant.scope) as session:
        getattr(operations, kind)(session, project_id=tenant.project_id, job_id="ftjob-1", key=key, **more)


def told(tenant: Tenant) -> list[Event]:
    with transaction(tenant.scope) as session:
        return list(session.scalars(select(Event).where(Event.type == EventType.SPEND_THRESHOLD)
                                    .order_by(Event.position)))


def reached(tenant: Tenant) -> list[tuple[int, int]]:
    return [(event.data["threshold_micro_dollars"], event.data["spent_micro_dollars"]) for event in told(tenant)]


def test_each_is_told_once_when_what_is_reserved_reaches_it(tenant: Tenant) -> None:
    set_thresholds(tenant, 500, 1000)
    book(tenant, "hold", "a", 499)
    assert reached(tenant) == []
    book(tenant, "hold", "b", 1)
    book(tenant, "hold", "c", 1)
    book(tenant, "hold", "d", 600)
    book(tenant, "hold", "e", 600)
    assert reached(tenant) == [(500, 500), (1000, 1101)]
    first = told(tenant)[0]
    assert (first.subject, first.sequence) == (tenant.project_id, 1)
    assert set(first.data) == {"id", *DESCRIPTIONS[EventType.SPEND_THRESHOLD].data}
    assert (first.data["held_micro_dollars"], first.data["fine_tuning_job_id"]) == (500, "ftjob-1")


def test_what_ended_counts_with_what_it_cost(tenant: Tenant) -> None:
    set_thresholds(tenant, 500)
    book(tenant, "hold", "a", 400)
    book(tenant, "settle", "a", 100)
    book(tenant, "hold", "b", 300)
    book(tenant, "release", "b")
    book(tenant, "hold", "c", 399)
    assert reached(tenant) == []
    book(tenant, "settle", "c", 400)
    assert reached(tenant) == [(500, 500)]


def test_an_extra_job_counts_too(tenant: Tenant) -> None:
    set_thresholds(tenant, 500)
    book(tenant, "book_extra", "a", 500)
    book(tenant, "book_extra", "a", 500)
    assert reached(tenant) == [(500, 500)]


def test_one_entry_may_reach_several(tenant: Tenant) -> None:
    set_thresholds(tenant, 1, 2, 3, 2000)
    book(tenant, "hold", "a", 1500)
    assert reached(tenant) == [(1, 1500), (2, 1500), (3, 1500)]


def test_what_was_told_in_another_month_is_told_again_in_this_one(tenant: Tenant) -> None:
    set_thresholds(tenant, 500)
    with transaction(tenant.scope) as session:
        events.append_once(session, EventType.SPEND_THRESHOLD, tenant.project_id, project_id=tenant.project_id,
                           dedupe_key=f"{EventType.SPEND_THRESHOLD}:2001-01:500", data={
                               "threshold_micro_dollars": 500, "spent_micro_dollars": 501})
    book(tenant, "hold", "a", 900)
    book(tenant, "hold", "b", 1)
    assert reached(tenant) == [(500, 501), (500, 900)]
    assert told(tenant)[-1].data["month"] == tenant.client.get("/v1/usage/spending").json()["month"]


def test_what_was_settled_in_another_month_is_not_counted(tenant: Tenant) -> None:
    set_thresholds(tenant, 500)
    with transaction(tenant.scope) as session:
        for kind, key, amount in (("hold", "old", 900), ("settle", "old", 900), ("hold", "open", 300)):
            session.execute(text(
                "insert into ledger_entries (id, project_id, job_id, key, kind, micro_dollars, created_at) values"
                " (:id, :project, 'ftjob-0', :key, :kind, :amount, now() - interval '40 days')"),
                {"id": f"ledger_{kind}{key}", "project": tenant.project_id, "key": key, "kind": kind,
                 "amount": amount})
    book(tenant, "hold", "a", 199)
    assert reached(tenant) == []
    book(tenant, "hold", "b", 1)
    assert reached(tenant) == [(500, 500)]


def test_of_many_that_book_at_once_one_tells(tenant: Tenant) -> None:
    set_thresholds(tenant, 800)
    ready = Barrier(8)

    def one(number: int) -> None:
        ready.wait()
        book(tenant, "hold", f"key-{number}", 100)

    with ThreadPoolExecutor(8) as several:
        list(several.map(one, range(8)))
    assert reached(tenant) == [(800, 800)]


def test_an_entry_that_is_rolled_back_tells_nothing(tenant: Tenant) -> None:
    set_thresholds(tenant, 500)
    with transaction(tenant.scope) as session:
        operations.hold(session, project_id=tenant.project_id, job_id="ftjob-1", key="a", micro_dollars=900)
        session.rollback()
    assert reached(tenant) == []


def test_projects_have_thresholds_and_spending_of_their_own(tenant: Tenant, stranger: Tenant) -> None:
    set_thresholds(tenant, 500)
    book(stranger, "hold", "a", 10**9)
    book(tenant, "hold", "a", 400)
    assert (reached(tenant), reached(stranger)) == ([], [])
    shown = tenant.client.get("/v1/usage/spending").json()
    assert (shown["spent_micro_dollars"], shown["spend_thresholds"]) == (400, [500])
    assert stranger.client.get("/v1/usage/spending").json()["spend_thresholds"] == []


def test_spending_tells_what_is_settled_and_what_is_reserved(tenant: Tenant) -> None:
    empty = tenant.client.get("/v1/usage/spending").json()
    book(tenant, "hold", "a", 400)
    book(tenant, "settle", "a", 150)
    book(tenant, "hold", "b", 300)
    shown = tenant.client.get("/v1/usage/spending").json()
    assert empty == {**shown, "settled_micro_dollars": 0, "held_micro_dollars": 0, "spent_micro_dollars": 0}
    assert [shown[f"{each}_micro_dollars"] for each in ("settled", "held", "spent")] == [150, 300, 450]


def test_sums_beyond_every_column_are_told(tenant: Tenant) -> None:
    set_thresholds(tenant, 2**53)
    for number in range(3):
        book(tenant, "hold", f"key-{number}", 10**40)
    assert reached(tenant) == [(2**53, operations.LARGEST)]
    assert tenant.client.get("/v1/usage/spending").json()["spent_micro_dollars"] == 3 * operations.LARGEST


class TestSetting:
    def test_administrators_set_them_on_the_project(self, administrator: Administrator, tenant: Tenant) -> None:
        url = f"/v1/organization/projects/{tenant.project_id}"
        answer = administrator.client.post(url, json={"spend_thresholds": [900, 100, 900]})
        assert answer.status_code == 200, answer.text
        assert answer.json()["spend_thresholds"] == [100, 900]
        assert administrator.client.post(url, json={"name": "new"}).json()["spend_thresholds"] == [100, 900]
        assert administrator.client.post(url, json={"spend_thresholds": []}).json()["spend_thresholds"] == []
        logged = administrator.client.get("/v1/organization/audit_logs").json()["data"]
        changes = [entry["project.updated"]["changes_requested"] for entry in logged if "project.updated" in entry]
        assert changes == [{"spend_thresholds": []}, {"title": "new"}, {"spend_thresholds": [100, 900]}]

    @pytest.mark.parametrize("wrong", [[0], [-1], [1.5], ["1"], [True], [2**53 + 1], [10**400], list(range(1, 22)),
                                       {"a": 1}, 5, "x", [None]])
    def test_anything_else_is_refused(self, administrator: Administrator, tenant: Tenant, wrong: Any) -> None:
        answer = administrator.client.post(f"/v1/organization/projects/{tenant.project_id}",
                                           json={"spend_thresholds": wrong})
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["param"].startswith("spend_thresholds")
