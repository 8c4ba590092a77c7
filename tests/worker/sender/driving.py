"""A sender in this process whose clock a test holds, and the rows it works on."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from service.events import operations as events
from service.events.types import EventType
from service.kit.database import DISPATCH, database_now, transaction
from service.webhooks.sending import Transport
from service.webhooks.tables import WebhookAttempt, WebhookDelivery
from tests.fixtures.api import Tenant
from worker.sender.loop import Sender


class HeldClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        with transaction(DISPATCH) as session:
            self.now = database_now(session)

    def __call__(self, _: Session) -> datetime:
        return self.now

    def move(self, by: timedelta) -> datetime:
        self.now += by
        return self.now


class Driver:
    """Calling it sends all that is due at this time, and waits for it."""

    def __init__(self) -> None:
        self.clock = HeldClock()
        self.sender = Sender(self.clock)

    def __call__(self) -> None:
        asyncio.run(self._settle())

    async def _settle(self) -> None:
        async with Transport() as transport:
            await self.sender.settle(transport)

    def go_on(self) -> datetime:
        """Move the clock to the next try of anything, and send."""
        with transaction(DISPATCH) as session:
            next_ = session.scalar(text("select min(next_attempt_at) from webhook_deliveries where state = 'pending'"))
        assert next_ is not None, "nothing waits"
        self.clock.now = max(self.clock.now, next_)
        self()
        return self.clock.now


def register(tenant: Tenant, url: str, *types: str, **more: Any) -> dict[str, Any]:
    answer = tenant.client.post("/v1/webhook_endpoints", json={
        "name": "ops", "url": url, "event_types": [*types] or [EventType.JOB_SUCCEEDED], **more})
    assert answer.status_code == 200, answer.text
    endpoint: dict[str, Any] = answer.json()
    return endpoint


def happen(tenant: Tenant, type_: EventType = EventType.JOB_SUCCEEDED, subject: str = "ftjob-1", **data: Any) -> str:
    with transaction(tenant.scope) as session:
        return events.append(session, type_, subject, project_id=tenant.project_id, data=data).id


def deliveries(tenant: Tenant) -> list[WebhookDelivery]:
    with transaction(tenant.scope) as session:
        return list(session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.position)))


def attempts(tenant: Tenant) -> list[WebhookAttempt]:
    with transaction(tenant.scope) as session:
        return list(session.scalars(select(WebhookAttempt).order_by(WebhookAttempt.position)))


def states(tenant: Tenant) -> list[str]:
    return [each.state for each in deliveries(tenant)]
