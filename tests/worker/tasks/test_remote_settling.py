"""What a job at a server is taken to have cost, where its server counts and where it tells no count."""

import json
from typing import Any

import pytest
from sqlalchemy import select

from service.kit.database import transaction
from service.usage.tables import LedgerEntry
from tests.worker.tasks.paying_house import MODEL, PRICE, PayingHouse
from tests.worker.tasks.scripted_remote import ScriptedServer

BILLED = {"low": 900_000, "expected": 2_000_000, "high": 3_000_000}
COST = {"low": 1, "expected": 7_654_321, "high": 9_999_999}


def expect(paying: PayingHouse, job_id: str, **told: Any) -> None:
    """What the job's pre-flight says of the model that it trains, and of another one."""
    candidates = [{"model": "another", "base_model": "another", "billed_tokens": {"expected": 5}},
                  {"model": MODEL, "base_model": MODEL, **told}]
    paying.do("update preflights set body = cast(:body as jsonb)"
              " where id = (select preflight from jobs where id = :job)",
              body=json.dumps({"candidates": candidates}), job=job_id)


def settled(paying: PayingHouse, server: ScriptedServer, told: dict[str, Any], **changes: Any) -> tuple[str, int, str]:
    """How the account of a job ends that its server says has ended so."""
    job_id, remote_id = paying.sent()
    expect(paying, job_id, **told)
    server.move(remote_id, changes.pop("status", "succeeded"), **changes)
    paying.follow(job_id)
    with transaction(paying.tenant.scope) as session:
        hold, end = session.scalars(select(LedgerEntry).order_by(LedgerEntry.position)).all()
        assert hold.kind == "hold"
        return end.kind, end.micro_dollars, str(end.note)


def test_without_a_count_the_tokens_that_were_expected_are_paid(paying: PayingHouse, server: ScriptedServer) -> None:
    kind, cost, note = settled(paying, server, {"billed_tokens": BILLED, "cost": COST}, trained_tokens=None)
    assert (kind, cost) == ("settle", 2 * PRICE)
    assert note == "2000000 tokens, estimated by the job's pre-flight: openai tells no count of what it trained"


def test_without_a_count_of_either_the_expected_cost_is_paid(paying: PayingHouse, server: ScriptedServer) -> None:
    kind, cost, note = settled(paying, server, {"billed_tokens": None, "cost": COST}, trained_tokens=None)
    assert (kind, cost) == ("settle", 7_654_321)
    assert "estimated" in note
    assert "tells no count" in note


@pytest.mark.parametrize("told", [{}, {"billed_tokens": None, "cost": None}, {"billed_tokens": {"expected": None}},
                                  {"billed_tokens": {"expected": "many"}, "cost": {"expected": -1}}])
def test_without_a_count_and_an_estimate_nothing_is_made_up(paying: PayingHouse, server: ScriptedServer,
                                                            told: dict[str, Any]) -> None:
    assert settled(paying, server, told, trained_tokens=None) == (
        "settle", 0, "openai tells no count of what it trained, and the job's pre-flight has no estimate of its cost")


def test_a_count_is_believed_also_when_it_is_nothing(paying: PayingHouse, server: ScriptedServer) -> None:
    assert settled(paying, server, {"billed_tokens": BILLED, "cost": COST}, trained_tokens=0) == (
        "settle", 0, "0 tokens")


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_what_did_not_succeed_and_was_not_counted_costs_nothing(paying: PayingHouse, server: ScriptedServer,
                                                                status: str) -> None:
    kind, _, note = settled(paying, server, {"billed_tokens": BILLED}, trained_tokens=None, status=status)
    assert (kind, note) == ("release", f"{status} at openai")


def test_the_job_itself_shows_no_count_that_nobody_told(paying: PayingHouse, server: ScriptedServer) -> None:
    settled(paying, server, {"billed_tokens": BILLED}, trained_tokens=None)
    [job] = paying.tenant.client.get("/v1/fine_tuning/jobs").json()["data"]
    assert (job["status"], job["trained_tokens"]) == ("succeeded", None)


def test_what_goes_on_without_its_credential_is_booked_as_it_was_expected(paying: PayingHouse) -> None:
    job_id, _ = paying.sent()
    expect(paying, job_id, billed_tokens=BILLED, cost=COST)
    assert paying.tenant.client.delete(f"/v1/credentials/{paying.credential_id}?force=true").status_code == 200
    paying.follow(job_id)
    assert paying.ledger()[1:] == [("settle", 2 * PRICE)]
    with transaction(paying.tenant.scope) as session:
        note = session.scalars(select(LedgerEntry.note).where(LedgerEntry.kind == "settle")).one()
    assert note == ("2000000 tokens, estimated by the job's pre-flight: its credential was deleted, so that openai"
                    " could not be told any more, and may charge for it")
