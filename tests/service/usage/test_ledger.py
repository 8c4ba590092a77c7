"""The spend ledger: each hold ends once, nothing in it is ever changed, and a project sees its own only."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from service.kit.database import transaction
from service.usage import operations
from tests.fixtures.api import Tenant


def hold(tenant: Tenant, key: str, micro_dollars: int = 500) -> None:
    with transaction(tenant.scope) as session:
        operations.hold(session, project_id=tenant.project_id, job_id="ftjob-1", key=key, micro_dollars=micro_dollars)


def entries(tenant: Tenant, **params: object) -> list[tuple[str, int]]:
    answer = tenant.client.get("/v1/usage/ledger", params=params)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.text
    return [(entry["kind"], entry["micro_dollars"]) for entry in answer.json()["data"]]


def test_a_hold_ends_once_and_the_first_end_stands(tenant: Tenant) -> None:
    hold(tenant, "key-1")
    hold(tenant, "key-1", 900)
    for _ in range(2):
        with transaction(tenant.scope) as session:
            operations.settle(session, project_id=tenant.project_id, job_id="ftjob-1", key="key-1", micro_dollars=420)
            operations.release(session, project_id=tenant.project_id, job_id="ftjob-1", key="key-1")
    assert entries(tenant) == [("settle", 420), ("hold", 500)]


def test_a_release_lets_all_of_it_go_and_needs_a_hold(tenant: Tenant) -> None:
    hold(tenant, "key-1")
    with transaction(tenant.scope) as session:
        operations.release(session, project_id=tenant.project_id, job_id="ftjob-1", key="key-1")
        operations.release(session, project_id=tenant.project_id, job_id="ftjob-1", key="key-2")
    assert entries(tenant) == [("release", 500), ("hold", 500)]


@pytest.mark.parametrize("statement", ["update ledger_entries set micro_dollars = 0", "delete from ledger_entries"])
def test_nothing_in_it_is_changed(tenant: Tenant, statement: str) -> None:
    hold(tenant, "key-1")
    with pytest.raises(ProgrammingError, match="permission denied"), transaction(tenant.scope) as session:
        session.execute(text(statement))


def test_it_is_paged_and_shown_by_job(tenant: Tenant, stranger: Tenant) -> None:
    for number in range(5):
        hold(tenant, f"key-{number}", number)
    first = tenant.client.get("/v1/usage/ledger", params={"limit": 2}).json()
    assert (first["has_more"], [entry["micro_dollars"] for entry in first["data"]]) == (True, [4, 3])
    assert entries(tenant, after=first["last_id"]) == [("hold", 2), ("hold", 1), ("hold", 0)]
    assert entries(tenant, fine_tuning_job_id="ftjob-other") == []
    assert entries(stranger) == []


def test_no_server_can_write_more_than_the_column_holds(tenant: Tenant) -> None:
    hold(tenant, "key-1", 10**40)
    assert entries(tenant) == [("hold", operations.LARGEST)]
