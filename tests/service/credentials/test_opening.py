"""A stored secret opens in its own row, for its own tenant, under its own key; anything else is refused in words."""

import base64
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import text

from service.credentials.errors import CredentialNotFound
from service.credentials.operations import OpenCredential, open_credential, webhook_keys
from service.kit.database import NOBODY, transaction
from service.kit.encryption import CannotOpen, EncryptionUnavailable, UnknownKey, new_data_key
from service.kit.keyring import new_line
from service.settings import settings
from tests.fixtures.api import Administrator, Tenant
from tests.service.credentials.storing import SECRET, store

WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"0123456789abcdef0123").decode()


@pytest.fixture
def keks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Puts other key-encryption keys in force."""
    def put(lines: str) -> None:
        monkeypatch.setenv("TUNEWORKS_KEKS", lines)
        settings.cache_clear()
    yield put
    monkeypatch.undo()
    settings.cache_clear()


def opened(tenant: Tenant, credential_id: str) -> OpenCredential:
    with transaction(tenant.scope) as session:
        return open_credential(session, credential_id)


def change(tenant: Tenant, statement: str, **values: object) -> None:
    with transaction(tenant.scope) as session:
        session.execute(text(statement), values)


def test_an_open_credential_shows_no_secret_when_it_is_printed(tenant: Tenant) -> None:
    found = opened(tenant, store(tenant, "bedrock", webhook_secret=WEBHOOK_SECRET)["id"])
    for shown in (repr(found), str(found), f"{found}"):
        assert SECRET not in shown
        assert "FwoGZXIvYXdz" not in shown
        assert WEBHOOK_SECRET not in shown


def test_what_a_server_repeats_of_the_secrets_is_taken_out(tenant: Tenant) -> None:
    found = opened(tenant, store(tenant, webhook_secret=WEBHOOK_SECRET)["id"])
    assert found.redact(f"no such key: {SECRET} ({WEBHOOK_SECRET})") == "no such key: [secret] ([secret])"


def test_a_secret_that_is_a_mere_word_is_left_in_what_servers_say(tenant: Tenant) -> None:
    found = opened(tenant, store(tenant, secret="token")["id"])
    assert found.redact("Your token has expired.") == "Your token has expired."


def test_another_tenants_credential_is_not_found(tenant: Tenant, stranger: Tenant) -> None:
    theirs = store(stranger)
    with pytest.raises(CredentialNotFound):
        opened(tenant, theirs["id"])


def test_each_project_and_the_organization_have_one_data_key_each(tenant: Tenant, stranger: Tenant,
                                                                  administrator: Administrator) -> None:
    for number in range(2):
        store(tenant, name=f"n{number}")
        store(administrator.client, name=f"n{number}")
    store(stranger)
    with transaction(tenant.scope) as session:
        rows = session.execute(text("select project_id from data_keys order by project_id nulls last")).scalars().all()
        assert rows == [tenant.project_id, None]
    with transaction(stranger.scope) as session:
        assert session.execute(text("select count(*) from data_keys where project_id is not null")).scalar() == 1


def test_a_secret_moved_to_another_row_does_not_open(tenant: Tenant) -> None:
    first, second = store(tenant), store(tenant, name="second", secret="sk-second-secret-0001")
    change(tenant, "update credentials set secret = (select secret from credentials where id = :source)"
                   " where id = :target", source=second["id"], target=first["id"])
    with pytest.raises(CannotOpen):
        opened(tenant, first["id"])


def test_a_secret_does_not_open_as_a_webhooks(tenant: Tenant) -> None:
    made = store(tenant, webhook_secret=WEBHOOK_SECRET)
    change(tenant, "update credentials set webhook_secret = secret")
    with pytest.raises(CannotOpen):
        opened(tenant, made["id"])


def test_a_data_key_moved_to_another_tenant_does_not_open(tenant: Tenant, stranger: Tenant) -> None:
    mine, theirs = store(tenant), store(stranger)
    with transaction(stranger.scope) as session:
        wrapped, secret = session.execute(text(
            "select k.wrapped, c.secret from credentials c join data_keys k on k.id = c.data_key_id"
            " where c.id = :id"), {"id": theirs["id"]}).one()
    change(tenant, "update data_keys set wrapped = :wrapped", wrapped=wrapped)
    change(tenant, "update credentials set secret = :secret", secret=secret)
    with pytest.raises(CannotOpen):
        opened(tenant, mine["id"])


@pytest.mark.parametrize("column", ["data_keys.wrapped", "credentials.secret"])
def test_a_changed_byte_is_noticed(tenant: Tenant, column: str) -> None:
    made = store(tenant)
    table, name = column.split(".")
    change(tenant, f"update {table} set {name} = set_byte({name}, 20, get_byte({name}, 20) # 1)")
    with pytest.raises(CannotOpen):
        opened(tenant, made["id"])


def test_another_key_of_the_same_name_does_not_open_it_and_an_unknown_name_is_said(
        tenant: Tenant, keks: Callable[[str], None]) -> None:
    made = store(tenant)
    keks(new_line("tests", new_data_key()))
    with pytest.raises(CannotOpen):
        opened(tenant, made["id"])
    keks(new_line("other", new_data_key()))
    with pytest.raises(UnknownKey, match="'tests'"):
        opened(tenant, made["id"])
    keks("")
    with pytest.raises(EncryptionUnavailable):
        opened(tenant, made["id"])


def test_what_cannot_be_read_any_more_is_stored_again_in_its_place(tenant: Tenant,
                                                                     keks: Callable[[str], None]) -> None:
    made, other = store(tenant), store(tenant, name="other")
    keks(new_line("fresh", new_data_key()))
    path = f"/v1/credentials/{made['id']}"
    assert tenant.client.get(path).status_code == 200
    assert tenant.client.post(path, json={"secret": SECRET}).status_code == 200
    assert opened(tenant, made["id"]).secret == opened(tenant, store(tenant, name="third")["id"]).secret == SECRET
    with pytest.raises(UnknownKey):
        opened(tenant, other["id"])
    assert tenant.client.delete(f"/v1/credentials/{other['id']}").status_code == 200


class TestWebhookKeys:
    def test_the_key_is_found_without_a_tenant(self, tenant: Tenant, administrator: Administrator) -> None:
        mine = store(tenant, webhook_secret=WEBHOOK_SECRET)
        shared = store(administrator.client, webhook_secret="not-base64-at-all!")
        with transaction(NOBODY) as session:
            found, of_all = webhook_keys(session, mine["id"]), webhook_keys(session, shared["id"])
            assert session.execute(text("select count(*) from credentials")).scalar() == 0
        assert found is not None
        assert of_all is not None
        assert (found.keys, found.project_id, found.organization_id) == (
            (b"0123456789abcdef0123",), tenant.project_id, tenant.organization_id)
        assert (of_all.keys, of_all.project_id) == ((b"not-base64-at-all!",), None)
        assert "0123456789" not in repr(found)

    def test_there_is_none_for_unknown_deleted_and_unsigned_ones(self, tenant: Tenant) -> None:
        unsigned, gone = store(tenant), store(tenant, name="gone", webhook_secret=WEBHOOK_SECRET)
        tenant.client.delete(f"/v1/credentials/{gone['id']}")
        with transaction(NOBODY) as session:
            for credential_id in (unsigned["id"], gone["id"], "cred_unknown", "", "%"):
                assert webhook_keys(session, credential_id) is None

    def test_without_a_prefix_the_characters_are_the_key_or_what_they_encode(self, tenant: Tenant) -> None:
        plain = base64.b64encode(b"0123456789abcdef0123").decode()
        made = store(tenant, webhook_secret=plain)
        with transaction(NOBODY) as session:
            found = webhook_keys(session, made["id"])
        assert found is not None
        assert found.keys == (plain.encode(), b"0123456789abcdef0123")
