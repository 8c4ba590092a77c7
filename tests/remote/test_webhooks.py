"""Webhooks of the simulated server: the official client must accept the true ones and refuse the forged."""

import base64

import pytest
from openai import InvalidWebhookSignatureError, OpenAI
from openai.types.webhooks import FineTuningJobCancelledWebhookEvent, FineTuningJobSucceededWebhookEvent

from tests.fixtures.receiver import Receiver
from tests.fixtures.whole_house import until
from tests.remote.asking import client_of, make_job
from tests.remote.control import Simulator
from tests.remote.webhooks import SECRET


@pytest.fixture
def client(simulator: Simulator) -> OpenAI:
    return client_of(simulator)


def test_ends_are_told_signed(simulator: Simulator, client: OpenAI, receiver: Receiver) -> None:
    simulator.webhook(f"{receiver.url}/hook")
    done, stopped = make_job(client), make_job(client)
    client.fine_tuning.jobs.cancel(stopped)
    simulator.move(done, "succeeded")
    until(lambda: len(receiver.requests) == 2, 20, "both ends are told")
    events = {each.data.id: each for each in (  # type: ignore[union-attr]
        client.webhooks.unwrap(request.body, request.headers, secret=SECRET) for request in receiver.requests)}
    assert isinstance(events[done], FineTuningJobSucceededWebhookEvent)
    assert isinstance(events[stopped], FineTuningJobCancelledWebhookEvent)


def test_refused_deliveries_come_again_under_the_same_id(simulator: Simulator, client: OpenAI,
                                                         receiver: Receiver) -> None:
    receiver.answers = [500, 302, 200]
    simulator.webhook(f"{receiver.url}/hook")
    simulator.move(make_job(client), "succeeded")
    until(lambda: len(receiver.requests) == 3, 20, "the third delivery")
    assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1


def test_deliveries_may_be_doubled_scattered_and_forged(simulator: Simulator, client: OpenAI,
                                                        receiver: Receiver) -> None:
    simulator.webhook(f"{receiver.url}/hook", times=3, scatter=0.3)
    job = make_job(client)
    simulator.move(job, "failed")
    until(lambda: len(receiver.requests) == 3, 20, "three deliveries")
    assert len({request.body for request in receiver.requests}) == 1
    simulator.send_webhook(f"{receiver.url}/hook", job, forged=True)
    until(lambda: len(receiver.requests) == 4, 20, "the forged one")
    with pytest.raises(InvalidWebhookSignatureError):
        client.webhooks.unwrap(receiver.requests[-1].body, receiver.requests[-1].headers,
                               secret="whsec_" + base64.b64encode(b"x" * 32).decode())


def test_other_projects_hear_nothing(simulator: Simulator, client: OpenAI, receiver: Receiver) -> None:
    simulator.webhook(f"{receiver.url}/other", key=simulator.other_key)
    simulator.webhook(f"{receiver.url}/own")
    simulator.move(make_job(client), "succeeded")
    until(lambda: len(receiver.requests) == 1, 20, "one delivery")
    assert receiver.requests[0].path == "/own"
