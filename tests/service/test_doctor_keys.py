"""The doctor says whether credentials can be kept and read, and what is missing for it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from service.doctor import Verdict, keys
from service.embedded.ownership import add_key
from service.embedded.postgres import EmbeddedPostgres
from service.kit.database import transaction
from service.kit.encryption import new_data_key
from service.kit.keyring import new_line
from service.settings import settings
from tests.fixtures.api import Tenant
from tests.fixtures.database import begin_anew
from tests.service.credentials.storing import store

Configure = Callable[..., None]


@pytest.fixture
def configure(clean_database: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Configure]:
    def change(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(f"TUNEWORKS_{name}", value)
        begin_anew()
    yield change
    monkeypatch.undo()
    begin_anew()


def test_a_house_that_can_keep_secrets_is_sound(tenant: Tenant) -> None:
    store(tenant)
    found = keys.credentials()
    assert (found.verdict, found.found) == (Verdict.OK, "tests is current")


def test_no_key_is_a_warning_and_a_failure_once_something_is_stored(tenant: Tenant, configure: Configure) -> None:
    configure(KEKS="")
    assert keys.credentials().verdict is Verdict.WARN
    configure(KEKS=new_line("mine", new_data_key()))
    store(tenant)
    configure(KEKS="")
    found = keys.credentials()
    assert (found.verdict, "mine" in found.found) == (Verdict.FAIL, True)


def test_a_key_that_is_needed_and_not_here_is_named(tenant: Tenant, configure: Configure) -> None:
    store(tenant)
    configure(KEKS=new_line("other", new_data_key()))
    found = keys.credentials()
    assert (found.verdict, found.found) == (Verdict.FAIL, "stored credentials need the key tests, which is not here")


def test_a_rotation_that_is_due_is_said(tenant: Tenant, configure: Configure) -> None:
    store(tenant)
    configure(KEKS=settings().keks.get_secret_value() + "," + new_line("newer", new_data_key()))
    found = keys.credentials()
    assert (found.verdict, found.found) == (Verdict.WARN, "newer is current, but tests is in use")
    with transaction(tenant.scope) as session:
        assert session.execute(text("select kek from data_keys")).scalar() == "tests"


def test_a_file_that_others_may_read_is_a_warning(configure: Configure, tmp_path: Path) -> None:
    add_key(tmp_path / "keys")
    configure(KEK_FILE=str(tmp_path / "keys"), KEKS="")
    assert keys.credentials().verdict is Verdict.OK
    (tmp_path / "keys").chmod(0o640)
    assert "chmod 600" in keys.credentials().advice
    configure(KEK_FILE=str(tmp_path / "gone"))
    assert keys.credentials().verdict is Verdict.FAIL


def test_several_sources_are_told_apart(configure: Configure, tmp_path: Path) -> None:
    add_key(tmp_path / "keys")
    configure(KEK_FILE=str(tmp_path / "keys"))
    assert keys.credentials().advice == "Only TUNEWORKS_KEK_FILE is read: unset the others."


def test_an_empty_database_is_told_elsewhere(configure: Configure, postgres: EmbeddedPostgres) -> None:
    configure(DATABASE_URL=postgres.create_database("without_keys"))
    assert keys.credentials().advice == "See schema."
