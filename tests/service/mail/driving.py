"""Subscriptions of a test's, what people do with their mails, and the time that passes."""

import re
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import text

from service.kit.database import transaction
from service.mail import links
from service.mail.tables import MailSubscription
from service.mail.tokens import Purpose
from tests.fixtures.api import Tenant
from tests.worker.tasks.running import work_off

PATH = "/v1/notification_subscriptions"


def subscribe(tenant: Tenant, address: str, **more: Any) -> dict[str, Any]:
    answer = tenant.client.post(PATH, json={"name": "ops", "address": address, **more})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def link(tenant: Tenant, made: dict[str, Any], purpose: Purpose) -> str:
    """The path of a link in the subscription's mails."""
    with transaction(tenant.scope) as session:
        return urlsplit(links.link(session.get_one(MailSubscription, made["id"]), purpose)).path


def links_in(body: str) -> list[str]:
    return [urlsplit(each).path for each in re.findall(r"https?://\S+", body)]


def confirm(tenant: Tenant, made: dict[str, Any]) -> None:
    """As whoever reads the address does, once the mail has come."""
    work_all(tenant)
    answer = tenant.client.post(link(tenant, made, Purpose.CONFIRM))
    assert answer.status_code == 200, answer.text


def work_all(tenant: Tenant) -> None:
    """Whatever is due, and what that asks for."""
    for _ in range(20):
        if not work_off(tenant):
            return
    raise AssertionError("the work does not end")


def passes(tenant: Tenant, *, hours: float) -> None:
    """Time, by moving what the tenant has of it into the past."""
    with transaction(tenant.scope) as session:
        for statement in (
                "update mails set created_at = created_at - :by, sent_at = sent_at - :by",
                "update work_items set run_at = run_at - :by, next_dispatch = next_dispatch - :by",
                "update mail_subscriptions set unsubscribed_at = unsubscribed_at - :by"):
            session.execute(text(statement.replace(":by", "cast(:by as interval)")), {"by": f"{hours} hours"})
