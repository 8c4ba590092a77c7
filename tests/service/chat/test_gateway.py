"""Between a caller and a chat server that loads slowly, breaks off, or is asked for what was just deleted."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from fastapi.testclient import TestClient
from openai import APIError, InternalServerError, NotFoundError, OpenAI

from service.app import create_app
from service.catalog import operations as catalog
from service.catalog.base_models import find_base_model
from service.kit.database import transaction
from service.kit.storage import storage
from service.settings import settings
from tests.fixtures.api import Tenant
from tests.fixtures.receiver import Receiver
from tests.fixtures.server import MakeSDK

BASE = "smollm2-135m-instruct"
PREFIX = "projects/p/artifacts/a/"
MESSAGES: Any = [{"role": "user", "content": "Hello"}]
CHUNK = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "model_internal",
         "choices": [{"index": 0, "delta": {"content": "Hi"}, "finish_reason": None}]}


@pytest.fixture
def chat_server(house: None, receiver: Receiver, monkeypatch: pytest.MonkeyPatch,
                tmp_path: Path) -> Iterator[Receiver]:
    """A chat server on a real socket, for the API that starts after it, which finds its models nowhere else."""
    monkeypatch.setenv("TUNEWORKS_SERVING_URL", receiver.url)
    monkeypatch.setenv("TUNEWORKS_MODELS_DIR", str(tmp_path / "models"))
    settings.cache_clear()
    yield receiver
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def client(chat_server: Receiver, live_api: str, sdk: MakeSDK, tenant: Tenant) -> OpenAI:
    return sdk(tenant.key)


async def breaks_off(request: web.Request) -> web.StreamResponse:
    """Begins well, then the server is gone."""
    streamed = json.loads(await request.read()).get("stream")
    answer = web.StreamResponse(headers={"content-type": "text/event-stream" if streamed else "application/json",
                                         "content-length": "100000"})
    await answer.prepare(request)
    await answer.write(b"data: " + json.dumps(CHUNK).encode() + b"\n\n")
    await asyncio.sleep(0.2)  # aiohttp forgets what it has read when the end comes with it
    assert request.transport is not None
    request.transport.close()
    return answer


def tuned_model(tenant: Tenant, manifest: dict[str, Any]) -> str:
    base = find_base_model(BASE)
    assert base is not None
    directory = settings().models_dir / BASE
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text("{}")
    name = catalog.tuned_name(BASE, tenant.slug, None, "AbCd1234")
    with transaction(tenant.scope) as session:
        catalog.register_model(session, project_id=tenant.project_id, job_id="ftjob-1", step=1, name=name, base=base,
                               artifact=catalog.Artifact(PREFIX, "adapter", manifest))
    return name


@pytest.mark.parametrize("left", [(), ("a.json",)])
def test_a_model_whose_files_are_being_erased_does_not_exist(client: OpenAI, tenant: Tenant, chat_server: Receiver,
                                                             left: tuple[str, ...]) -> None:
    name = tuned_model(tenant, {"files": {"a.json": {}, "b.safetensors": {}}})
    for file in left:
        storage().write(PREFIX + file, b"{}")
    chat_server.answers = [404, 200]
    with pytest.raises(NotFoundError) as unknown:
        client.chat.completions.create(model=name, messages=MESSAGES)
    storage().delete_prefix(PREFIX)
    assert unknown.value.code == "model_not_found"
    assert list((settings().models_dir / "tuned").iterdir()) == []


def test_a_model_is_fetched_once_and_loaded(client: OpenAI, tenant: Tenant, chat_server: Receiver) -> None:
    name = tuned_model(tenant, {"files": {"b.safetensors": {}}})
    storage().write(f"{PREFIX}b.safetensors", b"weights")

    async def says_hi(_: web.Request) -> web.StreamResponse:
        return web.json_response({"id": "chatcmpl-1", "model": "model_internal", "choices": []})

    chat_server.answers = [404, 200, 200, says_hi]
    assert client.chat.completions.create(model=name, messages=MESSAGES).model == name
    assert [request.path for request in chat_server.requests] == [
        "/v1/chat/completions", "/v1/load_model", "/v1/load_lora_adapter", "/v1/chat/completions"]
    fetched = Path(json.loads(chat_server.requests[2].body)["lora_path"])
    assert fetched.parent == settings().models_dir / "tuned"
    assert (fetched / "b.safetensors").read_bytes() == b"weights"
    shutil.rmtree(fetched)


def test_a_server_that_dies_over_an_answer_is_unavailable(client: OpenAI, chat_server: Receiver) -> None:
    chat_server.answers = [breaks_off]
    with pytest.raises(InternalServerError) as unavailable:
        client.chat.completions.create(model=BASE, messages=MESSAGES)
    assert unavailable.value.status_code == 503
    assert unavailable.value.response.headers["retry-after"]


@pytest.mark.parametrize(("place", "status", "words"), [
    ("none", 400, "this house serves no local models"), ("http://127.0.0.1:1", 503, "it cannot be reached")])
def test_a_house_without_a_chat_server_says_so_and_never_where_it_would_be(
        chat_server: Receiver, monkeypatch: pytest.MonkeyPatch, tenant: Tenant, place: str, status: int,
        words: str) -> None:
    monkeypatch.setenv("TUNEWORKS_SERVING_URL", place)
    settings.cache_clear()
    with TestClient(create_app()) as house:
        told = house.post("/v1/chat/completions", json={"model": BASE, "messages": MESSAGES},
                          headers={"authorization": f"Bearer {tenant.key}"})
    assert told.status_code == status, told.text
    assert words in told.json()["error"]["message"]
    assert "127.0.0.1" not in told.text


def test_a_stream_that_breaks_off_is_told_from_one_that_ends(client: OpenAI, chat_server: Receiver) -> None:
    chat_server.answers = [breaks_off]
    stream = client.chat.completions.create(model=BASE, messages=MESSAGES, stream=True)
    assert next(stream).choices[0].delta.content == "Hi"
    with pytest.raises(APIError, match="not available"):
        next(stream)
