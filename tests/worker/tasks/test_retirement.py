"""A project is told of the ends of its tuned models: 90, 30 and 7 days ahead, each once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from sqlalchemy import select, text

from service.catalog import announcements, operations
from service.catalog.base_models import find_base_model
from service.events.tables import Event
from service.kit.database import transaction
from service.kit.work import Work
from tests.fixtures.api import Tenant
from tests.fixtures.lives import write_lives
from worker import app
from worker.tasks import retirement


def make(tenant: Tenant, base_model: str, *, job_id: str = "ftjob-1") -> str:
    base = find_base_model(base_model)
    assert base is not None
    name = operations.tuned_name(base_model, tenant.slug, None, job_id[-1] * 8)
    with transaction(tenant.scope) as session:
        operations.register_model(session, project_id=tenant.project_id, job_id=job_id, step=1, name=name, base=base,
                                  artifact=operations.Artifact(f"artifacts/{job_id}", "adapter"))
    return name


def announce(tenant: Tenant) -> bool:
    """What a worker does when the day's item is due; whether there is one for another day."""
    with transaction(tenant.scope) as session:
        session.execute(text("update work_items set run_at = now(), next_dispatch = now() where kind = :kind"),
                        {"kind": Work.ANNOUNCE_RETIREMENT})
        item = session.execute(text("select id from work_items where kind = :kind"),
                               {"kind": Work.ANNOUNCE_RETIREMENT}).scalar()
    if item is not None:
        app.run(retirement.announce, item)
    with transaction(tenant.scope) as session:
        found = session.execute(text("select count(*) from work_items where kind = :kind and state = 'pending'"
                                     " and run_at > now() + interval '23 hours'"), {"kind": Work.ANNOUNCE_RETIREMENT})
        return int(found.scalar_one()) == 1


def told(tenant: Tenant) -> list[tuple[str, dict[str, Any]]]:
    with transaction(tenant.scope) as session:
        rows = session.scalars(select(Event).where(Event.type == "model.retiring").order_by(Event.position)).all()
        return [(row.subject, row.data) for row in rows]


def test_each_notice_comes_once_on_its_day(own_catalog: Path, tenant: Tenant) -> None:
    write_lives(own_catalog, dying=120)
    name = make(tenant, "dying")
    notices = []
    for left in (120, 91, 90, 90, 60, 31, 30, 29, 7, 6, 1, 0, -1):
        write_lives(own_catalog, dying=left)
        assert announce(tenant)
        notices.append(len(told(tenant)))
    # the end has moved with each catalog, and a new day is a new fact: only what is due is told, and not twice a day
    assert notices[:4] == [0, 0, 1, 1]
    assert {data["notice_days"] for _, data in told(tenant)} == {90, 30, 7}
    assert {subject for subject, _ in told(tenant)} == {name}
    assert notices[-1] == notices[-3]


def test_it_says_when_and_what_stands_in(own_catalog: Path, tenant: Tenant, stranger: Tenant) -> None:
    write_lives(own_catalog, dying=20, living=None)
    name = make(tenant, "dying")
    make(tenant, "living", job_id="ftjob-2")
    make(stranger, "living", job_id="ftjob-3")
    tenant.client.post("/v1/model_mappings", json={"model": name, "successor": "living"})
    for _ in range(3):
        assert announce(tenant)
    [(subject, data)] = told(tenant)
    assert (subject, data["id"], data["notice_days"], data["days_left"], data["successor"]) == (
        name, name, 30, 20, "living")
    assert announce(stranger)
    assert told(stranger) == []


def test_two_at_once_tell_it_once(own_catalog: Path, tenant: Tenant) -> None:
    write_lives(own_catalog, dying=7)
    for number in range(5):
        make(tenant, "dying", job_id=f"ftjob-{number}")

    def run(_: int) -> None:
        with transaction(tenant.scope) as session:
            bases = announcements.dying(session)
            assert bases is not None
            announcements.announce(session, tenant.project_id, bases, after=0)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(4)))
    assert len(told(tenant)) == 5


def test_pages_go_on_where_the_last_one_ended(own_catalog: Path, tenant: Tenant, monkeypatch: Any) -> None:
    monkeypatch.setattr(announcements, "_PAGE", 2)
    write_lives(own_catalog, dying=7)
    names = [make(tenant, "dying", job_id=f"ftjob-{number}") for number in range(5)]
    assert announce(tenant)
    assert [subject for subject, _ in told(tenant)] == names


def test_deleted_models_are_not_told_of_and_without_any_the_work_ends(own_catalog: Path, tenant: Tenant) -> None:
    write_lives(own_catalog, dying=7)
    name = make(tenant, "dying")
    tenant.client.delete(f"/v1/models/{name}")
    assert not announce(tenant)
    assert told(tenant) == []
    make(tenant, "dying", job_id="ftjob-2")
    assert announce(tenant)
    assert len(told(tenant)) == 1
