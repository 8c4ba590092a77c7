"""The simulated server's answers against recorded ones of the real server: fields, types, refusals to the letter."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.remote.asking import Answer, ask, client_of, make_job, put_file
from tests.remote.control import Simulator
from tests.remote.refusals import type_name

RECORDED = json.loads(Path(__file__).with_name("recorded.json").read_text())
LATER = {
    "fine_tuning.job": {"finished_at": "integer", "fine_tuned_model": "string", "trained_tokens": "integer",
                        "estimated_finish": "integer", "metadata": "object"},
    "file": {"expires_at": "integer"}, "model": {"shutdown_date": "string"},
    "fine_tuning.job.event": {"data": "null"},
}
"""What the recorded objects had not come to yet, or documentation says beyond them."""


def check(name: str, body: dict[str, Any], *, optional: frozenset[str] = frozenset()) -> None:
    known, later = RECORDED["objects"][name], LATER.get(name, {})
    assert set(known) - optional <= set(body) <= set(known) | set(later), name
    for field, value in body.items():
        assert type_name(value) in {*known.get(field, []), later.get(field)}, (name, field)


def all_answers(simulator: Simulator) -> dict[str, Answer]:
    client = client_of(simulator)
    job = make_job(client, metadata={"a": "b"}, suffix="Mine", validation_file=put_file(client, name="valid.jsonl"))
    fresh = ask(simulator, "GET", f"/v1/fine_tuning/jobs/{job}")
    simulator.move(job, "running")
    running = ask(simulator, "GET", f"/v1/fine_tuning/jobs/{job}")
    simulator.move(job, "succeeded")
    path = f"/v1/fine_tuning/jobs/{job}"
    return {"fresh": fresh, "running": running, "ended": ask(simulator, "GET", path),
            "jobs": ask(simulator, "GET", "/v1/fine_tuning/jobs"),
            "events": ask(simulator, "GET", f"{path}/events?limit=100"),
            "checkpoints": ask(simulator, "GET", f"{path}/checkpoints"),
            "files": ask(simulator, "GET", "/v1/files"), "models": ask(simulator, "GET", "/v1/models")}


def test_objects_have_the_recorded_fields_and_types(simulator: Simulator) -> None:
    answers = all_answers(simulator)
    for name in ("fresh", "running", "ended"):
        check("fine_tuning.job", answers[name].body)
    for name, kind in (("jobs", "fine_tuning.job"), ("events", "fine_tuning.job.event"), ("files", "file"),
                       ("checkpoints", "fine_tuning.job.checkpoint"), ("models", "model")):
        answer = answers[name]
        assert answer.status == 200
        assert set(answer.body) == set(RECORDED["objects"][f"list of {kind}"])
        assert answer.body["data"]
        for each in answer.body["data"]:
            check(kind, each)


def test_uploads_have_the_recorded_fields(simulator: Simulator) -> None:
    began = ask(simulator, "POST", "/v1/uploads", {"purpose": "fine-tune", "filename": "a.jsonl", "bytes": 3,
                                                   "mime_type": "text/jsonl"})
    check("upload", began.body, optional=frozenset({"file"}))
    assert began.body["expires_at"] == began.body["created_at"] + 3600
    path = f"/v1/uploads/{began.body['id']}"
    part = ask(simulator, "POST", f"{path}/parts", files={"data": b"{}\n"})
    check("upload.part", part.body)
    done = ask(simulator, "POST", f"{path}/complete", {"part_ids": [part.body["id"]]})
    check("upload", done.body)
    check("file", done.body["file"])
    check("deleted file", ask(simulator, "DELETE", f"/v1/files/{done.body['file']['id']}").body)


@pytest.mark.parametrize("recorded", RECORDED["refusals"], ids=lambda each: f"{each['method']} {each['path']}")
def test_refusals_are_word_for_word(simulator: Simulator, recorded: dict[str, Any]) -> None:
    client, request = client_of(simulator), recorded["request"]
    if request and request.get("training_file", "").startswith("file-"):
        request = request | {"training_file": put_file(client)}
    options: dict[str, Any] = {}
    if recorded["path"] == "/v1/files" and recorded["method"] == "POST":
        options = {"files": {"file": ("a.txt", b"a")}, "data": {"purpose": "world_domination"}}
    if recorded["status"] == 401:
        options = {"key": "not-a-re" + "x" * 26 + "ized"}
    answer = ask(simulator, recorded["method"], recorded["path"], request, **options)
    assert (answer.status, answer.body) == (recorded["status"], recorded["body"])


def test_answers_bear_the_recorded_headers(simulator: Simulator) -> None:
    headers = ask(simulator, "GET", "/v1/fine_tuning/jobs").headers
    assert headers["openai-version"] == "2020-10-01"
    assert headers["x-request-id"].startswith("req_")
    assert {"openai-organization", "openai-project", "openai-processing-ms"} <= set(headers)
