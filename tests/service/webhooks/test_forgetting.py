"""What is older than a house keeps goes, in batches; what is under way, new, or keeps a fact from doubling stays."""

from datetime import datetime, timedelta

from sqlalchemy import select

from service.events import operations as events
from service.events.tables import Event
from service.events.types import EventType
from service.kit.database import DISPATCH, database_now, transaction
from service.webhooks import operations
from service.webhooks.operations import Ended
from service.webhooks.replies import Reply
from service.webhooks.tables import WebhookAttempt, WebhookDelivery
from tests.fixtures.api import Tenant
from tests.service.webhooks.test_claiming import endpoints, planned, take


def moment() -> datetime:
    """What happened until now is older than this, and all that happens from now on is not."""
    with transaction(DISPATCH) as session:
        return database_now(session)


def forget(before: datetime, *, most: int = 100) -> int:
    with transaction(DISPATCH) as session:
        return operations.forget(session, before=before, most=most)


def left(tenant: Tenant) -> tuple[int, int, int]:
    with transaction(tenant.scope) as session:
        return (len(session.scalars(select(Event)).all()), len(session.scalars(select(WebhookDelivery)).all()),
                len(session.scalars(select(WebhookAttempt)).all()))


def deliver(tenant: Tenant, count: int) -> None:
    now = planned(tenant, count)
    with transaction(DISPATCH) as session:
        operations.record(session, [Ended(due, Reply(200)) for due in take(now, each=count)], now)


def test_old_rows_go_in_batches_and_new_ones_stay(tenant: Tenant) -> None:
    endpoints(tenant, 2)
    deliver(tenant, 3)
    then = moment()
    deliver(tenant, 1)
    assert left(tenant) == (4, 8, 8)
    rounds = 0
    while forget(then, most=2):
        rounds += 1
    assert rounds >= 3
    assert left(tenant) == (1, 2, 2)


def test_nothing_goes_that_is_still_to_be_made_or_told(tenant: Tenant) -> None:
    endpoints(tenant, 1)
    planned(tenant, 1)
    with transaction(tenant.scope) as session:
        events.append(session, EventType.JOB_FAILED, "ftjob-untold", project_id=tenant.project_id)
    assert forget(moment()) == 0
    assert left(tenant) == (2, 1, 0)


def test_a_fact_that_was_found_out_is_not_found_out_again(tenant: Tenant) -> None:
    def find_out() -> bool:
        with transaction(tenant.scope) as session:
            return events.append_once(session, EventType.MODEL_RETIRING, "model", project_id=tenant.project_id,
                                      dedupe_key="retiring:model")
    assert find_out()
    planned(tenant, 1)
    assert forget(moment()) == 1
    assert not find_out()


def test_no_fact_is_kept_for_good(tenant: Tenant) -> None:
    with transaction(tenant.scope) as session:
        events.append_once(session, EventType.JOB_MILESTONE, "ftjob-old", project_id=tenant.project_id,
                           dedupe_key="milestone:ftjob-old:50")
    planned(tenant, 1)
    assert forget(moment() + timedelta(days=399)) == 1
    assert forget(moment() + timedelta(days=401)) == 1
