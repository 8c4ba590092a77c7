"""The pages behind the links in mails: no key, no other's, and nothing happens by looking."""

import pytest
from fastapi.testclient import TestClient

from service.kit.database import transaction
from service.mail.tables import MailSubscription
from service.mail.tokens import Purpose
from tests.fixtures.api import Tenant
from tests.fixtures.mail import MailServer
from tests.service.mail.driving import PATH, confirm, link, links_in, passes, subscribe, work_all

BODY = {"List-Unsubscribe": "One-Click"}


def status(tenant: Tenant, made: dict[str, str]) -> str:
    found: str = tenant.client.get(f"{PATH}/{made['id']}").json()["status"]
    return found


class TestConfirmation:
    def test_the_mails_link_leads_to_a_button_and_only_that_confirms(
            self, app_client: TestClient, tenant: Tenant, mail_server: MailServer) -> None:
        made = subscribe(tenant, "ops@example.org")
        work_all(tenant)
        wanted, unwanted = links_in(mail_server.mails[0].body("plain"))
        page = app_client.get(wanted)
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert '<form method="post" action="">' in page.text
        assert status(tenant, made) == "unconfirmed"
        assert app_client.post(wanted).status_code == 200
        assert status(tenant, made) == "active"
        assert app_client.post(unwanted).status_code == 200
        assert status(tenant, made) == "unsubscribed"

    @pytest.mark.parametrize("state", ["active", "disabled"])
    def test_who_has_confirmed_is_told_so_and_asked_nothing(
            self, app_client: TestClient, tenant: Tenant, mail_server: MailServer, state: str) -> None:
        made = subscribe(tenant, "ops@example.org")
        confirm(tenant, made)
        with transaction(tenant.scope) as session:
            session.get_one(MailSubscription, made["id"]).status = state
        before = tenant.client.get(f"{PATH}/{made['id']}").json()
        door = link(tenant, made, Purpose.CONFIRM)
        for page in (app_client.get(door), app_client.post(door)):
            assert (page.status_code, "This address is confirmed already" in page.text) == (200, True)
            assert "<form" not in page.text
        assert tenant.client.get(f"{PATH}/{made['id']}").json() == before

    def test_of_a_deleted_subscription_is_not_valid(self, app_client: TestClient, tenant: Tenant,
                                                    mail_server: MailServer) -> None:
        made = subscribe(tenant, "ops@example.org")
        door = link(tenant, made, Purpose.CONFIRM)
        tenant.client.delete(f"{PATH}/{made['id']}")
        assert {app_client.get(door).status_code, app_client.post(door).status_code} == {404}


class TestUnsubscribing:
    def test_one_click_of_a_mail_program_ends_it_and_twice_is_once(
            self, app_client: TestClient, tenant: Tenant, mail_server: MailServer) -> None:
        made = subscribe(tenant, "ops@example.org")
        confirm(tenant, made)
        tenant.client.post(f"{PATH}/{made['id']}/test")
        work_all(tenant)
        message = mail_server.mails[-1].message
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        [door] = links_in(message["List-Unsubscribe"].strip("<>"))
        for _ in range(2):
            answer = app_client.post(door, data=BODY)
            assert answer.status_code == 200
            assert "gets no more mail" in answer.text
        found = tenant.client.get(f"{PATH}/{made['id']}").json()
        assert found["status"] == "unsubscribed"
        assert found["unsubscribed_at"] is not None

    def test_looking_at_the_page_ends_nothing(self, app_client: TestClient, tenant: Tenant,
                                              mail_server: MailServer) -> None:
        made = subscribe(tenant, "ops@example.org")
        confirm(tenant, made)
        door = link(tenant, made, Purpose.UNSUBSCRIBE)
        assert "Unsubscribe</button>" in app_client.get(door).text
        assert app_client.head(door).status_code in {200, 405}
        assert status(tenant, made) == "active"

    def test_who_has_unsubscribed_is_told_so_and_may_take_it_back(
            self, app_client: TestClient, tenant: Tenant, mail_server: MailServer) -> None:
        made = subscribe(tenant, "ops@example.org")
        confirm(tenant, made)
        door, other = (link(tenant, made, each) for each in (Purpose.UNSUBSCRIBE, Purpose.CONFIRM))
        app_client.post(door)
        before = tenant.client.get(f"{PATH}/{made['id']}").json()
        page = app_client.get(door)
        assert (page.status_code, "You get no mail from this subscription any more" in page.text) == (200, True)
        assert "Unsubscribe</button>" not in page.text
        assert f'{other}"><button>That was a mistake' in page.text
        assert "Yes, send mail</button>" in app_client.get(other).text
        assert tenant.client.get(f"{PATH}/{made['id']}").json() == before

    def test_owners_cannot_take_it_back_but_whoever_got_the_mail_can(
            self, app_client: TestClient, tenant: Tenant, mail_server: MailServer) -> None:
        made = subscribe(tenant, "ops@example.org")
        confirm(tenant, made)
        app_client.post(link(tenant, made, Purpose.UNSUBSCRIBE))
        passes(tenant, hours=48)
        assert tenant.client.post(f"{PATH}/{made['id']}", json={"digest": "daily"}).json()["status"] == "unsubscribed"
        tenant.client.delete(f"{PATH}/{made['id']}")
        answer = tenant.client.post(PATH, json={"name": "ops", "address": "OPS@example.org"})
        assert answer.json()["error"]["code"] == "address_declined"
        passes(tenant, hours=24 * 31)
        again = subscribe(tenant, "ops@example.org")
        app_client.post(link(tenant, again, Purpose.UNSUBSCRIBE))
        assert app_client.post(link(tenant, again, Purpose.CONFIRM)).status_code == 200
        assert status(tenant, again) == "active"

    def test_the_links_of_a_deleted_subscription_still_say_no(self, app_client: TestClient, tenant: Tenant,
                                                              mail_server: MailServer) -> None:
        made = subscribe(tenant, "ops@example.org")
        door = link(tenant, made, Purpose.UNSUBSCRIBE)
        tenant.client.delete(f"{PATH}/{made['id']}")
        assert app_client.post(door).status_code == 200
        passes(tenant, hours=25)
        answer = tenant.client.post(PATH, json={"name": "ops", "address": "ops@example.org"})
        assert answer.json()["error"]["code"] == "address_declined"


class TestHostility:
    def test_a_link_of_one_subscription_or_purpose_is_none_of_another(
            self, app_client: TestClient, tenant: Tenant, stranger: Tenant, mail_server: MailServer) -> None:
        mine, theirs = subscribe(tenant, "ops@example.org"), subscribe(stranger, "ops@example.org")
        mac = link(tenant, mine, Purpose.CONFIRM).rpartition(".")[2]
        other = link(stranger, theirs, Purpose.CONFIRM).rpartition(".")[0]
        swapped = link(tenant, mine, Purpose.UNSUBSCRIBE).replace("/unsubscribe/", "/confirm/")
        for forged in (f"{other}.{mac}", swapped):
            assert app_client.post(forged).status_code == 404
        assert {status(tenant, mine), status(stranger, theirs)} == {"unconfirmed"}

    @pytest.mark.parametrize("token", [
        "x", ".", "..", "nsub_", "nsub_x.AAAA", "%00", "nsub_%00.x", "%ff%fe", "%ed%a0%80.x", "a" * 5000,
        "%F0%9F%92%A9",
        "%27;drop%20table%20mails;--.x", "nsub_x%0d%0aset-cookie:%20a=b", "<script>", "nsub_x." + "A" * 150,
    ])
    @pytest.mark.parametrize("door", ["confirm", "unsubscribe"])
    def test_what_was_not_signed_is_not_valid_and_says_nothing(
            self, app_client: TestClient, tenant: Tenant, door: str, token: str) -> None:
        for answer in (app_client.get(f"/notifications/{door}/{token}"),
                       app_client.post(f"/notifications/{door}/{token}", content=b"\x00\xff" * 100)):
            assert answer.status_code in {404, 405}
            assert "set-cookie" not in answer.headers
            assert "<script>" not in answer.text

    def test_pages_load_nothing_and_are_neither_framed_nor_kept_nor_told_of(
            self, app_client: TestClient, tenant: Tenant, mail_server: MailServer) -> None:
        made = subscribe(tenant, "ops@example.org")
        for door in (link(tenant, made, Purpose.CONFIRM), "/notifications/confirm/unknown"):
            headers = app_client.get(door).headers
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert headers["cache-control"] == "no-store"
            assert headers["referrer-policy"] == "no-referrer"
