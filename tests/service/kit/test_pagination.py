"""Cursor pages: every row once, in order, also while rows come and go."""

import pytest
from sqlalchemy import select

from service.events import operations as events
from service.events.tables import Event
from service.events.types import EventType
from service.kit.database import transaction
from service.kit.errors import InvalidRequest
from service.kit.pagination import Order, page_of, paginate
from tests.fixtures.api import Tenant


def record(tenant: Tenant, number: int) -> list[str]:
    with transaction(tenant.scope) as session:
        return [events.append(session, EventType.JOB_FAILED, f"ftjob-{each}", project_id=tenant.project_id).id
                for each in range(number)]


def page(tenant: Tenant, after: str | None, limit: int, order: Order = "desc") -> tuple[list[str], bool]:
    with transaction(tenant.scope) as session:
        rows, more = paginate(session, select(Event), Event, after=after, limit=limit, order=order)
        return [row.id for row in rows], more


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 5, 6])
def test_pages_together_are_the_list(tenant: Tenant, order: Order, limit: int) -> None:
    ids = record(tenant, 5)
    seen: list[str] = []
    after, more = None, True
    while more:
        found, more = page(tenant, after, limit, order)
        seen += found
        after = found[-1]
    assert seen == (ids if order == "asc" else ids[::-1])


def test_new_rows_do_not_disturb_a_walk(tenant: Tenant) -> None:
    ids = record(tenant, 4)
    first, _ = page(tenant, None, 2)
    record(tenant, 3)
    second, more = page(tenant, first[-1], 2)
    assert (first + second, more) == (ids[::-1], False)


def test_an_unknown_cursor_is_refused(tenant: Tenant, stranger: Tenant) -> None:
    foreign = record(stranger, 1)[0]
    for cursor in ("evt_unknown", foreign, ""):
        with pytest.raises(InvalidRequest) as refused:
            page(tenant, cursor, 2)
        assert refused.value.param == "after"


def test_an_empty_page_names_no_ids() -> None:
    assert page_of([], has_more=False) == {"data": [], "first_id": None, "last_id": None, "has_more": False}
