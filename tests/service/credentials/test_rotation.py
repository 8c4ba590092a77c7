"""Keys are changed under stored credentials: all stay readable at every moment, and what was cut off is taken up."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select, text
from typer.testing import CliRunner

from service.cli import app
from service.cli.credentials import advance
from service.credentials.operations import open_credential, rotation
from service.credentials.tables import DataKey
from service.embedded.ownership import add_key
from service.kit.database import Scope, transaction
from service.kit.keyring import keyring
from service.settings import settings
from tests.fixtures.api import Administrator, Tenant
from tests.service.credentials.storing import SECRET, store

ONE, TWO = "whsec_MDEyMzQ1Njc4OWFiY2RlZg==", "whsec_MDEyMzQ1Njc4OWFiY2RlZmc="

Readable = Callable[[], bool]


@pytest.fixture
def key_file(clean_database: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file of one key, in force."""
    file = tmp_path / "keys"
    add_key(file)
    monkeypatch.setenv("TUNEWORKS_KEK_FILE", str(file))
    monkeypatch.setenv("TUNEWORKS_DATA_DIR", str(tmp_path))
    settings.cache_clear()
    yield file
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def readable(key_file: Path, tenant: Tenant, stranger: Tenant, administrator: Administrator) -> Readable:
    """Three projects' worth of credentials; the fixture says whether all of them open."""
    mine = [store(tenant, name=f"n{number}", webhook_secret=ONE) for number in range(3)]
    theirs, shared = store(stranger), store(administrator.client)
    tenant.client.delete(f"/v1/credentials/{store(tenant, name='gone')['id']}")
    ids = [(tenant, each["id"]) for each in (*mine, shared)] + [(stranger, theirs["id"]), (stranger, shared["id"])]

    def all_open() -> bool:
        for who, credential_id in ids:
            with transaction(who.scope) as session:
                opened = open_credential(session, credential_id)
            if opened.secret != SECRET or (opened.webhook_secret or ONE) != ONE:
                return False
        return True
    return all_open


def keys(tenant: Tenant) -> dict[str, tuple[str, bool]]:
    """The data keys: which KEK wraps them, and whether they are retired."""
    with transaction(Scope.organization(tenant.organization_id)) as session:
        return {row.id: (row.kek, row.retired_at is not None) for row in session.scalars(select(DataKey))}


def run(*command: str) -> str:
    done = CliRunner().invoke(app, ["credentials", *command])
    assert done.exit_code == 0, done.output
    return done.output


def test_the_old_key_may_go_once_everything_is_under_the_new(key_file: Path, readable: Readable,
                                                             tenant: Tenant) -> None:
    old = keyring().current.name
    run("new-kek")
    new = keyring().current.name
    assert {kek for kek, _ in keys(tenant).values()} == {old} != {new}
    assert readable()
    said = run("rotate-kek")
    assert "3 data keys" in said
    assert old in said
    assert {kek for kek, _ in keys(tenant).values()} == {new}
    key_file.write_text(key_file.read_text().splitlines()[-1] + "\n")
    assert keyring().names == (new,)
    assert readable()
    assert "0 data keys" in run("rotate-kek")


def test_a_rotation_that_was_cut_off_goes_on_where_it_was(key_file: Path, readable: Readable, tenant: Tenant) -> None:
    scope = Scope.organization(tenant.organization_id)
    add_key(key_file)
    with transaction(scope) as session:
        first = rotation.next_to_rewrap(session)
        assert first is not None
        rotation.rewrap(session, first)
    with pytest.raises(KeyboardInterrupt):
        _rewrap_until_interrupted(scope)
    assert len({kek for kek, _ in keys(tenant).values()}) == 2
    assert readable()
    assert "2 data keys" in run("rotate-kek")
    assert readable()


def _rewrap_until_interrupted(scope: Scope) -> None:
    with transaction(scope) as session:
        rotation.rewrap(session, rotation.next_to_rewrap(session) or "")
        raise KeyboardInterrupt


def test_a_data_key_whose_kek_is_gone_is_named_and_stops_none_of_the_others(key_file: Path, readable: Readable,
                                                                            tenant: Tenant, stranger: Tenant) -> None:
    lost = key_file.with_name("lost")
    shutil.copy(key_file, lost)
    name = add_key(lost)
    with transaction(stranger.scope) as session:
        session.execute(text("update data_keys set kek = :name where project_id is not null"), {"name": name})
    add_key(key_file)
    done = CliRunner().invoke(app, ["credentials", "rotate-kek"])
    assert done.exit_code == 1
    assert name in done.output
    assert "2 data keys" in done.output
    assert sorted(kek == keyring().current.name for kek, _ in keys(tenant).values()) == [False, True, True]


def test_new_data_keys_take_the_place_of_the_old_which_are_destroyed(readable: Readable, tenant: Tenant) -> None:
    before = keys(tenant)
    said = run("rotate-data-keys")
    assert "5 credentials" in said
    assert "3 destroyed" in said
    after = keys(tenant)
    assert not set(before) & set(after)
    assert [retired for _, retired in after.values()] == [False] * 3
    assert readable()


def test_a_rotation_of_data_keys_that_was_cut_off_is_ended_and_none_begun(readable: Readable, tenant: Tenant) -> None:
    scope = Scope.organization(tenant.organization_id)
    with transaction(scope) as session:
        assert rotation.retire(session) == 3
    with transaction(scope) as session:
        rotation.reencrypt(session, rotation.next_to_reencrypt(session) or "")
    assert readable()
    said = run("rotate-data-keys")
    assert "interrupted" in said
    assert "4 credentials" in said
    assert "0 data keys were retired, 3 destroyed" in said.replace("\n", " ")
    assert readable()


def test_credentials_stored_and_changed_meanwhile_stay_readable(readable: Readable, tenant: Tenant) -> None:
    scope = Scope.organization(tenant.organization_id)

    def rotate() -> None:
        with transaction(scope) as session:
            rotation.retire(session)
        advance(scope, rotation.next_to_reencrypt, rotation.reencrypt)
        with transaction(scope) as session:
            rotation.destroy_retired(session)

    with ThreadPoolExecutor(6) as pool:
        rotations = [pool.submit(rotate) for _ in range(3)]
        reading = [pool.submit(readable) for _ in range(6)]
        made = list(pool.map(lambda number: store(tenant, name=f"m{number}"), range(12)))
        changed = list(pool.map(lambda each: tenant.client.post(
            f"/v1/credentials/{each['id']}", json={"webhook_secret": TWO}).status_code, made))
        for each in rotations:
            each.result()
        assert all(each.result() for each in reading)
    assert changed == [200] * len(made)
    rotate()
    with transaction(tenant.scope) as session:
        assert {open_credential(session, each["id"]).secret for each in made} == {SECRET}
    assert readable()


def test_the_list_shows_every_project_and_no_secret(readable: Readable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = run("list")
    assert readable()
    assert "(all)" in shown
    assert shown.count("cred_") == 5
    assert SECRET not in shown


def test_a_printed_key_changes_no_file(key_file: Path) -> None:
    before = key_file.read_text()
    line = run("new-kek", "--print")
    assert line.strip() not in before
    assert ":" in line
    assert key_file.read_text() == before
    assert key_file.stat().st_mode & 0o777 == 0o600
