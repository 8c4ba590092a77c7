"""Secrets are planted, used and mistreated in every way; afterwards they are in no log, table, message or answer."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import redis
from aiohttp import web
from fastapi.testclient import TestClient
from pydantic import SecretStr
from sqlalchemy import text
from typer.testing import CliRunner

from service.cli import app as command_line
from service.credentials.operations import open_credential, webhook_keys
from service.embedded.postgres import EmbeddedPostgres
from service.kit.database import DISPATCH, transaction
from service.kit.encryption import EncryptionUnavailable, new_data_key
from service.kit.keyring import new_line
from service.kit.work import Work
from service.settings import Settings, bare_environment, settings
from tests.fixtures.api import Administrator, Tenant
from tests.fixtures.receiver import Receiver
from tests.isolation.canaries import Canaries, dump_of_broker, dump_of_tables
from tests.service.credentials.storing import BODIES
from tests.service.datasets.analysed import different
from tests.worker.tasks.running import HANDLED
from worker import app as tasks
from worker import relay
from worker.app import app as celery
from worker.tasks import imports, jobs


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


@pytest.fixture
def connected(broker: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    monkeypatch.setattr(celery.conf, "broker_url", settings().broker_url.get_secret_value())
    yield broker
    settings.cache_clear()


def body(canaries: Canaries, provider: str, url: str, **changes: Any) -> dict[str, Any]:
    """A valid request whose every secret is a canary."""
    secret = {"secret": canaries.secret(f"{provider}-key"), "webhook_secret": canaries.secret(f"{provider}-hook")}
    token = {"session_token": canaries.secret("session")} if provider == "bedrock" else {}
    address = {} if provider == "bedrock" else {"base_url": f"{url}/v1"}
    return {**BODIES[provider], **secret, **token, **address, **changes}


async def echo(request: web.Request) -> str:
    return f"You sent {dict(request.headers)} {await request.text()}"


def spiteful(status: int, **headers: str) -> Any:
    """An answer that repeats everything it was sent, in its body and its headers."""
    async def handle(request: web.Request) -> web.Response:
        said = (await echo(request)).replace('"', "'")
        key = request.headers.get("authorization", request.headers.get("api-key", ""))
        return web.Response(status=status, headers={"x-request-id": key, **headers}, content_type="application/json",
                            text=f'{{"error": {{"message": "{said}", "code": "{key}", "param": "{key}"}}}}')
    return handle


async def lists_a_model(_: web.Request) -> web.Response:
    return web.json_response({"object": "list", "data": [{"id": "big-one", "object": "model", "owned_by": "them"}]})


async def sends_on(request: web.Request) -> web.Response:
    return web.Response(status=307, headers={"location": f"/{request.headers.get('authorization')}"})


async def hangs_up(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


MOODS = [spiteful(401), spiteful(403), spiteful(404), spiteful(400), spiteful(429, **{"retry-after": "1"}),
         spiteful(500), spiteful(200), sends_on, hangs_up]


MODELS = ("gpt-4o-mini-2024-07-18", "azure/gpt-4o-mini-2024-07-18", "bigger-house/big-one")


class Story:
    """What is done to one set of secrets, and everything that callers and operators are told of it."""

    def __init__(self, tenant: Tenant, administrator: Administrator, receiver: Receiver, canaries: Canaries) -> None:
        self.doors = ((tenant.client, "/v1/credentials"), (administrator.client, "/v1/organization/credentials"))
        self.tenant, self.receiver, self.canaries = tenant, receiver, canaries
        self.made: list[tuple[TestClient, str, str]] = []
        self.told: list[str] = []
        self.printed = ""
        self.jobs: list[str] = []
        self.imports: list[str] = []

    def call(self, client: TestClient, method: str, path: str, **request: Any) -> Any:
        answer = client.request(method, path, **request)
        self.told.append(f"{method} {path}: {answer.status_code} {dict(answer.headers)} {answer.text}")
        return answer

    def work(self) -> None:
        """Run everything that waits, once, as workers would."""
        handled = HANDLED | {Work.PREPARE_JOB: jobs.prepare, Work.IMPORT_ESTATE: imports.read_estate}
        with transaction(DISPATCH) as session:
            session.execute(text("update work_items set run_at = now() where state = 'pending'"))
            due = session.execute(text("select id, kind from work_items where state = 'pending'")).all()
        for item in due:
            if item.kind in set(handled):
                tasks.run(handled[Work(item.kind)], item.id)

    def store(self) -> None:
        for client, path in self.doors:
            for provider in BODIES:
                request = body(self.canaries, provider, self.receiver.url)
                answer = self.call(client, "POST", path, json=request)
                assert answer.status_code == 200, answer.text
                self.made.append((client, f"{path}/{answer.json()['id']}", answer.json()["id"]))
            self.call(client, "POST", path, json=request)  # its name is taken
            self.mistreat(client, path)

    def mistreat(self, client: TestClient, path: str) -> None:
        """Requests that are refused, each with a canary where a secret belongs."""
        canary, url = self.canaries.secret("refused"), self.receiver.url
        for wrong in ([canary], {"a": canary}, canary + "\n", canary + "\x00", canary + " x", canary * 500):
            self.call(client, "POST", path, json=body(self.canaries, "openai", url, secret=wrong))
            self.call(client, "POST", path, json=body(self.canaries, "openai", url, name="n", webhook_secret=wrong))
        for changes in ({"session_token": canary}, {"unknown": 1}, {"base_url": "gopher://x"}):
            self.call(client, "POST", path, json=body(self.canaries, "openai", url, **changes))
        for raw in (f'{{"secret": "{canary}"', f'{{"secret": "{canary}", "provider": }}', f'"{canary}"', f"[{canary}]"):
            self.call(client, "POST", path, content=raw, headers={"content-type": "application/json"})
        self.call(client, "POST", path, data={"secret": canary})

    def check_in(self, mood: Any) -> None:
        self.receiver.answers = [mood]
        for client, path, _ in self.made:
            self.call(client, "POST", f"{path}/check")
        self.work()
        for client, path, _ in self.made:
            self.call(client, "GET", path)

    def prepare(self) -> None:
        """A data set, and jobs that wait for their servers."""
        self.check_in(lists_a_model)
        file = self.call(self.tenant.client, "POST", "/v1/files", data={"purpose": "fine-tune"},
                         files={"file": ("train.jsonl", different(20))}).json()["id"]
        for model in MODELS:
            made = self.call(self.tenant.client, "POST", "/v1/fine_tuning/jobs",
                             json={"model": model, "training_file": file})
            assert made.status_code == 200, made.text
            self.jobs.append(made.json()["id"])
        for _ in range(4):
            self.work()

    def use(self, mood: Any) -> None:
        """Send jobs, chat and read estates with every credential, at servers that repeat what they are sent."""
        self.receiver.answers = [mood]
        client = self.tenant.client
        for model in MODELS:
            for streamed in (False, True):
                self.call(client, "POST", "/v1/chat/completions", json={
                    "model": model, "stream": streamed, "messages": [{"role": "user", "content": "Hello"}]})
        for provider in BODIES:
            made = self.call(client, "POST", "/v1/imports", json={"provider": provider})
            self.imports += [made.json()["id"]] if made.status_code == 200 else []
        self.work()
        for job in self.jobs:
            for path in ("", "/events", "/checkpoints"):
                self.call(client, "GET", f"/v1/fine_tuning/jobs/{job}{path}")
        for each in self.imports:
            for path in ("", "/problems"):
                self.call(client, "GET", f"/v1/imports/{each}{path}")

    def change(self) -> None:
        for client, path, _ in self.made:
            self.call(client, "POST", path, json={"secret": self.canaries.secret("new"), "webhook_secret": None})
            self.call(client, "POST", path, json={"webhook_secret": self.canaries.secret("new-hook")})
            self.call(client, "POST", path, json={"base_url": f"{self.receiver.url}/v2"})
        for command in (["list"], ["rotate-kek"], ["rotate-data-keys"]):
            self.printed += CliRunner().invoke(command_line, ["credentials", *command]).output

    def open_all(self) -> None:
        for _, _, credential_id in self.made:
            with transaction(self.tenant.scope) as session, suppress(EncryptionUnavailable):
                signing, opened = webhook_keys(session, credential_id), open_credential(session, credential_id)
                assert self.canaries.mark in opened.secret
                logging.getLogger("tests").info("using %s, that is %r, and %s", opened, opened, signing)

    def lose_the_keys(self) -> None:
        with pytest.MonkeyPatch.context() as lost:
            lost.setenv("TUNEWORKS_KEKS", new_line("another", new_data_key()))
            settings.cache_clear()
            self.open_all()
            for client, path, _ in self.made:
                self.call(client, "POST", path, json={"webhook_secret": self.canaries.secret("never")})
            self.check_in(401)
        settings.cache_clear()

    def spoil(self) -> None:
        with transaction(self.tenant.scope) as session:
            session.execute(text("update credentials set secret = set_byte(secret, 30, get_byte(secret, 30) # 1)"
                                 " where project_id is not null"))
        self.check_in(200)

    def end(self, last: str) -> None:
        for client, path, _ in self.made[1:]:
            self.call(client, "DELETE", path)
        self.call(self.tenant.client, "POST", "/v1/credentials",
                  json={"provider": "openai", "name": last, "secret": "x" * 20})


def published(connected: redis.Redis) -> bytes:
    """What lies in the broker once the relay has sent what is due."""
    with celery.connection_for_write() as connection:
        relay.publish_due(connection)
    return dump_of_broker(connected)


def test_no_secret_is_left_anywhere(tenant: Tenant, administrator: Administrator, receiver: Receiver,
                                    canaries: Canaries, connected: redis.Redis, postgres: EmbeddedPostgres,
                                    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    for logger in (None, "kombu", "amqp", "asyncio"):  # which a process that logs for real tells to be quiet
        caplog.set_level(logging.DEBUG, logger)
    story = Story(tenant, administrator, receiver, canaries)
    story.store()
    story.prepare()
    messages = published(connected)
    for mood in MOODS:
        story.use(mood)
        story.check_in(mood)
    story.change()
    story.open_all()
    story.lose_the_keys()
    story.spoil()
    messages += published(connected)
    tables, last = dump_of_tables(), f"the-last-of-{canaries.mark[-6:]}"
    story.end(last)
    printed = story.printed + "".join(capfd.readouterr())
    places = {"logs": caplog.text, "printed": printed, "tables": tables + dump_of_tables(),
              "answers": "\n".join(story.told)}
    for place, sign in (("logs", "OpenCredential(id="), ("tables", last), ("answers", '"hint"'),
                        ("printed", "8 credentials")):
        assert sign in places[place], f"{place} is not what it is taken for"
    assert b"work_" in messages
    assert any(canaries.mark in value for request in receiver.requests for value in request.headers.values())
    found = [trace for place, content in places.items() for trace in canaries.traces(place, content)]
    found += canaries.traces("messages", messages)
    assert found + canaries.in_files(postgres.data_dir / "cluster", until=last) == []


def test_the_search_finds_what_is_there(canaries: Canaries, tenant: Tenant, postgres: EmbeddedPostgres,
                                        connected: redis.Redis) -> None:
    """Otherwise the test above would be content with a search that finds nothing at all."""
    secret, hidden = canaries.secret("planted"), canaries.secret("bytes")
    with transaction(tenant.scope) as session:
        session.execute(text("insert into data_keys (id, organization_id, project_id, kek, wrapped)"
                             " values ('dkey_x', :organization, :project, :secret, :hidden)"),
                        {"organization": tenant.organization_id, "project": tenant.project_id, "secret": secret,
                         "hidden": hidden.encode()})
    connected.set("key", f"value {secret}")
    assert len(canaries.traces("tables", dump_of_tables())) == 2
    assert canaries.traces("broker", dump_of_broker(connected))
    assert canaries.in_files(postgres.data_dir / "cluster", until=secret)


def test_processes_that_read_what_tenants_made_are_given_no_secret_setting(monkeypatch: pytest.MonkeyPatch,
                                                                           canaries: Canaries) -> None:
    secret = {name.upper() for name, field in Settings.model_fields.items() if field.annotation is SecretStr}
    assert len(secret) > 3
    for name in secret | {"KEK_FILE", "KEK_COMMAND"}:
        monkeypatch.setenv(f"TUNEWORKS_{name}", canaries.secret(name))
    monkeypatch.setenv("TUNEWORKS_LOG_LEVEL", "DEBUG")
    given = bare_environment()
    assert given["TUNEWORKS_LOG_LEVEL"] == "DEBUG"
    assert canaries.traces("environment", str(given)) == []
