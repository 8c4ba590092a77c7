"""From events to mails in somebody's box: each event once, at its time, whoever is killed and whatever servers say."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event as hooks
from sqlalchemy import func, select, text

from service.events import operations as events
from service.events.tables import Event
from service.events.types import EventType
from service.kit.database import DISPATCH, Scope, database_now, engine, transaction
from service.kit.work import MAX_FAILURES, Work, WorkItem
from service.mail import operations, queries, sending
from service.mail.operations import gathering
from service.mail.tables import Mail, MailNotice
from service.mail.tokens import Purpose
from service.settings import child_environment, settings
from service.webhooks.operations import plan as plan_webhooks
from tests.fixtures.api import Tenant
from tests.fixtures.mail import HANG_UP, TAKEN, MailServer
from tests.service.mail.driving import PATH, confirm, link, passes, subscribe, work_all
from worker import app
from worker.sender.turns import Turns
from worker.tasks import mail as tasks


@pytest.fixture
def sent(tenant: Tenant, mail_server: MailServer) -> MailServer:
    """A mail server that has taken no more than what `subscribed` needed."""
    return mail_server


def subscribed(tenant: Tenant, server: MailServer, address: str = "ops@example.org", **more: Any) -> dict[str, Any]:
    made = subscribe(tenant, address, **more)
    confirm(tenant, made)
    server.mails.clear()
    return made


def happen(tenant: Tenant, *subjects: str, type_: EventType = EventType.JOB_SUCCEEDED) -> None:
    with transaction(tenant.scope) as session:
        for subject in subjects:
            events.append(session, type_, subject, project_id=tenant.project_id)


def tell() -> int:
    """What a sender does as soon as it can."""
    return Turns().plan()


def listed(tenant: Tenant, made: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tenant.client.get(f"{PATH}/{made['id']}/mails", params={"limit": 100}).json()["data"]
    return [each for each in found if each["kind"] not in {"confirmation", "test"}]


def count(tenant: Tenant, table: type[MailNotice | Mail | WorkItem]) -> int:
    with transaction(tenant.scope) as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


class TestImmediate:
    def test_an_event_is_one_mail_to_each_who_asked_for_it(
            self, tenant: Tenant, stranger: Tenant, sent: MailServer) -> None:
        subscribed(tenant, sent, "a@example.org")
        subscribed(tenant, sent, "b@example.org", event_types=["fine_tuning.job.failed"])
        subscribed(stranger, sent, "c@example.org")
        happen(tenant, "ftjob-1")
        assert tell() == 1
        work_all(tenant)
        work_all(stranger)
        [mail] = sent.mails
        assert mail.recipients == ("a@example.org",)
        assert mail.message["Subject"] == "Job succeeded: ftjob-1 (Acme Support)"
        assert "Fine-tuning job ftjob-1 succeeded." in mail.body("plain")

    @pytest.mark.parametrize(("name", "mails"), [("fine_tuning.job.*", 1), ("*", 1), ("file.*", 0)])
    def test_groups_are_told_of_their_types(self, tenant: Tenant, sent: MailServer, name: str, mails: int) -> None:
        made = subscribed(tenant, sent, event_types=[name])
        assert made["event_types"] == [name]
        happen(tenant, "ftjob-1")
        tell()
        work_all(tenant)
        assert len(sent.mails) == mails

    def test_telling_and_planning_twice_is_once(self, tenant: Tenant, sent: MailServer) -> None:
        subscribed(tenant, sent)
        happen(tenant, "ftjob-1")
        tell()
        with transaction(tenant.scope) as session:
            ids = session.scalars(select(Event.id)).all()
        for _ in range(2):
            with transaction(DISPATCH) as session:
                operations.plan(session, ids)
            work_all(tenant)
        assert tell() == 0
        assert len(sent.mails) == 1

    def test_many_at_once_are_one_mail_and_a_flood_is_collected(
            self, tenant: Tenant, sent: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(gathering, "_AN_HOUR", 3)
        made = subscribed(tenant, sent)
        happen(tenant, *(f"ftjob-{n}" for n in range(7)))
        tell()
        work_all(tenant)
        assert [each.message["Subject"] for each in sent.mails] == ["7 events in Acme Support"]
        for n in range(4):
            happen(tenant, f"more-{n}")
            tell()
            work_all(tenant)
        assert len(sent.mails) == 3
        passes(tenant, hours=1.1)
        work_all(tenant)
        told = "".join(each.body("plain") for each in sent.mails)
        assert all(told.count(f"job more-{n} ") == 1 for n in range(4))
        assert {each["state"] for each in listed(tenant, made)} == {"sent"}

    def test_the_order_in_a_mail_is_that_of_what_happened(self, tenant: Tenant, sent: MailServer) -> None:
        subscribed(tenant, sent)
        happen(tenant, *(f"ftjob-{n}" for n in range(9)))
        tell()
        work_all(tenant)
        body = sent.mails[0].body("plain")
        places = [body.index(f"ftjob-{n} ") for n in range(9)]
        assert places == sorted(places)


class TestDigests:
    @pytest.mark.parametrize(("digest", "hours"), [("hourly", 1), ("daily", 24)])
    def test_all_of_a_window_is_one_mail_at_its_end(self, tenant: Tenant, sent: MailServer, digest: str,
                                                    hours: float) -> None:
        subscribed(tenant, sent, digest=digest)
        for n in range(3):
            happen(tenant, f"ftjob-{n}")
            tell()
            work_all(tenant)
        assert sent.mails == []
        passes(tenant, hours=hours)
        work_all(tenant)
        [mail] = sent.mails
        assert mail.message["Subject"] == "3 events in Acme Support"
        happen(tenant, "ftjob-later")
        tell()
        passes(tenant, hours=hours)
        work_all(tenant)
        assert [each.message["Subject"] for each in sent.mails[1:]] == ["1 event in Acme Support"]

    def test_nothing_happened_is_no_mail(self, tenant: Tenant, sent: MailServer) -> None:
        subscribed(tenant, sent, digest="hourly")
        passes(tenant, hours=2)
        work_all(tenant)
        assert sent.mails == []

    def test_what_waits_for_a_digest_that_is_given_up_goes_out_at_once(self, tenant: Tenant, sent: MailServer) -> None:
        made = subscribed(tenant, sent, digest="daily")
        happen(tenant, "ftjob-1")
        tell()
        tenant.client.post(f"{PATH}/{made['id']}", json={"digest": "immediate"})
        work_all(tenant)
        assert len(sent.mails) == 1

    def test_what_is_planned_while_a_digest_is_made_is_in_the_next(
            self, tenant: Tenant, sent: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
        """A sender plans as the worker has read what waits: its work item is running, and must run again."""
        subscribed(tenant, sent, digest="hourly")
        happen(tenant, "ftjob-early")
        tell()
        passes(tenant, hours=1)
        real, planners = queries.waiting, list[threading.Thread]()

        def plan_beside(*args: Any, **kwargs: Any) -> Any:
            found = real(*args, **kwargs)
            if not planners:
                happen(tenant, "ftjob-late")
                planners.append(threading.Thread(target=tell))
                planners[0].start()
                planners[0].join(0.5)  # it waits for the work item, which this transaction holds
            return found
        monkeypatch.setattr(queries, "waiting", plan_beside)
        work_all(tenant)
        planners[0].join(20)
        passes(tenant, hours=1)
        work_all(tenant)
        told = [each.body("plain") for each in sent.mails]
        assert ["ftjob-early" in each for each in told] == [True, False]
        assert ["ftjob-late" in each for each in told] == [False, True]


class TestServersThatDoNotTakeIt:
    def test_later_is_tried_again_with_the_same_message_id(self, tenant: Tenant, sent: MailServer) -> None:
        made = subscribed(tenant, sent)
        sent.on_recipient = ["450 greylisted", "250 OK"]
        happen(tenant, "ftjob-1")
        tell()
        work_all(tenant)
        [mail] = listed(tenant, made)
        assert (mail["state"], mail["attempts"], mail["error"]) == (
            "pending", 1, "The mail server does not take the address now: 450 greylisted")
        work_all(tenant)
        assert sent.mails == []  # not before its time
        passes(tenant, hours=0.1)
        work_all(tenant)
        [mail] = listed(tenant, made)
        assert (mail["state"], mail["attempts"], mail["error"]) == ("sent", 2, None)
        assert [each.message["Message-ID"] for each in sent.mails] == [f"<{mail['id']}@example.com>"]

    def test_a_server_that_took_it_and_hung_up_gets_it_again_and_can_tell(self, tenant: Tenant,
                                                                          sent: MailServer) -> None:
        made = subscribed(tenant, sent)
        sent.on_data = [HANG_UP, TAKEN]
        happen(tenant, "ftjob-1")
        tell()
        work_all(tenant)
        passes(tenant, hours=0.1)
        work_all(tenant)
        [mail] = listed(tenant, made)
        assert mail["state"] == "sent"
        assert [each.message["Message-ID"] for each in sent.mails] == [f"<{mail['id']}@example.com>"] * 2

    def test_three_refusals_for_good_disable_and_an_update_takes_it_up_again(self, tenant: Tenant,
                                                                             sent: MailServer) -> None:
        made = subscribed(tenant, sent)
        sent.on_recipient = ["550 no such user"]
        for n in range(4):
            happen(tenant, f"ftjob-{n}")
            tell()
            work_all(tenant)
        error = "The mail server refuses the address: 550 no such user"
        assert [(each["state"], each["error"]) for each in listed(tenant, made)] == [("failed", error)] * 3
        found = tenant.client.get(f"{PATH}/{made['id']}").json()
        assert found["status"] == "disabled"
        assert found["disabled_at"] is not None
        assert found["disabled_reason"] == f"Mail was refused 3 times in a row. {error}"
        sent.on_recipient = ["250 OK"]
        found = tenant.client.post(f"{PATH}/{made['id']}", json={}).json()
        assert (found["status"], found["disabled_reason"]) == ("active", None)
        happen(tenant, "ftjob-again")
        tell()
        work_all(tenant)
        assert len(sent.mails) == 1

    def test_a_mail_that_is_taken_forgives_those_that_were_not(self, tenant: Tenant, sent: MailServer) -> None:
        made = subscribed(tenant, sent)
        sent.on_data = ["554 spam", "554 spam", TAKEN, "554 spam", "554 spam", TAKEN]
        for n in range(6):
            happen(tenant, f"ftjob-{n}")
            tell()
            work_all(tenant)
        assert tenant.client.get(f"{PATH}/{made['id']}").json()["status"] == "active"

    def test_a_server_that_is_down_for_days_is_waited_for_and_then_given_up(
            self, tenant: Tenant, sent: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
        made = subscribed(tenant, sent)
        sent.on_sender = ["421 not today"]
        happen(tenant, "ftjob-1")
        tell()
        for _ in range(5):
            work_all(tenant)
            passes(tenant, hours=1)
        assert [(each["state"], each["attempts"]) for each in listed(tenant, made)] == [("pending", 5)]
        passes(tenant, hours=72)
        work_all(tenant)
        assert [(each["state"], each["error"]) for each in listed(tenant, made)] == [
            ("failed", "The mail server does not take mail of this house now: 421 not today")]
        assert tenant.client.get(f"{PATH}/{made['id']}").json()["status"] == "active"
        assert count(tenant, WorkItem) == 0

    def test_a_house_whose_mail_server_was_taken_away_keeps_mails_for_a_while(
            self, tenant: Tenant, sent: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
        made = subscribed(tenant, sent)
        url = settings().smtp_url.get_secret_value()
        monkeypatch.setenv("TUNEWORKS_SMTP_URL", "")
        settings.cache_clear()
        happen(tenant, "ftjob-1")
        tell()
        work_all(tenant)
        assert listed(tenant, made)[0]["error"] == "TUNEWORKS_SMTP_URL is not set."
        monkeypatch.setenv("TUNEWORKS_SMTP_URL", url)
        settings.cache_clear()
        passes(tenant, hours=1)
        work_all(tenant)
        assert len(sent.mails) == 1


class TestNobodyWantsIt:
    @pytest.mark.parametrize("end", [
        lambda tenant, made: tenant.client.delete(f"{PATH}/{made['id']}"),
        lambda tenant, made: tenant.client.post(link(tenant, made, Purpose.UNSUBSCRIBE)),
    ], ids=["deleted", "unsubscribed"])
    @pytest.mark.parametrize("is_gathered", [False, True])
    def test_what_was_planned_before_is_not_sent_after(
            self, tenant: Tenant, sent: MailServer, end: Callable[[Tenant, Any], None], *, is_gathered: bool) -> None:
        made = subscribed(tenant, sent)
        happen(tenant, "ftjob-1")
        tell()
        if is_gathered:
            run_due(tenant, Work.GATHER_MAIL)
        end(tenant, made)
        work_all(tenant)
        assert sent.mails == []
        with transaction(tenant.scope) as session:
            states = session.scalars(select(Mail.state).where(Mail.kind == "event")).all()
        assert states == (["dropped"] if is_gathered else [])
        assert count(tenant, MailNotice) == int(is_gathered)
        assert count(tenant, WorkItem) == 0


def run_due(tenant: Tenant, kind: Work) -> None:
    with transaction(tenant.scope) as session:
        ids = session.scalars(select(WorkItem.id).where(WorkItem.kind == kind)).all()
    for each in ids:
        app.run(app.TASKS[kind], each)


class Killed(BaseException):
    """As if the process had ended there."""


class TestKills:
    @pytest.mark.parametrize("statement", ["insert into mail_notices", "insert into work_items"])
    def test_a_sender_that_dies_while_it_plans_leaves_it_to_the_next(self, tenant: Tenant, sent: MailServer,
                                                                     statement: str) -> None:
        subscribed(tenant, sent)
        happen(tenant, "ftjob-1")

        def die(_: Any, __: Any, sql: str, *___: Any) -> None:
            if statement in sql.lower():
                raise Killed
        hooks.listen(engine(), "after_cursor_execute", die)
        try:
            with pytest.raises(Killed):
                tell()
        finally:
            hooks.remove(engine(), "after_cursor_execute", die)
        assert tell() == 1
        work_all(tenant)
        assert len(sent.mails) == 1

    @pytest.mark.parametrize("statement", ["insert into mails", "update mail_notices", "insert into work_items"])
    def test_a_worker_that_dies_while_it_makes_mails_makes_none_twice(self, tenant: Tenant, sent: MailServer,
                                                                      statement: str) -> None:
        subscribed(tenant, sent)
        happen(tenant, "ftjob-1", "ftjob-2", "ftjob-3")
        tell()

        def die(_: Any, __: Any, sql: str, *___: Any) -> None:
            if statement in sql.lower():
                raise Killed
        hooks.listen(engine(), "after_cursor_execute", die)
        try:
            with pytest.raises(Killed):
                run_due(tenant, Work.GATHER_MAIL)
        finally:
            hooks.remove(engine(), "after_cursor_execute", die)
        expire_leases(tenant)
        run_due(tenant, Work.GATHER_MAIL)
        work_all(tenant)
        assert sorted(each.message["Subject"][:22] for each in sent.mails) == [
            f"Job succeeded: ftjob-{n}" for n in (1, 2, 3)]

    def test_kill_9_of_a_worker_that_is_handing_a_mail_over(self, tenant: Tenant, sent: MailServer) -> None:
        """The server has it, and the worker dies before it is told so: the same mail comes again, recognisable."""
        made = subscribed(tenant, sent)
        taken, go_on = threading.Event(), threading.Event()
        real = sent.handle_DATA

        async def hold(*args: Any) -> str:
            answer = await real(*args)
            taken.set()
            await asyncio.to_thread(go_on.wait, 30)
            return answer
        sent.handle_DATA = hold  # type: ignore[method-assign,assignment]  # for one moment of one test
        happen(tenant, "ftjob-1")
        tell()
        run_due(tenant, Work.GATHER_MAIL)
        with transaction(tenant.scope) as session:
            item = session.scalars(select(WorkItem.id).where(WorkItem.kind == Work.SEND_MAIL)).one()
        program = ("import sys; from worker import app; import worker.tasks.mail;"
                   " app.run(app.TASKS[app.Work.SEND_MAIL], sys.argv[1])")
        worker = subprocess.Popen([sys.executable, "-c", program, item], env=child_environment(
            PYTHONPATH=os.pathsep.join(sys.path), TUNEWORKS_SMTP_TIMEOUT_SECONDS="30"))
        assert taken.wait(60), "the worker did not come to send"
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait(10)
        go_on.set()
        assert [each["state"] for each in listed(tenant, made)] == ["pending"]
        del sent.handle_DATA
        expire_leases(tenant)
        run_due(tenant, Work.SEND_MAIL)
        assert [each["state"] for each in listed(tenant, made)] == ["sent"]
        assert len(sent.mails) == 2
        assert sent.mails[0].raw == sent.mails[1].raw


def expire_leases(tenant: Tenant) -> None:
    with transaction(tenant.scope) as session:
        session.execute(text("update work_items set lease_until = now() - interval '1 s' where state = 'running'"))


class TestForgetting:
    def test_what_was_given_up_over_trouble_of_ours_is_asked_for_again(self, tenant: Tenant, sent: MailServer) -> None:
        subscribed(tenant, sent)
        happen(tenant, "ftjob-1")
        tell()
        with transaction(tenant.scope) as session:
            session.execute(text("update work_items set state = 'failed'"))
        work_all(tenant)
        assert sent.mails == []
        tasks.forget_mails()
        work_all(tenant)
        assert len(sent.mails) == 1

    def test_old_mails_go_with_what_they_told_and_what_is_to_be_sent_stays(self, tenant: Tenant,
                                                                           sent: MailServer) -> None:
        subscribed(tenant, sent)
        happen(tenant, "ftjob-1")
        tell()
        work_all(tenant)
        happen(tenant, "ftjob-2")
        tell()
        run_due(tenant, Work.GATHER_MAIL)
        assert (count(tenant, Mail), count(tenant, MailNotice)) == (3, 2)
        tasks.forget_mails()
        assert count(tenant, Mail) == 3
        passes(tenant, hours=24 * 31)
        tasks.forget_mails()
        with transaction(tenant.scope) as session:
            assert session.scalars(select(Mail.state)).all() == ["pending"]
        assert count(tenant, MailNotice) == 1

    def test_no_more_go_at_once_than_was_said_however_it_is_planned(self, tenant: Tenant, sent: MailServer) -> None:
        for number in range(4):
            subscribe(tenant, f"ops{number}@example.org")
        work_all(tenant)
        with transaction(DISPATCH) as session:
            for way in ("hashagg", "hashjoin", "indexscan", "bitmapscan", "material", "mergejoin", "sort"):
                session.execute(text(f"set local enable_{way} = off"))
            assert operations.forget(session, before=database_now(session), most=3) == 3

    def test_an_event_goes_though_it_was_told_by_mail(self, tenant: Tenant, sent: MailServer) -> None:
        subscribed(tenant, sent)
        happen(tenant, "ftjob-1")
        tell()
        work_all(tenant)
        with transaction(DISPATCH) as session:
            session.execute(text("delete from events"))
        assert count(tenant, MailNotice) == 0


class TestWalls:
    def test_the_door_shows_nothing_but_whose_it_is(self, tenant: Tenant, stranger: Tenant, sent: MailServer) -> None:
        made = subscribed(tenant, sent)
        with transaction(Scope.project(stranger.project_id)) as session:
            found = session.execute(text("select mail_subscription_project(:id)"), {"id": made["id"]}).scalar()
            assert found == tenant.project_id
            assert session.execute(text("select count(*) from mail_subscriptions")).scalar() == 0
            session.execute(text("select mail_confirmations_lately('ops@example.org')"))
            assert session.execute(text("select count(*) from mails")).scalar() == 0


def test_planning_is_part_of_the_transaction_that_tells_webhooks(tenant: Tenant, sent: MailServer) -> None:
    subscribed(tenant, sent)
    happen(tenant, "ftjob-1")
    def plan_and_die() -> None:
        with transaction(DISPATCH) as session:
            operations.plan(session, plan_webhooks(session, database_now(session), most=10))
            assert session.execute(text("select count(*) from mail_notices")).scalar() == 1
            raise Killed
    with pytest.raises(Killed):
        plan_and_die()
    assert count(tenant, MailNotice) == 0
    assert tell() == 1
    assert count(tenant, MailNotice) == 1


def test_a_fault_of_ours_fails_the_mail_in_the_end(tenant: Tenant, sent: MailServer,
                                                   monkeypatch: pytest.MonkeyPatch) -> None:
    made = subscribed(tenant, sent)
    happen(tenant, "ftjob-1")
    tell()
    run_due(tenant, Work.GATHER_MAIL)

    def broken(_: sending.Letter) -> sending.Handover:
        raise ZeroDivisionError("of all things")
    monkeypatch.setattr(tasks, "send", broken)
    for _ in range(MAX_FAILURES + 1):
        work_all(tenant)
        passes(tenant, hours=timedelta(minutes=10).total_seconds() / 3600)
    [mail] = listed(tenant, made)
    assert mail["state"] == "failed"
    assert mail["error"].startswith("The house could not send it, for a reason of its own")
