"""Subscriptions by the API: what owners may ask for, and that nobody can have others mailed."""

import json
from typing import Any

import pytest
from sqlalchemy import text

from service.events.types import EventType
from service.kit.database import transaction
from service.mail.operations import subscribing
from service.settings import settings
from tests.fixtures.api import Tenant
from tests.fixtures.mail import MailServer
from tests.service.mail.driving import PATH, confirm, passes, subscribe, work_all


class TestCreate:
    def test_asks_the_address_and_sends_nothing_else_before_it_has_confirmed(
            self, tenant: Tenant, mail_server: MailServer) -> None:
        made = subscribe(tenant, "Ops@EXAMPLE.org")
        assert made["object"] == "notification_subscription"
        assert (made["status"], made["digest"], made["address"]) == ("unconfirmed", "immediate", "Ops@example.org")
        assert made["event_types"] == [each.value for each in subscribing.DEFAULTS]
        work_all(tenant)
        [mail] = mail_server.mails
        assert mail.recipients == ("Ops@example.org",)
        assert mail.message["Subject"] == "Confirm mail from Tuneworks"
        assert tenant.client.post(f"{PATH}/{made['id']}/test").json()["error"]["code"] == "subscription_not_active"

    @pytest.mark.parametrize(("field", "value", "code"), [
        ("address", "ops", "invalid_address"), ("address", "a@example.com\r\nBcc: b@example.com", "invalid_address"),
        ("address", "a\x00@example.com", "invalid_value"), ("address", "x" * 300, "string_above_max_length"),
        ("address", None, "invalid_type"), ("address", ["a@example.com"], "invalid_type"),
        ("name", "", "empty_string"), ("name", "n" * 257, "string_above_max_length"),
        ("event_types", [], None), ("event_types", "everything", None), ("event_types", ["batch.completed"], None),
        ("digest", "weekly", "invalid_value"), ("project_id", "proj_other", "unknown_parameter"),
    ])
    def test_bad_fields_are_named(self, tenant: Tenant, mail_server: MailServer, field: str, value: Any,
                                  code: str | None) -> None:
        body = {"name": "ops", "address": "ops@example.org", field: value}
        answer = tenant.client.post(PATH, json=body)
        assert answer.status_code == 400
        assert answer.json()["error"]["param"].startswith(field)
        if code is not None:
            assert answer.json()["error"]["code"] == code

    @pytest.mark.parametrize("field", ["name", "address", "event_types", "digest", "\x00", "__proto__"])
    def test_hostile_values_are_never_a_fault_of_ours(self, tenant: Tenant, mail_server: MailServer,
                                                      field: str) -> None:
        values: list[Any] = [
            "a\x00b", "\ud800", "\u202e@example.org", "x" * 70_000, "a@" + "b." * 120 + "c", "@" * 200, 9 ** 99, -1,
            1e308, None, True, [], [None], ["\x00"], ["\ud800"], [["x"]], {}, {"a": "\x00"}, [0] * 5000,
            "a@xn--.example", "a@xn--a.xn--b", "a@\u2488.example.org", "a@example.org\u3002", "a@1.2.3.4"]
        made = {200: 0, 400: 0, 429: 0}
        for value in values:
            body = json.dumps({"name": "ops", "address": "ops@example.org", field: value}).encode()
            answer = tenant.client.post(PATH, content=body, headers={"content-type": "application/json"})
            assert answer.status_code in made, (value, answer.text)
            assert answer.status_code == 200 or answer.json()["error"]["message"]
            made[answer.status_code] += 1
        assert made[400] > 10
        work_all(tenant)
        assert len(mail_server.mails) == made[200]

    def test_a_house_without_a_mail_server_says_so(self, tenant: Tenant) -> None:
        answer = tenant.client.post(PATH, json={"name": "ops", "address": "ops@example.org"})
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "mail_not_set_up"
        assert "TUNEWORKS_SMTP_URL is not set." in answer.json()["error"]["message"]

    def test_an_address_has_one_subscription_in_a_project_however_it_is_written(
            self, tenant: Tenant, stranger: Tenant, mail_server: MailServer) -> None:
        made = subscribe(tenant, "ops@example.org")
        answer = tenant.client.post(PATH, json={"name": "again", "address": "OPS@example.org"})
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "address_taken"
        assert made["id"] in answer.json()["error"]["message"]
        assert subscribe(stranger, "ops@example.org")["status"] == "unconfirmed"


class TestNobodyCanHaveOthersMailed:
    def test_an_address_is_asked_once_a_day_by_a_project_even_if_the_subscription_is_made_anew(
            self, tenant: Tenant, mail_server: MailServer) -> None:
        made = subscribe(tenant, "ops@example.org")
        assert tenant.client.post(f"{PATH}/{made['id']}/confirmation").status_code == 429
        tenant.client.delete(f"{PATH}/{made['id']}")
        answer = tenant.client.post(PATH, json={"name": "ops", "address": "ops@example.org"})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "86400")
        passes(tenant, hours=25)
        again = subscribe(tenant, "ops@example.org")
        passes(tenant, hours=25)
        assert tenant.client.post(f"{PATH}/{again['id']}/confirmation").status_code == 200
        confirm(tenant, again)
        answer = tenant.client.post(f"{PATH}/{again['id']}/confirmation")
        assert answer.json()["error"]["code"] == "subscription_not_unconfirmed"

    def test_a_project_asks_so_many_addresses_a_day(
            self, tenant: Tenant, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(subscribing, "_ASKED_A_DAY", 2)
        for name in ("a", "b"):
            subscribe(tenant, f"{name}@example.org")
        answer = tenant.client.post(PATH, json={"name": "c", "address": "c@example.org"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (429, "mailed_lately")

    def test_a_project_has_so_many_subscriptions_and_so_many_unconfirmed(
            self, tenant: Tenant, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
        first = subscribe(tenant, "a@example.org")
        monkeypatch.setattr(subscribing, "_MOST_UNCONFIRMED", 1)
        refused = tenant.client.post(PATH, json={"name": "b", "address": "b@example.org"})
        assert refused.json()["error"]["code"] == "too_many_subscriptions"
        confirm(tenant, first)
        subscribe(tenant, "b@example.org")
        monkeypatch.setattr(subscribing, "_MOST", 2)
        refused = tenant.client.post(PATH, json={"name": "c", "address": "c@example.org"})
        assert "at most 2 notification subscriptions" in refused.json()["error"]["message"]

    def test_an_address_is_asked_so_often_by_all_tenants_together_and_further_mails_wait(
            self, tenant: Tenant, stranger: Tenant, mail_server: MailServer) -> None:
        for n in range(5):
            made = subscribe(stranger, "victim@example.org")
            work_all(stranger)
            assert len(mail_server.mails) == n + 1
            with transaction(stranger.scope) as session:  # as if it had been another project
                session.execute(text("update mails set created_at = now() - interval '2 days'"))
            assert stranger.client.delete(f"{PATH}/{made['id']}").status_code == 200
        waits = subscribe(tenant, "Victim@example.org")
        work_all(tenant)
        assert len(mail_server.mails) == 5
        [mail] = tenant.client.get(f"{PATH}/{waits['id']}/mails").json()["data"]
        assert (mail["state"], mail["attempts"]) == ("pending", 0)
        passes(stranger, hours=25)
        passes(tenant, hours=1)
        work_all(tenant)
        assert len(mail_server.mails) == 6

    def test_a_test_goes_to_confirmed_addresses_and_only_so_often(self, tenant: Tenant,
                                                                  mail_server: MailServer) -> None:
        made = subscribe(tenant, "ops@example.org")
        confirm(tenant, made)
        sent = [tenant.client.post(f"{PATH}/{made['id']}/test") for _ in range(6)]
        assert [each.status_code for each in sent] == [200] * 5 + [429]
        assert sent[0].json()["object"] == "notification_mail"
        work_all(tenant)
        assert [each.message["Subject"] for each in mail_server.mails[1:]] == ["Test of ops"] * 5


class TestChange:
    def test_what_is_given_changes_and_the_rest_stays(self, tenant: Tenant, mail_server: MailServer) -> None:
        made = subscribe(tenant, "ops@example.org")
        path = f"{PATH}/{made['id']}"
        changed = tenant.client.post(path, json={"digest": "daily"}).json()
        assert changed == {**made, "digest": "daily", "updated_at": changed["updated_at"]}
        changed = tenant.client.post(path, json={"event_types": [EventType.JOB_FAILED, EventType.JOB_FAILED]}).json()
        assert changed["event_types"] == ["fine_tuning.job.failed"]
        assert tenant.client.post(path, json={"address": "other@example.org"}).status_code == 400
        assert tenant.client.get(path).json() == changed

    def test_lists_are_paged_and_what_is_deleted_is_gone(self, tenant: Tenant, mail_server: MailServer) -> None:
        ids = [subscribe(tenant, f"ops{n}@example.org")["id"] for n in range(3)]
        page = tenant.client.get(PATH, params={"limit": 2}).json()
        assert ([each["id"] for each in page["data"]], page["has_more"]) == ([ids[2], ids[1]], True)
        gone = tenant.client.delete(f"{PATH}/{ids[0]}").json()
        assert gone == {"id": ids[0], "object": "notification_subscription.deleted", "deleted": True}
        assert tenant.client.get(f"{PATH}/{ids[0]}").json()["error"]["code"] == "notification_subscription_not_found"
        assert tenant.client.get(f"{PATH}/{ids[0]}/mails").status_code == 404

    def test_a_deleted_one_gets_not_even_its_confirmation(self, tenant: Tenant, mail_server: MailServer) -> None:
        made = subscribe(tenant, "ops@example.org")
        tenant.client.delete(f"{PATH}/{made['id']}")
        work_all(tenant)
        assert mail_server.mails == []


def test_the_password_of_the_mail_server_is_shown_nowhere(tenant: Tenant, mail_server: MailServer,
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNEWORKS_SMTP_URL", "smtp://user:canary-secret@")
    settings.cache_clear()
    answer = tenant.client.post(PATH, json={"name": "ops", "address": "ops@example.org"})
    assert answer.status_code == 400
    assert "canary" not in answer.text
    assert "canary" not in repr(settings())
