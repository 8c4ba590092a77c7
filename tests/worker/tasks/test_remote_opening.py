"""Whatever task opens a server: faults tell no secret, and what cannot be opened is called by its name."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import text

from service.credentials.operations import OpenCredential
from service.kit.database import transaction
from service.kit.work import Work
from service.settings import settings
from tests.fixtures.api import Tenant
from tests.service.credentials.storing import SECRET, store
from tests.worker.tasks.paying_house import PayingHouse
from tests.worker.tasks.running import HANDLED
from tests.worker.tasks.scripted_remote import ScriptedServer
from worker import app
from worker.providers.bedrock import clients
from worker.providers.bedrock.provider import Bedrock
from worker.providers.opening import open_remote
from worker.providers.remote import AccessRefused, Remote, Unavailable
from worker.tasks import imports, remote_opening
from worker.tasks.remote_opening import opened_remote


@pytest.fixture
def closed_house(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Servers on private addresses are not asked, though a credential names one."""
    monkeypatch.setenv("TUNEWORKS_REMOTE_ALLOW_PRIVATE", "false")
    settings.cache_clear()
    yield
    monkeypatch.undo()
    settings.cache_clear()


def clumsy(opened: OpenCredential) -> Remote:
    """A library that quotes the header which it could not send."""
    try:
        int(f"Bearer {opened.secret}")
    except ValueError as illegal:
        raise TypeError("cannot go on") from illegal
    raise AssertionError


def started(tenant: Tenant, kind: Work, provider: str = "openai") -> str:
    """Work that opens the server of a new credential: its subject."""
    credential_id = str(store(tenant, provider)["id"])
    if kind is not Work.IMPORT_ESTATE:
        tenant.client.post(f"/v1/credentials/{credential_id}/check")
        return credential_id
    answer = tenant.client.post("/v1/imports", json={"provider": provider, "credential": credential_id})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def run(tenant: Tenant, kind: Work) -> str:
    """Run the work; the cause that its item keeps, if it keeps one."""
    find = text("select id, last_error from work_items where kind = :kind")
    with transaction(tenant.scope) as session:
        item = session.execute(find, {"kind": kind.value}).one()
    app.run({**HANDLED, Work.IMPORT_ESTATE: imports.read_estate}[kind], item.id)
    with transaction(tenant.scope) as session:
        left = session.execute(find, {"kind": kind.value}).one_or_none()
    return str(left.last_error) if left is not None else ""


@pytest.mark.parametrize("kind", [Work.CHECK_CREDENTIAL, Work.IMPORT_ESTATE])
def test_a_librarys_fault_is_told_without_the_header_that_it_quotes(
        tenant: Tenant, kind: Work, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(remote_opening, "open_remote", clumsy)
    started(tenant, kind)
    for told in (run(tenant, kind), caplog.text):
        assert "cannot go on" in told
        assert SECRET not in told


def test_the_way_of_jobs_tells_no_header_either(paying: PayingHouse, monkeypatch: pytest.MonkeyPatch,
                                               caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(remote_opening, "open_remote", clumsy)
    paying.submit(paying.job())
    with transaction(paying.tenant.scope) as session:
        error = session.execute(text("select last_error from work_items where kind = 'jobs.submit'")).scalar_one()
    for told in (error, caplog.text):
        assert "cannot go on" in told
        assert "sk-canary" not in told


def missing() -> None:
    raise ModuleNotFoundError("No module named 'botocore'")


def without_library(_: OpenCredential) -> Remote:
    """As it is where an extra of the package was not installed."""
    return Bedrock(OpenCredential("cred_1", "bedrock", None, {"region": "us-east-1"}, SECRET, "org_1"))


def refusing(_: OpenCredential) -> Remote:
    raise AccessRefused("The stored secret is empty.")


@pytest.mark.usefixtures("closed_house")
@pytest.mark.parametrize(("opener", "code", "words"), [
    (without_library, "provider_not_installed", "tuneworks[bedrock]"),
    (open_remote, "invalid_base_url", "not a public"),
    (refusing, "credential_refused", "is empty")])
def test_an_import_that_cannot_begin_says_what_is_to_be_mended(
        tenant: Tenant, opener: Callable[[OpenCredential], Remote], code: str, words: str,
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_session", missing)
    monkeypatch.setattr(remote_opening, "open_remote", opener)
    import_id = started(tenant, Work.IMPORT_ESTATE, "compatible")
    with transaction(tenant.scope) as session:
        session.execute(text("update credentials set base_url = 'https://10.0.0.1/v1'"))
    run(tenant, Work.IMPORT_ESTATE)
    told = tenant.client.get(f"/v1/imports/{import_id}").json()
    assert (told["status"], told["error"]["code"]) == ("failed", code)
    assert words in told["error"]["message"]
    assert f"/v1/imports/{import_id}/resume" in told["error"]["message"]


def test_a_base_url_that_no_library_takes_is_told_as_such() -> None:
    options = {"region": "us-east-1", "access_key_id": "AKIA0"}
    bad = OpenCredential("cred_1", "bedrock", "nonsense", options, SECRET, "org_1")
    with pytest.raises(Unavailable, match="base URL"):
        clients.open_clients(bad)


@pytest.mark.parametrize("trouble", [Unavailable("503", 7.0), KeyError("mine"), app.Transient("later", 3.0)])
def test_what_tells_no_secret_is_raised_as_it_is(trouble: Exception, server: ScriptedServer) -> None:
    opened = OpenCredential("cred_1", "openai", None, {}, SECRET, "org_1")
    with pytest.raises(type(trouble)) as told, opened_remote(opened):
        raise trouble
    assert told.value is trouble
    assert server.calls == ["close"]
