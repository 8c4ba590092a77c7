"""An event and the wish to tell it stand or fall together."""

import pytest
from sqlalchemy import select, text

from service.events import operations
from service.events.tables import Event
from service.events.types import EventType
from service.kit.database import transaction
from tests.fixtures.api import Tenant


def test_an_event_is_still_to_be_told(tenant: Tenant) -> None:
    with transaction(tenant.scope) as session:
        event = operations.append(session, EventType.JOB_SUCCEEDED, "ftjob-1", project_id=tenant.project_id,
                                  data={"seed": 1})
    assert event.data == {"id": "ftjob-1", "seed": 1}
    assert event.told_at is None


def test_what_is_rolled_back_never_happened(tenant: Tenant) -> None:
    def append_and_fail() -> None:
        with transaction(tenant.scope) as session:
            operations.append(session, EventType.JOB_SUCCEEDED, "ftjob-1", project_id=tenant.project_id)
            raise RuntimeError
    with pytest.raises(RuntimeError):
        append_and_fail()
    with transaction(tenant.scope) as session:
        assert session.scalars(select(Event)).all() == []
        assert session.execute(text("select count(*) from work_items")).scalar_one() == 0
