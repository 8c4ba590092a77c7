"""Events as a list: newest first, narrowed, paged, one project's only."""

from datetime import timedelta
from typing import Any

import pytest

from service.events import operations
from service.events.tables import Event
from service.events.types import EventType
from service.kit.database import transaction
from tests.fixtures.api import Tenant


def tell(tenant: Tenant, type_: EventType = EventType.JOB_SUCCEEDED, subject: str = "ftjob-1", **data: Any) -> Event:
    with transaction(tenant.scope) as session:
        return operations.append(session, type_, subject, project_id=tenant.project_id, data=data)


def listed(tenant: Tenant, **params: Any) -> list[str]:
    answer = tenant.client.get("/v1/events", params=params)
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["data"]]


def test_an_event_is_shown_whole_with_its_number(tenant: Tenant) -> None:
    tell(tenant)
    event = tell(tenant, EventType.JOB_FAILED, error={"code": "x"})
    shown = tenant.client.get(f"/v1/events/{event.id}").json()
    assert shown == {"id": event.id, "object": "event", "type": "fine_tuning.job.failed",
                     "created_at": int(event.created_at.timestamp()), "sequence": 2,
                     "data": {"id": "ftjob-1", "error": {"code": "x"}}}
    assert tenant.client.get("/v1/events").json()["data"][0] == shown


def test_pages_walk_from_the_newest_to_the_oldest(tenant: Tenant) -> None:
    made = [tell(tenant, subject=f"ftjob-{number}").id for number in range(5)]
    first = tenant.client.get("/v1/events", params={"limit": 3}).json()
    assert ([each["id"] for each in first["data"]], first["has_more"]) == (made[:1:-1], True)
    assert listed(tenant, limit=3, after=first["last_id"]) == [made[1], made[0]]


def test_types_and_groups_and_subjects_narrow(tenant: Tenant) -> None:
    ended = tell(tenant, EventType.JOB_SUCCEEDED, "ftjob-1").id
    stepped = tell(tenant, EventType.JOB_CHECKPOINT, "ftjob-2").id
    checked = tell(tenant, EventType.FILE_VALIDATED, "file-1").id
    assert listed(tenant, type="file.validated") == [checked]
    assert listed(tenant, type="fine_tuning.job.*") == [stepped, ended]
    assert listed(tenant, type="fine_tuning.job.checkpoint.*") == [stepped]
    assert listed(tenant, type="*") == [checked, stepped, ended]
    assert listed(tenant, type=["file.validated", "fine_tuning.job.succeeded"]) == [checked, ended]
    assert listed(tenant, subject="ftjob-2") == [stepped]
    assert listed(tenant, subject="ftjob-2", type="file.*") == []


def test_since_is_within_and_until_is_without(tenant: Tenant) -> None:
    new = tell(tenant)
    with transaction(tenant.scope) as session:
        old = Event(id="evt_old", project_id=tenant.project_id, type="file.validated", subject="file-1",
                    created_at=new.created_at - timedelta(hours=1))
        session.add(old)
    middle = int(new.created_at.timestamp()) - 60
    assert listed(tenant, since=middle) == [new.id]
    assert listed(tenant, until=middle) == [old.id]
    assert listed(tenant, since=middle, until=middle) == []


@pytest.mark.parametrize(("name", "value"), [
    ("type", "fine_tuning.job"), ("type", "**"), ("type", ".*"), ("type", "fine_tuning.*.*"), ("type", ""),
    ("type", "a\x00"), ("limit", "0"), ("limit", "101"), ("after", "evt_unknown"), ("since", "-1"),
    ("until", str(10**12)), ("since", "now"), ("subject", "\x00"), ("subject", "x" * 257)])
def test_what_cannot_be_meant_is_refused_by_name(tenant: Tenant, name: str, value: str) -> None:
    answer = tenant.client.get("/v1/events", params={name: value})
    assert (answer.status_code, answer.json()["error"]["param"].split("[")[0]) == (400, name), answer.text


def test_no_event_of_another_project_is_shown(tenant: Tenant, stranger: Tenant) -> None:
    event = tell(tenant)
    assert listed(stranger) == []
    assert stranger.client.get(f"/v1/events/{event.id}").status_code == 404
    assert stranger.client.get("/v1/events", params={"after": event.id}).status_code == 400
