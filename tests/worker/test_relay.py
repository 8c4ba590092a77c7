"""The relay: publishes what is due, once per interval, to everybody in turn, and survives the broker."""

import json
from base64 import b64decode
from collections import Counter

import pytest
import redis
from sqlalchemy import text

from service.kit import work
from service.kit.database import DISPATCH, transaction
from service.kit.work import Queue, Work
from service.settings import settings
from tests.fixtures.api import Tenant
from worker import relay
from worker.app import app


def ask(tenant: Tenant, kind: Work, count: int) -> None:
    with transaction(tenant.scope) as session:
        for number in range(count):
            work.enqueue(session, kind, f"subject-{number}", project_id=tenant.project_id)


def take(queues: list[Queue] | None = None) -> list[str]:
    """Project of each item that the relay would publish now, in order."""
    with transaction(DISPATCH) as session:
        taken = relay.take_due(session, queues or list(Queue))
        owners = {row.id: row.project_id for row in session.execute(text("select id, project_id from work_items"))}
    return [owners[item_id] for item_id, _, _ in taken]


def messages(broker: redis.Redis, queue: Queue) -> int:
    return int(broker.llen(f"tw:{queue.value}"))


@pytest.fixture
def connected(broker: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> redis.Redis:
    monkeypatch.setattr(app.conf, "broker_url", settings().broker_url.get_secret_value())
    return broker


class TestTakeDue:
    def test_a_flood_delays_nobody_else(self, tenant: Tenant, stranger: Tenant) -> None:
        ask(tenant, Work.VALIDATE_FILE, 100)
        ask(stranger, Work.VALIDATE_FILE, 2)
        taken = Counter(take())
        assert taken == {tenant.project_id: settings().running_per_project, stranger.project_id: 2}

    def test_a_look_for_training_that_nobody_waits_for_comes_before_what_waits_longer(self, tenant: Tenant) -> None:
        ask(tenant, Work.FOLLOW_JOB, 100)
        ask(tenant, Work.SWEEP_CREDENTIAL, 1)
        with transaction(DISPATCH) as session:
            assert relay.take_due(session, list(Queue))[0][1] == Work.SWEEP_CREDENTIAL

    def test_one_training_run_per_project(self, tenant: Tenant, stranger: Tenant) -> None:
        ask(tenant, Work.TRAIN_JOB, 5)
        ask(stranger, Work.TRAIN_JOB, 1)
        assert Counter(take()) == {tenant.project_id: 1, stranger.project_id: 1}

    def test_what_was_just_published_waits_for_its_next_dispatch(self, tenant: Tenant) -> None:
        ask(tenant, Work.VALIDATE_FILE, 1)
        assert len(take()) == 1
        assert take() == []

    def test_a_full_queue_is_left_alone(self, tenant: Tenant) -> None:
        ask(tenant, Work.VALIDATE_FILE, 1)
        assert take([Queue.IO]) == []


class TestPublish:
    def test_a_message_carries_one_id_and_nothing_else(self, tenant: Tenant, connected: redis.Redis) -> None:
        ask(tenant, Work.VALIDATE_FILE, 1)
        with app.connection_for_write() as connection:
            assert relay.publish_due(connection) == 1
        envelope = json.loads(connected.lindex("tw:datasets", 0) or "nothing")
        arguments, keywords, _ = json.loads(b64decode(envelope["body"]))
        assert (len(arguments), keywords) == (1, {})
        assert arguments[0].startswith("work_")

    def test_an_emptied_broker_gets_the_work_again(self, tenant: Tenant, connected: redis.Redis) -> None:
        ask(tenant, Work.VALIDATE_FILE, 3)
        with app.connection_for_write() as connection:
            relay.publish_due(connection)
            connected.flushall()
            with transaction(DISPATCH) as session:  # the dispatch interval passes
                session.execute(text("update work_items set next_dispatch = now()"))
            assert relay.publish_due(connection) == 3
        assert messages(connected, Queue.DATASETS) == 3
