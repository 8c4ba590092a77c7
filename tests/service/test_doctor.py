"""The doctor names the broken part, and neither crashes nor hangs, whatever is broken."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from sqlalchemy import text

from service import doctor
from service.doctor import Verdict, database, machine, parts
from service.doctor.findings import Result, ok
from service.embedded import health
from service.embedded.postgres import EmbeddedPostgres
from service.kit import database as kit_database
from service.kit.database import DISPATCH, database_now, transaction
from service.settings import settings
from service.webhooks import operations as webhooks
from tests.fixtures.api import Tenant
from tests.fixtures.database import begin_anew
from tests.fixtures.mail import taking_mail
from tests.worker.poller.attempts import change, live
from tests.worker.sender.driving import happen, register
from worker import relay
from worker.poller import loop as polling
from worker.sender import loop as sending

Configure = Callable[..., None]
_WALL = "alter table leak enable row level security, force row level security"


@pytest.fixture
def configure(house: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Configure]:
    """Sets TUNEWORKS_ variables for the length of the test: configure(BROKER_URL="…")."""
    def change(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(f"TUNEWORKS_{name}", value)
        begin_anew()
    yield change
    monkeypatch.undo()
    begin_anew()


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


class TestExamination:
    def test_crashing_check_is_a_finding(self) -> None:
        def crash() -> Result:
            raise ZeroDivisionError("of all things")
        found = {each.name: each for each in doctor.examine({"mine": crash, "other": lambda: ok("fine")})}
        assert (found["mine"].verdict, found["other"].verdict) == (Verdict.FAIL, Verdict.OK)
        assert found["mine"].found == "ZeroDivisionError: of all things"

    def test_hanging_check_is_not_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor, "CHECK_SECONDS", 0.1)
        never = threading.Event()

        def hang() -> Result:
            never.wait(60)
            return ok("at last")
        found = doctor.examine({"mine": hang, "other": lambda: ok("fine")})
        never.set()
        assert [(each.name, each.verdict) for each in found[-2:]] == [("mine", Verdict.FAIL), ("other", Verdict.OK)]

    def test_unreadable_settings_are_named_and_nothing_else_blamed(self, configure: Configure) -> None:
        configure(PORT="many", LEASE_SECONDS="-1")
        found = {each.name: each for each in doctor.examine()}
        assert found["settings"].verdict is Verdict.FAIL
        assert "TUNEWORKS_PORT" in found["settings"].found
        assert "TUNEWORKS_LEASE_SECONDS" in found["settings"].found
        assert [name for name, each in found.items() if each.verdict is Verdict.FAIL] == ["settings"]

    def test_everything_silent_ends_all_the_same(self, configure: Configure, silent_port: int, tmp_path: Path,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(parts, "_WORKERS_SECONDS", 2.0)
        (tmp_path / "file").touch()
        place = f"127.0.0.1:{silent_port}"
        configure(DATABASE_URL=f"postgresql://u:p@{place}/x", BROKER_URL=f"redis://{place}/0",
                  SERVING_URL=f"http://{place}", STORAGE_URL=f"file://{tmp_path}/file/below")
        verdicts = {each.name: each.verdict for each in doctor.examine()}
        assert set(verdicts) == {"Python", "settings", *doctor.CHECKS}
        for broken in ("PostgreSQL", "schema", "roles", "walls", "relay", "poller", "sender", "broker", "object store",
                       "workers"):
            assert verdicts[broken] is Verdict.FAIL
        assert verdicts["chat server"] is Verdict.WARN


@pytest.mark.usefixtures("house")
class TestDatabase:
    def test_sound_one(self) -> None:
        for check in (database.reachable, database.migrated, database.roles, database.walls):
            result = check()
            assert result.verdict is Verdict.OK, result

    def test_empty_one(self, configure: Configure, postgres: EmbeddedPostgres) -> None:
        configure(DATABASE_URL=postgres.create_database("doctor_empty"))
        assert database.reachable().verdict is Verdict.OK
        assert database.migrated().advice == "Run `tuneworks migrate`."
        assert database.walls().verdict is Verdict.FAIL

    @pytest.mark.parametrize(("damage", "words"), [
        ("create table leak (project_id text)", "no forced row-level security on leak"),
        (f"create table leak (project_id text); grant select on leak to tuneworks_app; {_WALL}", None),
        ((f"create table leak (project_id text); insert into leak values ('proj_1');"
         f" grant select on leak to tuneworks_app; {_WALL}; create policy wide on leak using (true)"),
         "rows of leak are visible"),
    ])
    def test_hole_in_a_wall(self, configure: Configure, postgres: EmbeddedPostgres, damage: str,
                            words: str | None) -> None:
        name = f"doctor_{abs(hash(damage))}"
        configure(DATABASE_URL=postgres.create_database(name))
        with psycopg.connect(settings().database_url.get_secret_value(), autocommit=True) as connection:
            for each in damage.split("; "):
                connection.execute(each.encode())
        result = database.walls()
        assert result.verdict is Verdict.FAIL if words else Verdict.OK
        assert (words or "") in result.found

    def test_relay(self) -> None:
        assert database.relay().verdict is Verdict.FAIL
        url = settings().database_url.get_secret_value()
        with psycopg.connect(url, application_name="tuneworks relay"):
            assert database.relay().found == "1 connected"

    def test_poller(self, tenant: Tenant) -> None:
        assert database.poller().verdict is Verdict.WARN
        ids = live(tenant, ["a", "b"])
        assert database.poller().verdict is Verdict.FAIL
        url = settings().database_url.get_secret_value()
        with psycopg.connect(url, application_name="tuneworks poller"):
            sound = database.poller()
            assert (sound.verdict, sound.found) == (Verdict.OK, "1 connected, 2 jobs at other servers")
            change(tenant, ids[:1], poll_failures="4")
            assert "1 of them cannot be read now" in database.poller().found
            change(tenant, ids[:1], next_poll_at="now() - interval '11 minutes'")
            assert database.poller().verdict is Verdict.FAIL

    def test_sender(self, tenant: Tenant) -> None:
        assert database.sender().verdict is Verdict.FAIL
        url = settings().database_url.get_secret_value()
        with psycopg.connect(url, application_name="tuneworks sender"):
            endpoint_id = register(tenant, "https://example.com/")["id"]
            happen(tenant)
            with transaction(DISPATCH) as session:
                webhooks.plan(session, database_now(session), most=10)
            sound = database.sender()
            assert (sound.verdict, sound.found) == (Verdict.OK, "1 connected, 1 deliveries to be made")
            self._make(tenant, endpoint_id, failing_since="now() - interval '2 days'")
            assert "1 endpoints have failed for more than a day" in database.sender().found
            self._make(tenant, endpoint_id, failing_since="null")
            with transaction(tenant.scope) as session:
                session.execute(text("update webhook_deliveries set next_attempt_at = now() - interval '11 minutes'"))
            assert database.sender().verdict is Verdict.FAIL

    @staticmethod
    def _make(tenant: Tenant, endpoint_id: str, *, failing_since: str) -> None:
        with transaction(tenant.scope) as session:
            session.execute(text(f"update webhook_endpoints set failing_since = {failing_since} where id = :id"),
                            {"id": endpoint_id})

    def test_names_of_relays_pollers_and_senders_are_the_ones_they_use(self) -> None:
        assert (health.RELAY_APPLICATION, health.POLLER_APPLICATION, health.SENDER_APPLICATION) == (
            relay.APPLICATION_NAME, polling.APPLICATION_NAME, sending.APPLICATION_NAME)
        assert kit_database.engine() is not None


class TestBroker:
    @pytest.mark.usefixtures("broker")
    def test_sound_one(self) -> None:
        result = parts.broker()
        assert result.verdict is Verdict.OK
        assert "noeviction" in result.found

    def test_one_that_evicts(self, broker: redis.Redis) -> None:
        broker.config_set("maxmemory-policy", "allkeys-lru")
        try:
            result = parts.broker()
        finally:
            broker.config_set("maxmemory-policy", "noeviction")
        assert result.verdict is Verdict.WARN
        assert "noeviction" in result.advice

    def test_rabbitmq_is_only_knocked_at(self, configure: Configure, silent_port: int) -> None:
        configure(BROKER_URL=f"amqp://u:p@127.0.0.1:{silent_port}//")
        assert parts.broker().verdict is Verdict.OK

    def test_password_is_not_told(self, configure: Configure) -> None:
        configure(BROKER_URL="redis://:hidden@127.0.0.1:1/0")
        result = parts.broker()
        assert result.verdict is Verdict.FAIL
        assert "hidden" not in result.found

    @pytest.mark.usefixtures("broker")
    def test_workers_that_are_not_there(self) -> None:
        result = parts.workers()
        assert result.verdict is Verdict.FAIL
        assert "tuneworks worker --queues datasets,io,training" in result.advice


class TestMachine:
    def test_object_store(self, configure: Configure, tmp_path: Path) -> None:
        configure(STORAGE_URL=f"file://{tmp_path}/new")
        assert parts.object_store().verdict is Verdict.OK
        assert not [each for each in (tmp_path / "new").rglob("*") if each.is_file()]

    def test_little_disk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(machine, "_LITTLE_DISK", 2**60)
        assert machine.disk().verdict is Verdict.FAIL

    def test_models(self, configure: Configure, tmp_path: Path) -> None:
        configure(MODELS_DIR=str(tmp_path))
        assert "tuneworks models pull" in machine.base_models().advice
        (tmp_path / "smollm2-135m-instruct").mkdir()
        assert machine.base_models().found == "smollm2-135m-instruct"

    def test_training_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(machine, "_DEVICE", "raise ImportError('libcudart.so is missing')")
        result = machine.training()
        assert result.verdict is Verdict.FAIL
        assert "libcudart.so is missing" in result.found

    def test_mail_server(self, configure: Configure) -> None:
        configure(SMTP_URL="")
        assert parts.mail_server().verdict is Verdict.OK
        with taking_mail() as server:
            configure(SMTP_URL=server.url, MAIL_FROM="")
            assert "TUNEWORKS_MAIL_FROM is not set." in parts.mail_server().found
            configure(MAIL_FROM="Tuneworks <tuneworks@example.com>")
            assert parts.mail_server() == ok(f"{server.url} takes mail from tuneworks@example.com")
            configure(SMTP_URL=server.url.replace("smtp+plain://", "smtp://user:canary@"))
            unencrypted = parts.mail_server()
            assert unencrypted.verdict is Verdict.FAIL
            assert "STARTTLS" in unencrypted.found
            assert "canary" not in str(unencrypted)
            assert server.mails == []
        assert parts.mail_server().verdict is Verdict.FAIL

    def test_private_webhooks(self, configure: Configure) -> None:
        configure(WEBHOOK_ALLOW_PRIVATE="false")
        assert machine.webhooks().verdict is Verdict.OK
        configure(WEBHOOK_ALLOW_PRIVATE="true")
        assert machine.webhooks().verdict is Verdict.WARN

    def test_what_webhooks_may_reach_besides(self, configure: Configure) -> None:
        configure(WEBHOOK_ALLOW_PRIVATE="false", WEBHOOK_ALLOW="hooks.internal,10.1.0.0/16",
                  WEBHOOK_PROXY="http://house:word@proxy:3128")
        told = machine.webhooks()
        assert told.verdict is Verdict.OK
        assert "hooks.internal, 10.1.0.0/16" in str(told)
        assert "proxy" in str(told)
        assert "word" not in str(told)
