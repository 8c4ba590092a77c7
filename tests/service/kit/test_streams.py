"""Rows that came from another cluster's dump can be read: their transactions are over, whatever their numbers say."""

import pytest
from sqlalchemy import select, text

from service.events import operations
from service.events.tables import Event
from service.events.types import EventType
from service.jobs.tables import JobEvent
from service.kit.database import DISPATCH, mend_streams, transaction
from tests.fixtures.api import Tenant

READABLE = "transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint"


def mend() -> int:
    with transaction(DISPATCH) as session:
        return mend_streams(session, (Event.__tablename__, JobEvent.__tablename__))


@pytest.fixture
def two_events(tenant: Tenant) -> tuple[str, str]:
    ids = []
    for _ in range(2):
        with transaction(tenant.scope) as session:
            ids.append(operations.append(session, EventType.JOB_FAILED, "ftjob-1", project_id=tenant.project_id).id)
    return ids[0], ids[1]


def test_only_rows_of_a_time_to_come_are_changed(tenant: Tenant, two_events: tuple[str, str]) -> None:
    own, restored = two_events
    with transaction(DISPATCH) as session:
        session.execute(text("update events set transaction_id = 1000000000000 where id = :id"), {"id": restored})
    with transaction(tenant.scope) as session:
        before = session.get_one(Event, own).transaction_id
    with transaction(tenant.scope) as session:
        assert session.scalars(text(f"select id from events where {READABLE}")).all() == [own]
    assert mend() == 1
    assert mend() == 0
    with transaction(tenant.scope) as session:
        assert set(session.scalars(text(f"select id from events where {READABLE}"))) == {own, restored}
        found = {each.id: each.transaction_id for each in session.scalars(select(Event))}
    assert found == {own: before, restored: 3}
