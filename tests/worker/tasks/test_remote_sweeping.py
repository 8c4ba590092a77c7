"""Training under our keys that nobody waits for is cancelled, told to the audit log, and nothing else is touched."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from service.jobs import queries
from service.jobs.operations import remote as operations
from service.jobs.operations import remote_sweeping
from service.jobs.plans import RemoteOrder
from service.jobs.states import JobStatus
from service.kit.database import Scope, transaction
from service.kit.work import Work
from service.settings import settings
from service.tenants.tables import AuditEntry
from tests.fixtures.api import Tenant
from tests.worker.tasks.paying_house import PayingHouse
from tests.worker.tasks.scripted_remote import ScriptedServer, Training
from worker.tasks import remote_sweeping as sweeps

OLD = settings().remote_orphan_seconds + 60


def order(paying: PayingHouse, **changes: Any) -> RemoteOrder:
    return replace(RemoteOrder(job_id="ftjob-gone", key=operations.new_key(paying.tenant.project_id), seed=1,
                               house=paying.tenant.organization_id, model="gpt-paid", training_file="file-x",
                               validation_file=None, method={}, suffix=None), **changes)


def audited(tenant: Tenant) -> list[str]:
    with transaction(Scope.organization(tenant.organization_id)) as session:
        return list(session.scalars(select(AuditEntry.subject).where(AuditEntry.action == "remote_job.cancelled")
                                    .order_by(AuditEntry.position)))


@pytest.fixture
def followed(paying: PayingHouse) -> tuple[str, str]:
    """A job that is as it should be: nothing may happen to it. It also makes the sweep due."""
    return paying.sent()


def old(paying: PayingHouse, training: Training) -> Training:
    paying.pass_time(seconds=OLD)
    return training


def test_what_no_row_knows_is_cancelled_and_audited(paying: PayingHouse, server: ScriptedServer,
                                                    followed: tuple[str, str]) -> None:
    lost = old(paying, server.make(order(paying)))
    paying.sweep()
    assert (lost.job.status, server.trainings[followed[1]].is_live) == ("cancelled", True)
    assert audited(paying.tenant) == [lost.job.id]


def test_more_forged_keys_than_a_statement_takes_parameters_hide_no_real_one(paying: PayingHouse,
                                                                             followed: tuple[str, str]) -> None:
    key = paying.attempt(followed[0]).key
    with transaction(paying.tenant.scope) as session:
        assert list(queries.attempts_by_key(session, [*(f"forged-{number}" for number in range(70_000)), key])) == [key]


@pytest.mark.usefixtures("followed")
def test_it_is_left_alone_while_it_is_young(paying: PayingHouse, server: ScriptedServer) -> None:
    paying.pass_time(seconds=OLD)
    young = server.make(order(paying))
    paying.sweep()
    assert young.is_live
    paying.pass_time(seconds=OLD)
    paying.sweep()
    assert not young.is_live


@pytest.mark.usefixtures("followed")
def test_what_is_not_ours_is_never_touched(paying: PayingHouse, server: ScriptedServer, stranger: Tenant) -> None:
    others = [server.make(order(paying, house="org-another")), server.make(order(paying, key="somebody-elses")),
              server.make(order(paying, key=operations.new_key(stranger.project_id))),
              server.make(order(paying), key=None), server.make(order(paying), house=None)]
    paying.pass_time(seconds=OLD)
    paying.sweep()
    assert all(each.is_live for each in others)
    assert audited(paying.tenant) == []


def test_of_two_for_one_key_the_oldest_is_kept_whichever_was_followed(paying: PayingHouse, server: ScriptedServer,
                                                                      followed: tuple[str, str]) -> None:
    job_id, younger = followed
    older = server.make(server.only.order)
    server.pass_time(timedelta(minutes=1))
    server.trainings[younger].job = replace(server.trainings[younger].job, created_at=None)
    paying.pass_time(seconds=OLD)
    paying.sweep()
    assert paying.attempt(job_id).remote_id == older.job.id
    assert (older.is_live, server.trainings[younger].is_live) == (True, False)
    assert "the older one is followed" in paying.log(job_id)
    paying.sweep()
    assert older.is_live


def test_a_younger_double_of_what_is_followed_is_cancelled(paying: PayingHouse, server: ScriptedServer,
                                                           followed: tuple[str, str]) -> None:
    job_id, remote_id = followed
    paying.pass_time(seconds=OLD)
    double = server.make(server.only.order)  # however young: nobody else can be waiting for it
    paying.sweep()
    assert (double.is_live, server.trainings[remote_id].is_live) == (False, True)
    assert audited(paying.tenant) == [double.job.id]
    assert f"An extra job at openai is cancelled: {double.job.id}" in paying.log(job_id)
    assert paying.attempt(job_id).remote_id == remote_id


@pytest.mark.parametrize("status", ["running", "succeeded"])
def test_what_may_be_the_followed_job_under_another_id_is_left_alone_until_both_are_listed(
        paying: PayingHouse, server: ScriptedServer, followed: tuple[str, str], status: str) -> None:
    job_id, remote_id = followed
    other = server.make(server.only.order)
    server.trainings[remote_id].listed = False
    server.move(other.job.id, status)
    paying.wake(job_id)
    paying.pass_time(seconds=OLD)
    paying.sweep()
    assert (other.job.status, audited(paying.tenant)) == (status, [])
    assert [kind for kind, _ in paying.ledger(job_id)] == ["hold"]
    server.show_all()
    paying.pass_time(seconds=OLD)
    paying.sweep()
    assert not other.is_live
    assert [kind for kind, _ in paying.ledger(job_id)] == ["hold"] + ["extra"] * (status == "succeeded")


def test_a_double_of_what_has_succeeded_is_cancelled(paying: PayingHouse, server: ScriptedServer,
                                                     followed: tuple[str, str]) -> None:
    job_id, remote_id = followed
    server.move(remote_id, "succeeded")
    paying.follow(job_id)
    double = old(paying, server.make(server.trainings[remote_id].order))
    paying.sweep()
    assert not double.is_live
    assert paying.status(job_id) is JobStatus.SUCCEEDED


@pytest.mark.parametrize("end", ["before it was seen", "when the job had ended here"])
def test_a_double_that_was_paid_before_it_was_seen_is_in_the_books_once(paying: PayingHouse, server: ScriptedServer,
                                                                        followed: tuple[str, str], end: str) -> None:
    job_id, remote_id = followed
    double = server.make(server.only.order)
    server.move(double.job.id, "succeeded")
    server.move(remote_id, "succeeded")
    if end == "when the job had ended here":
        paying.follow(job_id)
    for _ in range(2):
        paying.sweep()
    paying.follow(job_id)
    entries = paying.tenant.client.get("/v1/usage/ledger").json()["data"]
    paid = {entry["kind"]: entry for entry in entries if entry["kind"] != "hold"}
    assert sorted(entry["kind"] for entry in entries) == ["extra", "hold", "settle"]
    assert paid["extra"]["micro_dollars"] == paid["settle"]["micro_dollars"] > 0
    assert paid["extra"]["key"] == f"{paid['settle']['key']}:{double.job.id}"
    assert "trained an extra job for the same request, and it was paid" in paying.log(job_id)
    assert paying.attempt(job_id).remote_id == remote_id


def test_a_double_that_was_booked_and_is_followed_later_is_paid_once(paying: PayingHouse, server: ScriptedServer,
                                                                     followed: tuple[str, str]) -> None:
    job_id, remote_id = followed
    server.move(remote_id, "running")
    double = server.make(server.only.order)
    server.move(double.job.id, "succeeded")
    paying.pass_time(seconds=OLD)
    paying.sweep()
    assert paying.ledger(job_id)[1:] == [("extra", 3_000_000)]
    server.move(remote_id, "failed")
    paying.pass_time(seconds=OLD)
    paying.sweep()
    paying.wake(job_id)
    assert (paying.status(job_id), paying.attempt(job_id).remote_id) == (JobStatus.SUCCEEDED, double.job.id)
    assert paying.ledger(job_id)[1:] == [("extra", 3_000_000), ("settle", 0)]


def test_what_is_still_looked_for_is_left_to_those_who_look(paying: PayingHouse, server: ScriptedServer,
                                                            followed: tuple[str, str]) -> None:
    job_id = paying.job()
    server.fail("create", "lost_after")
    paying.submit(job_id)
    [sought] = server.made_for(paying.attempt(job_id).key)
    paying.pass_time(seconds=OLD)
    paying.sweep()
    assert sought.is_live
    assert server.trainings[followed[1]].is_live


@pytest.mark.usefixtures("followed")
def test_a_cancel_that_failed_is_done_by_the_next_sweep(paying: PayingHouse, server: ScriptedServer) -> None:
    lost = old(paying, server.make(order(paying)))
    server.fail("cancel", "unavailable")
    paying.sweep()
    assert lost.is_live
    paying.pass_time(seconds=OLD)
    paying.sweep()
    assert not lost.is_live


def test_a_job_that_came_back_after_it_was_given_up_is_cancelled(paying: PayingHouse, server: ScriptedServer,
                                                                 followed: tuple[str, str]) -> None:
    job_id, remote_id = followed
    server.only.known = server.only.listed = False
    paying.follow(job_id)
    paying.pass_time(seconds=settings().remote_missing_seconds + 1)
    paying.follow(job_id)
    assert paying.status(job_id) is JobStatus.FAILED
    server.only.known = server.only.listed = True
    paying.sweep()
    assert server.only.is_live, "a list may lag behind an end"
    paying.pass_time(seconds=OLD)
    paying.sweep()
    assert not server.trainings[remote_id].is_live


def test_an_attempt_that_its_worker_gave_up_is_taken_up_again(paying: PayingHouse, server: ScriptedServer,
                                                              followed: tuple[str, str]) -> None:
    job_id = paying.job()
    server.fail("create", *["killed_after"], *["killed_before"] * 10)
    server.fail("find", *["killed_before"] * 10)
    for _ in range(10):
        paying.submit(job_id)
        paying.pass_time(seconds=10)
    assert (paying.attempt(job_id).state, paying.status(job_id)) == ("unknown", JobStatus.QUEUED)
    with transaction(paying.tenant.scope) as session:
        state = session.execute(text("select state from work_items where kind = 'jobs.submit' and subject = :job"),
                                {"job": job_id}).scalar_one()
    assert state == "failed"
    server.script["find"].clear()
    paying.pass_time(seconds=OLD)
    paying.sweep()
    paying.submit(job_id)
    assert paying.attempt(job_id).state == "live"
    assert server.count("create") == 2


def test_one_that_nothing_was_sent_of_fails_when_its_worker_gives_up(paying: PayingHouse,
                                                                     server: ScriptedServer) -> None:
    job_id = paying.job()
    server.fail("upload", *["killed_before"] * 10)
    for _ in range(8):
        paying.submit(job_id)
    assert (paying.status(job_id), server.count("create")) == (JobStatus.FAILED, 0)
    assert [kind for kind, _ in paying.ledger()] == ["hold", "release"]


@pytest.mark.usefixtures("followed")
def test_every_page_is_looked_at(paying: PayingHouse, server: ScriptedServer) -> None:
    lost = [server.make(order(paying)) for _ in range(7)]
    paying.pass_time(seconds=OLD)
    paying.sweep()
    assert not any(each.is_live for each in lost)
    assert server.count("jobs") == 4


@pytest.mark.usefixtures("followed")
@pytest.mark.parametrize("trouble", ["unavailable", "denied", "lost_before", "refused"])
def test_trouble_delays_the_sweep(paying: PayingHouse, server: ScriptedServer, trouble: str) -> None:
    lost = old(paying, server.make(order(paying)))
    server.fail("jobs", trouble)
    paying.sweep()
    paying.pass_time(seconds=2 * OLD)
    paying.sweep()
    assert not lost.is_live


@pytest.mark.usefixtures("followed")
def test_a_house_that_is_a_copy_sweeps_nothing(paying: PayingHouse, server: ScriptedServer,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEWORKS_REMOTE_SWEEP", "false")
    settings.cache_clear()
    lost = old(paying, server.make(order(paying)))
    paying.sweep()
    assert lost.is_live
    monkeypatch.undo()
    settings.cache_clear()


def test_it_ends_when_the_credential_is_not_used_any_more(paying: PayingHouse, followed: tuple[str, str]) -> None:
    paying.pass_time(days=15)
    paying.sweep()
    assert not paying.run(Work.SWEEP_CREDENTIAL, paying.credential_id)
    paying.sent()
    assert paying.run(Work.SWEEP_CREDENTIAL, paying.credential_id)


def test_a_file_that_is_deleted_here_is_deleted_there_once_no_job_needs_it(paying: PayingHouse, server: ScriptedServer,
                                                                           followed: tuple[str, str]) -> None:
    job_id, remote_id = followed
    [there] = list(server.files)
    paying.do("update files set deleted_at = now()")
    paying.pass_time(seconds=OLD)
    paying.sweep()
    assert there in server.files
    server.move(remote_id, "failed")
    paying.follow(job_id)
    paying.pass_time(seconds=OLD)
    paying.sweep()
    assert there not in server.files


def test_more_than_one_sweep_can_end_is_gone_on_with_by_the_next_doubles_first(
        paying: PayingHouse, server: ScriptedServer, followed: tuple[str, str],
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_sweeping, "MOST_ENDED", 3)
    double = server.make(server.trainings[followed[1]].order)
    lost = [server.make(order(paying)) for _ in range(5)]
    ended = []
    for _ in range(3):
        paying.pass_time(seconds=OLD)
        paying.sweep()
        ended.append(sum(not each.is_live for each in lost))
    assert not double.is_live
    assert ended == [2, 5, 5]
    assert server.trainings[followed[1]].is_live


@pytest.mark.parametrize("status", ["running", "succeeded"])
def test_a_server_that_shows_other_doubles_at_each_look_does_not_fill_the_books(
        paying: PayingHouse, server: ScriptedServer, followed: tuple[str, str], status: str,
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_sweeping, "MOST_EXTRA", 5)
    job_id, remote_id = followed
    for _ in range(3):
        for _ in range(3):
            server.move(server.make(server.trainings[remote_id].order).job.id, status)
        paying.pass_time(seconds=OLD)
        paying.sweep()
        for training in server.trainings.values():
            training.listed = training.job.id == remote_id
    assert len(paying.attempt(job_id).discarded) == len(audited(paying.tenant)) == (5 if status == "running" else 0)
    assert [kind for kind, _ in paying.ledger(job_id)].count("extra") == (0 if status == "running" else 5)
    assert server.trainings[remote_id].is_live


def test_a_list_without_end_is_not_kept_whole(paying: PayingHouse, server: ScriptedServer, followed: tuple[str, str],
                                              monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeps, "MOST_KEPT", 4)
    for _ in range(20):
        server.make(order(paying))
    server.calls.clear()
    paying.pass_time(seconds=OLD)
    paying.sweep()
    assert (server.count("jobs"), server.count("cancel")) == (2, 4)
    assert server.trainings[followed[1]].is_live
