"""What people train on is in no event, in no delivery and in no message to people, whatever is done with it."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from service.events.sentences import sentence, title
from service.events.tables import Event
from service.jobs import operations as jobs
from service.kit.database import transaction
from service.webhooks import bodies
from tests.fixtures.api import Tenant
from tests.isolation.canaries import Canaries, dump_of_tables
from tests.service.datasets.making import ask, chats, dataset, upload, work
from tests.service.jobs.building import BASE
from tests.worker.tasks.running import work_off

_TELLING = ("events:", "event_sequences:", "webhook_", "mail")
"""Beginnings of the lines of tables from which others are told; a finding may quote what it finds."""


def lines(mark: str) -> dict[str, bytes]:
    """Files that hold the mark wherever a validator may find something to say."""
    def line(*messages: Any, **more: Any) -> bytes:
        return json.dumps({"messages": list(messages), **more}).encode() + b"\n"
    user, answer = {"role": "user", "content": mark}, {"role": "assistant", "content": mark}
    call = {"id": mark, "type": "function", "function": {"name": mark, "arguments": json.dumps({mark: mark})}}
    return {
        "good": b"".join(line({**user, "content": f"{mark} {number}"}, answer) for number in range(20)),
        "role": chats(12) + line({"role": mark, "content": mark}, answer),
        "key": chats(12) + line(user, {**answer, mark: mark}, **{mark: mark}),
        "part": chats(12) + line({"role": "user", "content": [{"type": mark, mark: mark}]}, answer),
        "call": chats(12) + line(user, {"role": "assistant", "tool_calls": [call, call]},
                                 {"role": "tool", "tool_call_id": f"{mark}-2", "content": mark}, answer),
        "broken": chats(12) + b'{"messages": "' + mark.encode() + b"\n",
        "twice": chats(12) + f'{{"{mark}": 1, "{mark}": 2}}\n'.encode(),
    }


@pytest.mark.parametrize("kind", list(lines("")))
def test_it_is_told_to_nobody(tenant: Tenant, kind: str) -> None:
    canaries = Canaries()
    file_id = upload(tenant, lines(canaries.mark)[kind])
    work(tenant)
    made = tenant.client.post("/v1/fine_tuning/jobs", json={"model": BASE, "training_file": file_id})
    assert made.status_code == 200, made.text
    with transaction(tenant.scope) as session:
        jobs.prepare(session, made.json()["id"])
    version = ask(tenant, dataset(tenant), {"type": "file", "file_id": file_id}).json()
    work(tenant)
    review(tenant, version, canaries.mark)
    with transaction(tenant.scope) as session:
        told = session.scalars(select(Event).order_by(Event.position)).all()
    ended = "queued" if kind == "good" else "failed"
    assert {"file.validated", "dataset.version.validated", "fine_tuning.job.created"} <= {each.type for each in told}
    assert kind == "twice" or f"fine_tuning.job.{ended}" in {each.type for each in told}
    assert [trace for line in dump_of_tables().splitlines() if line.startswith(_TELLING)
            for trace in canaries.traces("tables", line)] == []
    for event in told:
        for endpoint in ("thin", "webhook"), ("full", "webhook"), ("thin", "slack"):
            sent: Any = SimpleNamespace(payload=endpoint[0], kind=endpoint[1])
            assert canaries.traces(event.type, bodies.body(event, sent)) == []
        words = title(event.type) + sentence(event.type, event.subject, event.data)
        assert canaries.traces(event.type, words) == []


def review(tenant: Tenant, version: dict[str, Any], mark: str) -> None:
    """People look at the version and write the mark into all that they can write."""
    url = f"/v1/datasets/{version['dataset_id']}/versions/{version['id']}/reviews"
    asked = tenant.client.post(url, json={"flagged": "all", "sampled": 5, "instructions": mark})
    work_off(tenant)
    if asked.status_code != 200 or tenant.client.get(f"{url}/{asked.json()['id']}").json()["status"] != "open":
        return
    url += f"/{asked.json()['id']}"
    item = tenant.client.get(f"{url}/items").json()["data"][0]
    decided = tenant.client.post(f"{url}/items/{item['id']}/decisions", json={
        "decision": "edit", "comment": mark, "example": {"messages": [
            {"role": "user", "content": mark}, {"role": "assistant", "content": mark}]}})
    assert decided.status_code == 200, decided.text
    closed = tenant.client.post(f"{url}/close", json={"approve": False, "comment": mark})
    assert closed.status_code == 200, closed.text
