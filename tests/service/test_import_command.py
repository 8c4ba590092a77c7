"""`tuneworks import openai`: speaks to a house over its API, shows how far it is, and says how it ended."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from typer.testing import CliRunner, Result

from service.cli import app
from service.cli import imports as command
from service.kit.database import transaction
from service.kit.work import Work
from service.settings import settings
from tests.fixtures.api import Tenant
from tests.remote.control import Simulator
from tests.service.credentials.storing import store
from worker import app as work
from worker.tasks import credentials, imports

Run = Callable[..., Result]
HANDLED = {Work.IMPORT_ESTATE: imports.read_estate, Work.CHECK_CREDENTIAL: credentials.check}


@pytest.fixture
def run(live_api: str, tenant: Tenant, simulator: Simulator, tmp_path: Path) -> Iterator[Run]:
    """The command against a live house with a worker, and a simulated server to read."""
    ready = tmp_path / "ready.json"
    ready.write_text(json.dumps({"base_url": f"{live_api}/v1", "api_key": tenant.key}))
    ended = threading.Event()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEWORKS_REMOTE_ALLOW_PRIVATE", "true")
        patch.setenv("TUNEWORKS_IMPORT_REQUESTS_PER_SECOND", "100000")
        patch.setenv("OLD_KEY", simulator.key)
        patch.setattr(command, "_POLL_SECONDS", 0.1)
        settings.cache_clear()
        worker = threading.Thread(target=_work, args=(tenant, ended), daemon=True)
        worker.start()
        yield lambda *given: CliRunner().invoke(app, ["import", "openai", "--ready-file", str(ready), *given])
        ended.set()
        worker.join(30)
    settings.cache_clear()


def _work(tenant: Tenant, ended: threading.Event) -> None:
    while not ended.wait(0.1):
        with transaction(tenant.scope) as session:
            due = session.execute(text("select id, kind from work_items where state = 'pending' and run_at <= now()"
                                       " and kind in ('imports.run', 'credentials.check')")).all()
        for item in due:
            work.run(HANDLED[Work(item.kind)], item.id)


def test_an_estate_comes_home_with_one_command(run: Run, tenant: Tenant, simulator: Simulator) -> None:
    estate = simulator.estate(files=4, jobs=3)
    given = ("--api-key-env", "OLD_KEY", "--base-url", simulator.base_url)
    looked = run(*given, "--dry-run")
    assert looked.exit_code == 0, looked.output
    assert "nothing was brought" in looked.output
    assert tenant.client.get("/v1/fine_tuning/jobs").json()["data"] == []
    done = run(*given)  # the credential is there by now: it gets the key again
    assert done.exit_code == 0, done.output
    assert "Everything that can be read is home." in done.output
    assert len(tenant.client.get("/v1/fine_tuning/jobs").json()["data"]) == estate["jobs"]
    assert simulator.key not in looked.output + done.output
    told = json.loads(run("--json").stdout)
    assert (told["status"], told["counts"]["jobs"]["present"]) == ("succeeded", estate["jobs"])


def test_a_wrong_address_is_no_success_and_a_list_that_is_kept_back_is_told(run: Run, simulator: Simulator) -> None:
    simulator.estate(files=2, jobs=1)
    wrong = run("--api-key-env", "OLD_KEY", "--base-url", simulator.base_url.removesuffix("/v1"))
    assert wrong.exit_code == 1, wrong.output
    assert "The import failed." in wrong.output
    assert "/v1" in wrong.output
    simulator.fault("status", path="/fine_tuning/jobs", status=404, body={"error": {
        "message": "Not here", "type": "invalid_request_error", "param": None, "code": None}})
    for more in ((), ("--dry-run",)):
        partial = run("--api-key-env", "OLD_KEY", "--base-url", simulator.base_url, *more)
        assert partial.exit_code == 1, partial.output
        assert "This is not complete: the server's list of jobs could not be read" in partial.output
        assert "Everything" not in partial.output
        assert "This is what there is" not in partial.output


def test_a_failed_import_ends_the_command_with_1_and_the_reason(run: Run, simulator: Simulator) -> None:
    simulator.account(simulator.key, standing="revoked")
    failed = run("--api-key-env", "OLD_KEY", "--base-url", simulator.base_url)
    simulator.account(simulator.key, standing="open")
    assert failed.exit_code == 1
    assert "The import failed." in failed.output
    assert "refuses the credential" in failed.output
    assert simulator.key not in failed.output


def test_what_is_missing_is_named(run: Run, tmp_path: Path) -> None:
    assert "The variable NO_SUCH_VARIABLE is not set" in run("--api-key-env", "NO_SUCH_VARIABLE").output
    assert "no credential 'openai-import'" in run().output
    lost = CliRunner().invoke(app, ["import", "openai", "--house", "http://127.0.0.1:1/v1", "--house-key-env", "HOME"])
    assert (lost.exit_code, "does not answer" in lost.output) == (1, True)
    (tmp_path / "odd.json").write_text("[]")
    odd = CliRunner().invoke(app, ["import", "openai", "--ready-file", str(tmp_path / "odd.json")])
    assert (odd.exit_code, "is no file that" in odd.output) == (1, True)
    ftp = CliRunner().invoke(app, ["import", "openai", "--house", "file:///etc", "--house-key-env", "HOME"])
    assert (ftp.exit_code, "is no http" in ftp.output) == (1, True)


def test_a_house_without_v1_is_found_and_one_without_a_key_is_named(run: Run, live_api: str, tenant: Tenant,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    def house(url: str, *given: str) -> Result:
        return CliRunner().invoke(app, ["import", "openai", "--house", url, *given])
    monkeypatch.setenv("HOUSE_KEY", tenant.key)
    for url in (live_api, f"{live_api}/", f"{live_api}/v1/"):
        assert "no credential 'openai-import'" in house(url, "--house-key-env", "HOUSE_KEY").output
    keyless = house(live_api, "--house-key-env", "NO_SUCH_VARIABLE")
    assert keyless.exit_code == 1
    assert f"There is no key for the house at {live_api}. The variable NO_SUCH_VARIABLE is not set" in keyless.output
    assert "tuneworks up" not in keyless.output


def test_a_key_that_is_given_in_place_of_a_variables_name_is_not_repeated(run: Run, live_api: str) -> None:
    key = "sk-proj-0123456789abcdef"
    keyless = ["import", "openai", "--house", live_api, "--house-key-env", key]
    for told in (run("--api-key-env", key), CliRunner().invoke(app, keyless)):
        assert told.exit_code == 1
        assert "is none (A-Z, 0-9 and _)" in told.output
        assert "0123456789" not in told.output


def test_a_credential_of_that_name_for_another_server_keeps_its_key(run: Run, tenant: Tenant) -> None:
    stored = store(tenant, "compatible", name="ours", base_url="http://127.0.0.1:9/v1", secret="sk-of-another-server")
    refused = run("--api-key-env", "OLD_KEY", "--credential", "ours")
    assert (refused.exit_code, "named 'ours' already" in refused.output) == (1, True)
    assert tenant.client.get(f"/v1/credentials/{stored['id']}").json()["hint"] == stored["hint"]
