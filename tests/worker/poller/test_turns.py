"""What comes of a turn, with a server that behaves, that is in trouble, and that does its worst."""

import asyncio
import random
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select, text

from service.credentials.operations import checking
from service.credentials.tables import Credential
from service.events.tables import Event
from service.jobs.operations.remote_hints import go_on
from service.kit.database import DISPATCH, Scope, transaction
from service.settings import settings
from tests.fixtures.api import Tenant
from tests.remote.control import Simulator
from tests.worker.poller.attempts import all_due, change, followed, live, rows
from tests.worker.poller.conftest import Sweeps, store
from worker.poller import asking, claiming, pacing
from worker.poller.opening import opened
from worker.poller.pacing import Circuit, TokenBucket
from worker.poller.turns import Visit

LIST = r"/fine_tuning/jobs\?"
EMPTY = {"object": "list", "has_more": False, "data": []}


def remote_jobs(simulator: Simulator, number: int) -> list[str]:
    """Jobs at the server, oldest first, which wait in its queue until they are moved."""
    simulator.pace(queued=1e12)
    simulator.estate(files=2, jobs=number, failed=0, cancelled=0, running=1.0)
    return [job["id"] for job in simulator.ledger().jobs]


def status(simulator: Simulator, remote_id: str) -> str:
    return next(str(job["status"]) for job in simulator.ledger().jobs if job["id"] == remote_id)


def stored(tenant: Tenant, credential_id: str) -> Credential:
    with transaction(tenant.scope) as session:
        return session.get_one(Credential, credential_id)


def forget_checks(tenant: Tenant) -> None:
    with transaction(tenant.scope) as session:
        session.execute(text("delete from work_items where kind = 'credentials.check'"))


def asked(simulator: Simulator) -> list[str]:
    """Paths that the poller asked for."""
    return [each["path"] for each in simulator.requests() if each["method"] == "GET"]


@pytest.fixture
def there(tenant: Tenant, simulator: Simulator, credential: str) -> dict[str, str]:
    """Our attempts at 250 jobs, by remote id; the server has told us nothing new of any."""
    remote_ids = remote_jobs(simulator, 250)
    attempts = live(tenant, remote_ids, credential_id=credential, status=status(simulator, remote_ids[0]))
    return dict(zip(remote_ids, attempts, strict=True))


class TestServerThatBehaves:
    @pytest.mark.usefixtures("there")
    def test_three_pages_show_250_jobs_and_nothing_is_followed_without_news(self, tenant: Tenant, simulator: Simulator,
                                                                            sweep: Sweeps) -> None:
        sweep()
        assert len(asked(simulator)) == 3
        assert all(row.waits > 0 and row.polled_at and not row.poll_lease for row in rows().values())
        assert followed(tenant) == set()
        sweep(3)
        assert len(asked(simulator)) == 3

    def test_a_new_status_is_followed(self, tenant: Tenant, simulator: Simulator, there: dict[str, str],
                                      sweep: Sweeps) -> None:
        moved = list(there)[17]
        simulator.move(moved, "succeeded")
        sweep()
        assert followed(tenant) == {there[moved]}
        assert 0 < rows()[there[moved]].waits <= 20

    def test_a_job_whose_time_has_come_is_followed_without_news(self, tenant: Tenant, there: dict[str, str],
                                                                sweep: Sweeps) -> None:
        attempt = next(iter(there.values()))
        change(tenant, [attempt], next_follow_at="now() - interval '1 second'",
               status_since="now() - interval '1 day'")
        sweep()
        assert followed(tenant) == {attempt}
        assert rows()[attempt].waits > 20  # as old jobs wait

    def test_jobs_of_two_projects_share_the_pages_and_stay_apart(
            self, tenant: Tenant, stranger: Tenant, simulator: Simulator, credential: str, sweep: Sweeps) -> None:
        first, second = remote_jobs(simulator, 2)
        [mine] = live(tenant, [first], credential_id=credential, status="old")
        [theirs] = live(stranger, [second], credential_id=credential, status="old")
        sweep()
        assert len(asked(simulator)) == 1
        assert (followed(tenant), followed(stranger)) == ({mine}, {theirs})

    @pytest.mark.usefixtures("there")
    def test_jobs_that_the_list_does_not_show_yet_are_found(self, simulator: Simulator, sweep: Sweeps) -> None:
        simulator.fault("mutate", path=LIST, body=EMPTY)
        sweep()
        assert all(row.polled_at for row in rows().values())
        assert len(asked(simulator)) == 1 + 250

    def test_a_job_that_vanished_is_followed_and_asked_for_again_later(
            self, tenant: Tenant, simulator: Simulator, there: dict[str, str], sweep: Sweeps) -> None:
        gone = list(there)[3]
        simulator.job(gone, vanish=True)
        sweep()
        assert followed(tenant) == {there[gone]}
        assert rows()[there[gone]].waits > 0
        assert rows()[there[gone]].state == "live"

    def test_statuses_that_nobody_knows_are_news_once_they_can_be_read(
            self, tenant: Tenant, simulator: Simulator, there: dict[str, str], sweep: Sweeps) -> None:
        simulator.fault("mutate", path=LIST, set={"status": "transcending", "shape": {"of": [1, 2]}})
        sweep()
        assert followed(tenant) == set(there.values())

    @pytest.mark.usefixtures("credential")
    @pytest.mark.parametrize(("provider", "face"), [("azure", "{0.azure_url}"), ("azure", "{0.azure_url}/openai/"),
                                                    ("compatible", "{0.base_url}/")])
    def test_other_providers_that_speak_so(self, tenant: Tenant, simulator: Simulator, sweep: Sweeps, provider: str,
                                           face: str) -> None:
        theirs = store(tenant, provider=provider, name="theirs", base_url=face.format(simulator), secret=simulator.key)
        live(tenant, remote_jobs(simulator, 3), credential_id=theirs)
        sweep()
        assert all(row.polled_at for row in rows().values())

    def test_whose_account_is_meant_is_said(self, tenant: Tenant, simulator: Simulator, sweep: Sweeps) -> None:
        told = {"organization": "org-them", "project": "proj_them"}
        live(tenant, ["a"], credential_id=store(tenant, base_url=simulator.base_url, secret=simulator.key,
                                                options=told))
        sweep()
        headers = {name.lower(): value for name, value in simulator.requests()[-1]["headers"].items()}
        assert (headers["openai-organization"], headers["openai-project"]) == ("org-them", "proj_them")


class TestTurn:
    def test_who_finds_the_lease_over_asks_nothing_and_writes_nothing(
            self, tenant: Tenant, simulator: Simulator, credential: str) -> None:
        live(tenant, remote_jobs(simulator, 2), credential_id=credential)
        with transaction(DISPATCH) as session:
            [turn] = claiming.claim(session, lease=60, room=1)
        before = rows()
        visit = Visit(turn, Circuit(time.monotonic), TokenBucket(100, 100, time.monotonic), luck=0.5)
        visit._ends_at = time.monotonic()  # as after a freeze

        async def carry_out() -> None:
            async with asking.client(5) as client:
                await visit.carry_out(client, opened)
        asyncio.run(carry_out())
        assert asked(simulator) == []
        assert {each.id: each.poll_lease for each in rows().values()} == dict.fromkeys(before, turn.id)

    @pytest.mark.usefixtures("there")
    def test_a_long_walk_keeps_its_lease(self, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TUNEWORKS_POLL_LEASE_SECONDS", "1.5")
        settings.cache_clear()
        simulator.fault("slow", path=LIST, seconds=1.2)
        Sweeps(timeout=60)()
        assert len(asked(simulator)) == 3
        assert all(row.polled_at and not row.poll_lease for row in rows().values())

    def test_renewing_and_recording_do_not_wait_for_each_other(self, tenant: Tenant) -> None:
        ids = live(tenant, [f"job-{number}" for number in range(300)])
        with transaction(DISPATCH) as session:
            [turn] = claiming.claim(session, lease=60, room=1)
        draw = random.Random(1)

        def write(number: int) -> None:
            with transaction(DISPATCH) as session:
                if number % 2:
                    claiming.renew(session, turn, lease=60)
                else:
                    claiming.record(session, turn, dict.fromkeys(draw.sample(ids, 40), 10.0))
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(write, range(60)))  # raises what any of them raised, deadlocks too
        assert sum(row.polled_at is not None for row in rows().values()) > 100


class TestServerInTrouble:
    @pytest.mark.parametrize("trouble", [
        {"do": 500}, {"do": 503}, {"do": "refuse"}, {"do": "reset_after"}, {"do": "truncate"}, {"do": 429},
        {"do": "redirect", "location": "http://127.0.0.1:1/"},
    ])
    @pytest.mark.usefixtures("there")
    def test_it_moves_the_next_time_and_nothing_else(self, tenant: Tenant, simulator: Simulator, sweep: Sweeps,
                                                     trouble: dict[str, Any]) -> None:
        do = trouble.pop("do")
        simulator.fault(do, path=r"/fine_tuning/jobs", **trouble)
        sweep()
        assert all(row.waits > 0 and row.poll_failures == 1 and row.state == "live" for row in rows().values())
        assert followed(tenant) == set()
        simulator.clear_faults()
        sweep.poller._servers._known.clear()  # the pause passes
        all_due()
        sweep()
        assert all(row.polled_at and row.poll_failures == 0 for row in rows().values())

    @pytest.mark.usefixtures("there")
    def test_an_answer_that_does_not_come_ends_with_its_time(self, simulator: Simulator) -> None:
        simulator.fault("timeout", path=LIST)
        Sweeps(timeout=0.3)()
        assert all(row.poll_failures == 1 for row in rows().values())

    @pytest.mark.usefixtures("there")
    def test_a_body_that_trickles_ends_with_its_time(self, simulator: Simulator) -> None:
        simulator.fault("slow", path=LIST, seconds=600)
        Sweeps(timeout=0.3)()
        assert all(row.poll_failures == 1 for row in rows().values())

    @pytest.mark.usefixtures("there")
    def test_it_is_left_alone_for_as_long_as_it_asks(self, simulator: Simulator, sweep: Sweeps) -> None:
        simulator.fault(429, path=LIST, retry_after=1200, count=1)
        sweep()
        assert all(1100 < row.waits <= 1200 for row in rows().values())
        all_due()  # as a hint would do
        sweep(2)
        assert len(asked(simulator)) == 1

    @pytest.mark.usefixtures("there")
    def test_what_was_seen_before_the_trouble_is_kept(self, simulator: Simulator, sweep: Sweeps) -> None:
        simulator.fault(503, path=LIST, nth=3)
        sweep()
        assert sum(row.polled_at is not None for row in rows().values()) == 200
        assert sum(row.poll_failures for row in rows().values()) == 50

    def test_an_open_circuit_lets_one_request_through_at_a_time(self, tenant: Tenant, simulator: Simulator,
                                                                credential: str, there: dict[str, str],
                                                                sweep: Sweeps) -> None:
        simulator.fault(500, path=LIST)
        change(tenant, list(there.values()), poll_failures="7")  # what another poller learnt
        pauses = []
        for number in range(1, 3):
            sweep()
            assert len(asked(simulator)) == number
            pauses.append(min(row.waits for row in rows().values()))
            circuit, _ = sweep.poller._servers._known[credential]
            assert circuit.blocks
            circuit._not_before = 0.0  # its pause passes
            all_due()
        assert min(pauses) > 300

    def test_one_servers_trouble_is_its_own(self, tenant: Tenant, simulator: Simulator, credential: str,
                                            sweep: Sweeps) -> None:
        live(tenant, remote_jobs(simulator, 3), credential_id=credential)
        nowhere = store(tenant, name="nowhere", base_url="http://127.0.0.1:9/v1", secret="sk-dead-dead-dead")
        dead = set(live(tenant, ["a", "b"], credential_id=nowhere))
        sweep()
        assert {row.id for row in rows().values() if row.poll_failures} == dead

    @pytest.mark.usefixtures("there")
    def test_a_refused_credential_is_told_and_left_alone(self, tenant: Tenant, simulator: Simulator, credential: str,
                                                         sweep: Sweeps) -> None:
        simulator.account(simulator.key, standing="revoked")
        sweep()
        found = stored(tenant, credential)
        assert found.status == "refused"
        assert "401" in (found.status_details or "")
        with transaction(tenant.scope) as session:
            [event] = session.scalars(select(Event).where(Event.type.not_like("fine_tuning.%")))
        assert (event.type, event.subject) == ("credential.failing", credential)
        assert simulator.key not in str((event.data, found.status_details))
        assert all(row.waits > 200 for row in rows().values())
        assert followed(tenant) == set()

    @pytest.mark.usefixtures("there")
    def test_a_credential_that_is_taken_again_is_checked(self, tenant: Tenant, simulator: Simulator, credential: str,
                                                         sweep: Sweeps) -> None:
        simulator.account(simulator.key, standing="revoked")
        sweep()
        simulator.account(simulator.key, standing="open")
        forget_checks(tenant)
        all_due()
        sweep.poller._servers._known.clear()  # the pause passes
        sweep()
        with transaction(tenant.scope) as session:
            checks = session.scalars(text("select subject from work_items where kind = 'credentials.check'")).all()
        assert checks == [credential]

    @pytest.mark.usefixtures("there")
    def test_one_that_is_taken_for_jobs_and_refused_for_models_is_not_checked_at_every_look(
            self, tenant: Tenant, credential: str, sweep: Sweeps) -> None:
        with transaction(tenant.scope) as session:
            checking.record_check(session, credential, status="refused", details="403: no right to list models")
        forget_checks(tenant)
        sweep()
        with transaction(tenant.scope) as session:
            waits = session.scalars(text("select run_at - now() > interval '4 minutes' from work_items"
                                         " where kind = 'credentials.check'")).all()
        assert waits == [True]

    def test_jobs_of_a_corrected_credential_are_asked_for_at_once(
            self, tenant: Tenant, simulator: Simulator, credential: str, sweep: Sweeps, there: dict[str, str],
            monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pacing, "_REFUSED_BLOCK", 0.0)
        simulator.account(simulator.key, standing="revoked")
        sweep()
        simulator.account(simulator.key, standing="open")
        moved = list(there)[7]
        simulator.move(moved, "succeeded")
        sweep()
        assert followed(tenant) == set()
        with transaction(DISPATCH) as session:
            go_on(session, credential)
        sweep()
        assert followed(tenant) == {there[moved]}
        assert all(row.polled_at and row.poll_failures == 0 for row in rows().values())

    @pytest.mark.usefixtures("there")
    def test_jobs_of_a_credential_that_is_gone_are_ended_by_whoever_follows_and_cost_no_request(
            self, tenant: Tenant, simulator: Simulator, credential: str, sweep: Sweeps) -> None:
        with transaction(Scope.organization(tenant.organization_id)) as session:
            session.execute(text("update credentials set deleted_at = now() where id = :id"), {"id": credential})
        sweep(2)
        assert asked(simulator) == []
        assert all(row.waits > 200 and row.poll_failures == 1 for row in rows().values())
        assert followed(tenant) == set(rows())


class TestServerThatDoesItsWorst:
    @pytest.mark.parametrize("do", ["garbage", "empty", "deep", "html"])
    def test_pages_that_are_none_leave_single_questions(self, tenant: Tenant, simulator: Simulator, credential: str,
                                                        sweep: Sweeps, do: str) -> None:
        live(tenant, remote_jobs(simulator, 5), credential_id=credential)
        how: dict[str, Any] = {"status": 200} if do == "html" else {}
        simulator.fault(do, path=LIST, **how)
        sweep()
        assert all(row.polled_at for row in rows().values())
        assert len(asked(simulator)) == 1 + 5

    def test_a_page_without_end_is_cut(self, tenant: Tenant, simulator: Simulator, credential: str,
                                       sweep: Sweeps) -> None:
        live(tenant, remote_jobs(simulator, 2), credential_id=credential)
        simulator.fault("huge", path=LIST, size=256 * 2**20)
        sweep()
        assert all(row.polled_at for row in rows().values())

    def test_a_page_that_repeats_itself_for_ever(self, simulator: Simulator, there: dict[str, str],
                                                 sweep: Sweeps) -> None:
        page = {"object": "list", "has_more": True, "data": [{"id": next(iter(there)), "status": "running"}]}
        simulator.fault("mutate", path=LIST, body=page)
        sweep(2)
        assert all(row.polled_at for row in rows().values())
        assert len(asked(simulator)) <= 250 + 20

    @pytest.mark.usefixtures("there")
    def test_everything_is_garbage(self, tenant: Tenant, simulator: Simulator, sweep: Sweeps) -> None:
        simulator.fault("garbage", path=r"/fine_tuning/jobs")
        sweep()
        assert all(row.poll_failures == 1 and row.state == "live" for row in rows().values())
        assert len(asked(simulator)) < 20
        assert followed(tenant) == set()

    def test_one_job_that_is_garbage_is_asked_for_less_and_less(self, tenant: Tenant, simulator: Simulator,
                                                                credential: str, sweep: Sweeps) -> None:
        bad, good = remote_jobs(simulator, 2)
        attempt, other = live(tenant, [bad, good], credential_id=credential)
        simulator.fault("mutate", path=LIST, body=EMPTY)
        simulator.fault("garbage", path=bad)
        waits = []
        for _ in range(4):
            sweep()
            waits.append(rows()[attempt].waits)
            all_due()
        assert waits == sorted(waits)
        assert waits[-1] > 60
        assert rows()[attempt].poll_failures == 4
        assert rows()[other].poll_failures == 0
