"""Each fault of the simulated server: what the caller meets, and whether the thing was done all the same."""

from typing import Any

import pytest
from openai import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    InternalServerError,
    OpenAI,
    RateLimitError,
)

from tests.fixtures.whole_house import until
from tests.remote.asking import ask, client_of, make_job, put_file
from tests.remote.control import ControlRefused, Simulator

CREATE = {"method": "POST", "path": "/fine_tuning/jobs$"}


@pytest.fixture
def client(simulator: Simulator) -> OpenAI:
    return client_of(simulator)


@pytest.mark.parametrize(("do", "how", "made"), [
    ("refuse", {}, False), ("reset_before", {}, False), ("reset_after", {}, True), ("truncate", {}, True),
    ("timeout", {"seconds": 0.1}, True), ("timeout_before", {"seconds": 0.1}, False),
])
def test_connections_break_before_or_after_the_effect(simulator: Simulator, client: OpenAI, do: str,
                                                      how: dict[str, Any], made: bool) -> None:
    file = put_file(client)
    fault = simulator.fault(do, **CREATE, count=1, **how)
    with pytest.raises(APIConnectionError):
        make_job(client, training_file=file)
    assert simulator.struck(fault) == 1
    assert len(simulator.ledger().jobs) == made
    make_job(client, training_file=file)
    assert len(simulator.ledger().jobs) == made + 1


@pytest.mark.parametrize(("effect", "jobs"), [(False, 0), (True, 1)])
def test_statuses_come_with_or_without_the_effect(simulator: Simulator, client: OpenAI, effect: bool,
                                                  jobs: int) -> None:
    simulator.fault(503, **CREATE, count=1, effect=effect)
    with pytest.raises(InternalServerError):
        make_job(client)
    assert len(simulator.ledger().jobs) == jobs


def test_rate_limits_may_name_a_time(simulator: Simulator, client: OpenAI) -> None:
    simulator.fault(429, path="/models", count=1, retry_after=7)
    with pytest.raises(RateLimitError) as refused:
        client.models.list()
    assert refused.value.response.headers["retry-after"] == "7"
    simulator.fault(429, path="/models", count=1)
    with pytest.raises(RateLimitError) as silent:
        client.models.list()
    assert "retry-after" not in silent.value.response.headers


@pytest.mark.parametrize("do", ["garbage", "empty", "html"])
def test_bodies_may_be_no_json(simulator: Simulator, client: OpenAI, do: str) -> None:
    job = make_job(client)
    simulator.fault(do, path=f"/jobs/{job}", count=1)
    with pytest.raises((APIError, ValueError, AttributeError)):
        assert client.fine_tuning.jobs.retrieve(job).id == job
    assert client.fine_tuning.jobs.retrieve(job).id == job


def test_time_outs_last_as_long_as_the_caller_waits(simulator: Simulator, client: OpenAI) -> None:
    simulator.fault("timeout", path="/models", count=1)
    with pytest.raises(APITimeoutError):
        client.with_options(timeout=0.3).models.list()
    assert client.models.list().data


def test_answers_may_be_slow_huge_or_deep(simulator: Simulator) -> None:
    simulator.fault("slow", path="/models", count=1, seconds=0.3)
    assert ask(simulator, "GET", "/v1/models").body["data"]
    simulator.fault("huge", path="/models", count=1, size=2**20)
    assert ask(simulator, "GET", "/v1/models").body == {"object": "list", "data": []}
    simulator.fault("deep", path="/models", count=1)
    with pytest.raises(RecursionError):
        ask(simulator, "GET", "/v1/models")


def test_fields_may_be_others_and_missing(simulator: Simulator, client: OpenAI) -> None:
    job = make_job(client)
    simulator.fault("mutate", path="/jobs", set={"status": "odd", "more": 1}, drop=["seed"])
    one = ask(simulator, "GET", f"/v1/fine_tuning/jobs/{job}").body
    assert (one["status"], one["more"], "seed" in one) == ("odd", 1, False)
    listed = ask(simulator, "GET", "/v1/fine_tuning/jobs").body["data"][0]
    assert listed == one


def test_redirects_point_elsewhere(simulator: Simulator) -> None:
    simulator.fault("redirect", path="/models", count=1, location="http://127.0.0.1:1/")
    with pytest.raises(ValueError, match="Expecting value"):
        ask(simulator, "GET", "/v1/models")


def test_faults_strike_the_nth_request_or_by_a_seeded_draw(simulator: Simulator, client: OpenAI) -> None:
    simulator.fault(500, path="/models", nth=3)
    outcomes = [ask(simulator, "GET", "/v1/models").status for _ in range(5)]
    assert outcomes == [200, 200, 500, 200, 200]

    def draws() -> list[int]:
        simulator.reset()
        simulator.fault(500, path="/models", probability=0.5, seed=7)
        return [ask(simulator, "GET", "/v1/models").status for _ in range(20)]
    assert draws() == draws()
    assert set(draws()) == {200, 500}


def test_a_closed_port_refuses_and_opens_again(simulator: Simulator, client: OpenAI) -> None:
    simulator.refuse()
    with pytest.raises(APIConnectionError):
        client.models.list()
    assert simulator.ledger().requests == {}
    simulator.accept()
    assert client_of(simulator).models.list().data


def test_requests_may_arrive_late_or_twice(simulator: Simulator, client: OpenAI) -> None:
    file = put_file(client)
    simulator.fault("late", **CREATE, count=1, seconds=1.0)
    with pytest.raises(APITimeoutError):
        make_job(client.with_options(timeout=0.3), training_file=file)
    assert simulator.ledger().jobs == []
    until(lambda: len(simulator.ledger().jobs) == 1, 20, "the late request is carried out")
    simulator.fault("double", **CREATE, count=1)
    job = make_job(client, metadata={"tuneworks_key": "k"})
    first, second = (each["id"] for each in simulator.ledger().doubled()["k"])
    assert first == job != second


def test_cleared_faults_strike_no_more(simulator: Simulator, client: OpenAI) -> None:
    fault = simulator.fault(500, path="/models")
    with pytest.raises(APIStatusError):
        client.models.list()
    simulator.clear_faults(fault)
    assert client.models.list().data


def test_orders_that_are_not_understood_are_refused(simulator: Simulator) -> None:
    with pytest.raises(ControlRefused, match="no such fault"):
        simulator.fault("explode")
    with pytest.raises(ControlRefused, match="has no colour"):
        simulator.behave(colour="red")
