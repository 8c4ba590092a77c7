"""What comes of a turn, with a server that behaves, that is in trouble, and that does its worst."""

from typing import Any

import pytest

from service.credentials import operations as credentials
from service.credentials.errors import CredentialNotFound
from service.credentials.operations import OpenCredential
from tests.fixtures.api import Tenant
from tests.remote.control import Simulator
from tests.worker.poller.attempts import CREDENTIAL, all_due, change, followed, live, rows
from tests.worker.poller.conftest import Sweeps

LIST = r"/fine_tuning/jobs\?"
EMPTY = {"object": "list", "has_more": False, "data": []}
pytestmark = pytest.mark.usefixtures("opens")


def remote_jobs(simulator: Simulator, number: int) -> list[str]:
    """Jobs at the server, oldest first, which wait in its queue until they are moved."""
    simulator.pace(queued=1e12)
    simulator.estate(files=2, jobs=number, failed=0, cancelled=0, running=1.0)
    return [job["id"] for job in simulator.ledger().jobs]


def status(simulator: Simulator, remote_id: str) -> str:
    return next(str(job["status"]) for job in simulator.ledger().jobs if job["id"] == remote_id)


def asked(simulator: Simulator) -> list[str]:
    """Paths that the poller asked for."""
    return [each["path"] for each in simulator.requests() if each["method"] == "GET"]


@pytest.fixture
def there(tenant: Tenant, simulator: Simulator) -> dict[str, str]:
    """Our attempts at 250 jobs, by remote id; the server has told us nothing new of any."""
    remote_ids = remote_jobs(simulator, 250)
    return dict(zip(remote_ids, live(tenant, remote_ids, status=status(simulator, remote_ids[0])), strict=True))


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
        change(tenant, [attempt], next_follow_at="now() - interval '1 second'")
        sweep()
        assert followed(tenant) == {attempt}

    def test_jobs_of_two_projects_share_the_pages_and_stay_apart(
            self, tenant: Tenant, stranger: Tenant, simulator: Simulator, sweep: Sweeps) -> None:
        first, second = remote_jobs(simulator, 2)
        [mine], [theirs] = live(tenant, [first], status="old"), live(stranger, [second], status="old")
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

    @pytest.mark.parametrize("provider", ["azure", "compatible"])
    @pytest.mark.usefixtures("there")
    def test_other_providers_that_speak_so(self, simulator: Simulator, sweep: Sweeps, opens: dict[str, OpenCredential],
                                           provider: str) -> None:
        where = {"azure": simulator.azure_url, "compatible": f"{simulator.base_url}/"}
        opens[CREDENTIAL] = OpenCredential(
            id=CREDENTIAL, provider=provider, base_url=where[provider], options={}, secret=simulator.key,
            organization_id="org_test")
        sweep()
        assert all(row.polled_at for row in rows().values())


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
                                                                there: dict[str, str], sweep: Sweeps) -> None:
        simulator.fault(500, path=LIST)
        change(tenant, list(there.values()), poll_failures="7")  # what another poller learnt
        pauses = []
        for number in range(1, 3):
            sweep()
            assert len(asked(simulator)) == number
            pauses.append(min(row.waits for row in rows().values()))
            circuit, _ = sweep.poller._servers._known[CREDENTIAL]
            assert circuit.blocks
            circuit._not_before = 0.0  # its pause passes
            all_due()
        assert min(pauses) > 300

    @pytest.mark.usefixtures("there")
    def test_one_servers_trouble_is_its_own(self, tenant: Tenant, sweep: Sweeps,
                                            opens: dict[str, OpenCredential]) -> None:
        opens["cred_dead"] = OpenCredential(id="cred_dead", provider="openai", base_url="http://127.0.0.1:9/v1",
                                            options={}, secret="sk-dead", organization_id="org_test")
        dead = set(live(tenant, ["a", "b"], credential_id="cred_dead"))
        sweep()
        assert {row.id for row in rows().values() if row.poll_failures} == dead

    @pytest.mark.usefixtures("there")
    def test_a_refused_credential_is_told_and_left_alone(self, tenant: Tenant, simulator: Simulator, sweep: Sweeps,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
        told: list[tuple[str, str]] = []
        monkeypatch.setattr(credentials, "failing", lambda _, credential_id, details: told.append(
            (credential_id, details)))
        simulator.account(simulator.key, standing="revoked")
        sweep()
        [(credential_id, details)] = told
        assert credential_id == CREDENTIAL
        assert "401" in details
        assert simulator.key not in details
        assert all(row.waits > 200 for row in rows().values())
        assert followed(tenant) == set()

    @pytest.mark.usefixtures("there")
    def test_a_credential_that_is_gone_costs_no_request(self, simulator: Simulator, sweep: Sweeps,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
        def gone(_: object, credential_id: str) -> None:
            raise CredentialNotFound(credential_id)
        monkeypatch.setattr(credentials, "open_credential", gone)
        sweep(2)
        assert asked(simulator) == []
        assert all(row.waits > 200 and row.poll_failures == 1 for row in rows().values())


class TestServerThatDoesItsWorst:
    @pytest.mark.parametrize("do", ["garbage", "empty", "deep", "html"])
    def test_pages_that_are_none_leave_single_questions(self, tenant: Tenant, simulator: Simulator, sweep: Sweeps,
                                                        do: str) -> None:
        live(tenant, remote_jobs(simulator, 5))
        simulator.fault(do, path=LIST, **({"status": 200} if do == "html" else {}))
        sweep()
        assert all(row.polled_at for row in rows().values())
        assert len(asked(simulator)) == 1 + 5

    def test_a_page_without_end_is_cut(self, tenant: Tenant, simulator: Simulator, sweep: Sweeps) -> None:
        live(tenant, remote_jobs(simulator, 2))
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
                                                                sweep: Sweeps) -> None:
        bad, good = remote_jobs(simulator, 2)
        [attempt], [other] = live(tenant, [bad]), live(tenant, [good])
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
