"""Jobs that waited because their credential was refused go on at once when it is taken again."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, text

from service.jobs.tables import RemoteAttempt
from service.kit.database import database_now, transaction
from service.kit.work import Work, enqueue
from tests.fixtures.api import Tenant
from tests.worker.poller.attempts import live
from tests.worker.tasks.paying_house import PayingHouse
from tests.worker.tasks.running import work_off
from tests.worker.tasks.scripted_remote import ScriptedServer
from worker.tasks import remote_opening


@pytest.fixture
def house(paying: PayingHouse, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> PayingHouse:
    monkeypatch.setattr(remote_opening, "open_remote", server.open)
    work_off(paying.tenant)
    return paying


def waits(house: PayingHouse, kind: Work, job_id: str) -> bool:
    """Whether it waits for its time; it is there."""
    with transaction(house.tenant.scope) as session:
        return bool(session.execute(text("select run_at > now() or next_dispatch > now() from work_items"
                                         " where kind = :kind and subject = :subject and state = 'pending'"),
                                    {"kind": kind.value, "subject": job_id}).scalar_one())


def next_poll(house: PayingHouse, job_id: str) -> datetime:
    at = house.attempt(job_id).next_poll_at
    assert at is not None
    return at


def correct(house: PayingHouse) -> None:
    """Its owner stores another secret, and the work that comes of it is done."""
    answer = house.tenant.client.post(f"/v1/credentials/{house.credential_id}", json={"secret": "sk-corrected-012345"})
    assert answer.status_code == 200, answer.text
    work_off(house.tenant)


def refuse_all(house: PayingHouse, server: ScriptedServer) -> tuple[str, str]:
    """A job that is to be followed and one that is to be sent, both refused."""
    (followed, _), unsent = house.sent(), house.job()
    server.fail("retrieve", "denied")
    house.follow(followed)
    server.fail("create", "denied")
    house.submit(unsent)
    house.do("update remote_jobs set next_poll_at = now() + interval '10 minutes' where state = 'live'")
    assert waits(house, Work.FOLLOW_JOB, followed)
    assert waits(house, Work.SUBMIT_JOB, unsent)
    return followed, unsent


def test_a_corrected_credential_lets_all_of_its_jobs_go_on(house: PayingHouse, server: ScriptedServer) -> None:
    followed, unsent = refuse_all(house, server)
    before = next_poll(house, followed)
    correct(house)
    assert not waits(house, Work.FOLLOW_JOB, followed)
    assert not waits(house, Work.SUBMIT_JOB, unsent)
    assert next_poll(house, followed) < before
    house.submit(unsent)
    house.follow(followed)
    assert house.attempt(unsent).state == "live"
    assert server.count("create") == 3  # of which one was refused


def test_a_credential_that_is_refused_still_lets_none_go_on(house: PayingHouse, server: ScriptedServer) -> None:
    followed, unsent = refuse_all(house, server)
    server.fail("models", "denied")
    correct(house)
    assert waits(house, Work.FOLLOW_JOB, followed)
    assert waits(house, Work.SUBMIT_JOB, unsent)


def test_jobs_of_other_credentials_and_work_of_other_kinds_wait_on(house: PayingHouse, server: ScriptedServer) -> None:
    other, _ = house.sent()
    server.fail("retrieve", "unavailable")
    house.follow(other)
    followed, _ = refuse_all(house, server)
    house.do("update remote_jobs set credential_id = 'cred_other' where job_id = :job", job=other)
    correct(house)
    assert not waits(house, Work.FOLLOW_JOB, followed)
    assert waits(house, Work.FOLLOW_JOB, other)
    assert waits(house, Work.SWEEP_CREDENTIAL, house.credential_id)


def test_jobs_of_every_project_that_shares_it_go_on(house: PayingHouse, server: ScriptedServer,
                                                    stranger: Tenant) -> None:
    refuse_all(house, server)
    live(stranger, ["ftjob-theirs"], credential_id=house.credential_id, due="now() + interval '5 minutes'")
    with transaction(stranger.scope) as session:
        job_id = session.scalars(select(RemoteAttempt.job_id)).one()
        later = database_now(session) + timedelta(minutes=5)
        enqueue(session, Work.FOLLOW_JOB, job_id, project_id=stranger.project_id, run_at=later)
    correct(house)
    with transaction(stranger.scope) as session:
        assert session.execute(text("select run_at <= now() from work_items")).scalar_one() is True
        assert session.scalars(select(RemoteAttempt.next_poll_at <= func.now())).one() is True
