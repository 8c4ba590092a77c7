"""Every answer of the simulated server must fit the official client's types, read strictly."""

import json
from typing import Any

import pytest
from openai import OpenAI
from openai.types import FileObject, Model, Upload
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent
from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint
from pydantic import BaseModel

from tests.remote.asking import MODEL, ask, client_of, make_job, put_file
from tests.remote.control import Simulator

GRADER = {"type": "string_check", "name": "g", "input": "{{sample.output_text}}", "reference": "{{item.label}}",
          "operation": "eq"}
METHODS: dict[str, dict[str, Any]] = {
    "supervised": {"model": MODEL},
    "dpo": {"model": MODEL},
    "reinforcement": {"model": "o4-mini-2025-04-16"},
}


def fits(kind: type[BaseModel], body: Any) -> None:
    """Strict, but for JSON's arrays and whole numbers; fields that the type does not know would be kept unread."""
    kind.model_validate_json(json.dumps(body), strict=True)


def fits_as_job(body: dict[str, Any]) -> None:
    """Real jobs that did not fail bear an empty error, as recorded, which the type does not foresee."""
    fits(FineTuningJob, body | {"error": body["error"] or None})


@pytest.fixture
def client(simulator: Simulator) -> OpenAI:
    return client_of(simulator)


def dpo_lines() -> bytes:
    pair = {"input": {"messages": [{"role": "user", "content": "a"}]},
            "preferred_output": [{"role": "assistant", "content": "b"}],
            "non_preferred_output": [{"role": "assistant", "content": "c"}]}
    return (json.dumps(pair).encode() + b"\n") * 12


@pytest.mark.parametrize("method", METHODS)
def test_jobs_fit_whatever_their_method_and_state(simulator: Simulator, client: OpenAI, method: str) -> None:
    file = client.files.create(file=("d.jsonl", dpo_lines()), purpose="fine-tune").id if method == "dpo" \
        else put_file(client)
    options = {"grader": GRADER} if method == "reinforcement" else {}
    job = make_job(client, training_file=file, validation_file=file, **METHODS[method],
                   method={"type": method, method: options})
    for status in ("validating_files", "queued", "running", "succeeded"):
        simulator.move(job, status)
        body = ask(simulator, "GET", f"/v1/fine_tuning/jobs/{job}").body
        assert body["status"] == status
        if method != "supervised":
            assert body["hyperparameters"] is None  # as the specification's examples show, against its own schema
            body["hyperparameters"] = {}
        fits_as_job(body)
    for event in ask(simulator, "GET", f"/v1/fine_tuning/jobs/{job}/events?limit=100").body["data"]:
        fits(FineTuningJobEvent, event)
    for each in ask(simulator, "GET", f"/v1/fine_tuning/jobs/{job}/checkpoints").body["data"]:
        fits(FineTuningJobCheckpoint, each)


def test_failed_and_cancelled_jobs_fit(simulator: Simulator, client: OpenAI) -> None:
    for status in ("failed", "cancelled"):
        job = make_job(client)
        simulator.move(job, status)
        fits_as_job(ask(simulator, "GET", f"/v1/fine_tuning/jobs/{job}").body)


def test_files_models_and_uploads_fit(simulator: Simulator, client: OpenAI) -> None:
    fits(FileObject, ask(simulator, "GET", f"/v1/files/{put_file(client)}").body)
    for model in ask(simulator, "GET", "/v1/models").body["data"]:
        fits(Model, model)
    fits(Upload, ask(simulator, "POST", "/v1/uploads", {"purpose": "batch", "filename": "a", "bytes": 1,
                                                        "mime_type": "text/plain"}).body)


def test_chats_fit_whole_and_in_pieces(simulator: Simulator, client: OpenAI) -> None:
    question = {"model": MODEL, "messages": [{"role": "user", "content": "Who is there?"}]}
    whole = ask(simulator, "POST", "/v1/chat/completions", question).body
    fits(ChatCompletion, whole)
    pieces = list(client.chat.completions.create(stream=True, stream_options={"include_usage": True},
                                                 **question))  # type: ignore[call-overload]
    for piece in pieces:
        fits(ChatCompletionChunk, piece.model_dump())
    told = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert told == whole["choices"][0]["message"]["content"] == f"This is {MODEL}. You said: Who is there?"
    assert pieces[-1].usage.model_dump(exclude_none=True) == whole["usage"]
