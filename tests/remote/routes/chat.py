"""Chat completions: the same answer for the same question, telling which model gave it; streaming too."""

import json
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from tests.remote import refusals
from tests.remote.calls import Call, answer
from tests.remote.models import BY_NAME
from tests.remote.refusals import missing_parameter, wrong_type


async def create(call: Call) -> web.StreamResponse:
    body = await call.json()
    model = _model(call, body)
    _check(body)
    text = f"This is {model}. You said: {_last(body['messages'])}"
    words = text.split(" ")
    most = body.get("max_completion_tokens") or body.get("max_tokens") or len(words)
    pieces = [word if place == 0 else f" {word}" for place, word in enumerate(words[:most])]
    head = {"id": call.world.names.completion(), "created": int(call.now), "model": model,
            "system_fingerprint": "fp_simulator"}
    asked = sum(len(str(each.get("content") or "")) // 4 + 4 for each in body["messages"])
    usage = {"prompt_tokens": asked, "completion_tokens": len(pieces), "total_tokens": asked + len(pieces)}
    reason = "stop" if most >= len(words) else "length"
    if body.get("stream"):
        return await _stream(call, body, _chunks(head, pieces, reason), usage)
    choice: dict[str, Any] = {"index": 0, "logprobs": None, "finish_reason": reason,
              "message": {"role": "assistant", "content": "".join(pieces), "refusal": None, "annotations": []}}
    return answer(head | {"object": "chat.completion", "choices": [choice], "usage": usage})


def _model(call: Call, body: Any) -> str:
    """Azure names a deployment in the path; everybody else the model in the body."""
    if not isinstance(body, dict):
        raise refusals.not_json()
    deployment = call.request.match_info.get("deployment") or (body.get("model") if call.face == "azure" else None)
    if deployment is not None:
        if deployment not in call.account.deployments:
            raise refusals.no_deployment()
        return call.account.deployments[deployment]
    name = body.get("model")
    if not isinstance(name, str):
        raise missing_parameter("model")
    tuned = call.account.models.get(name)
    if name not in BY_NAME and (tuned is None or tuned.deleted):
        raise refusals.unknown_chat_model(name)
    return BY_NAME[name].id if name in BY_NAME else name


def _check(body: dict[str, Any]) -> None:
    messages = body.get("messages")
    if messages is None:
        raise missing_parameter("messages")
    if not isinstance(messages, list) or not messages:
        raise wrong_type("messages", "array of objects", messages)
    for place, message in enumerate(messages):
        if not isinstance(message, dict):
            raise wrong_type(f"messages[{place}]", "object", message)
        if "role" not in message:
            raise missing_parameter(f"messages[{place}].role")
    if "stream" in body and not isinstance(body["stream"], bool | None):
        raise wrong_type("stream", "boolean", body["stream"])


def _last(messages: list[dict[str, Any]]) -> str:
    content = next((each.get("content") for each in reversed(messages) if each.get("role") == "user"), "")
    return content if isinstance(content, str) else json.dumps(content)


def _chunks(head: dict[str, Any], pieces: list[str], reason: str) -> Iterator[dict[str, Any]]:
    head = head | {"object": "chat.completion.chunk"}
    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return head | {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}
    yield chunk({"role": "assistant", "content": "", "refusal": None})
    for piece in pieces:
        yield chunk({"content": piece})
    yield chunk({}, reason)


async def _stream(call: Call, body: dict[str, Any], chunks: Iterator[dict[str, Any]],
                  usage: dict[str, int]) -> web.StreamResponse:
    wants_usage = (body.get("stream_options") or {}).get("include_usage")
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
    await response.prepare(call.request)
    last: dict[str, Any] = {}
    for chunk in chunks:
        last = chunk
        await _send(response, chunk | ({"usage": None} if wants_usage else {}))
    if wants_usage:
        await _send(response, last | {"choices": [], "usage": usage})
    await response.write(b"data: [DONE]\n\n")
    return response


async def _send(response: web.StreamResponse, chunk: dict[str, Any]) -> None:
    await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
