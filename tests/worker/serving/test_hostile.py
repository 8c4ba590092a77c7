"""Whatever is thrown at the server, it answers with OpenAI's envelope and never with a 5xx."""

import json
from typing import Any

import pytest

from .conftest import HELLO, Running, ask

GOOD = {"model": "tiny", "messages": HELLO, "max_tokens": 2}


def refusal(server: Running, body: bytes, content_type: str = "application/json") -> dict[str, Any]:
    answer = server.http.post("/v1/chat/completions", content=body, headers={"content-type": content_type})
    assert 400 <= answer.status_code < 500, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    return {**error, "status": answer.status_code}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"model": "tiny", "messages": [{"role": "user", "content": "\xc3"}]}',
        b'{"model": "tiny", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"model": "tiny", "messages": [], "temperature": NaN}',
        b'{"model": "tiny", "messages": [], "temperature": Infinity}',
        b'{"model": "tiny", "messages": [], "temperature": 1e999}',
        b'{"model": "tiny", "messages": [], "seed": ' + b"9" * 5000 + b"}",
        b'{"metadata": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"messages": ' + b'{"a":' * 100_000,
    ],
)
def test_what_is_not_json_is_refused(server: Running, body: bytes) -> None:
    assert refusal(server, body)["status"] == 400


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x", "application/xml"])
def test_other_content_types_are_refused(server: Running, content_type: str) -> None:
    assert "content type" in refusal(server, json.dumps(GOOD).encode(), content_type)["message"]


def test_bodies_beyond_the_limit_are_refused(server: Running) -> None:
    huge = json.dumps({**GOOD, "user": "x" * (9 << 20)}).encode()
    assert refusal(server, huge)["status"] == 413


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"model": None}, "model", "invalid_type"),
        ({"model": 7}, "model", "invalid_type"),
        ({"messages": []}, "messages", "empty_array"),
        ({"messages": "hello"}, "messages", "invalid_type"),
        ({"messages": [7]}, "messages[0]", "invalid_type"),
        ({"messages": [{"content": "x"}]}, "messages[0].role", "missing_required_parameter"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role", "invalid_value"),
        ({"messages": [{"role": "user", "content": 1}]}, "messages[0].content", "invalid_type"),
        ({"messages": [{"role": "user", "content": "x", "mood": "good"}]}, "messages[0].mood", "unknown_parameter"),
        ({"temperature": 2.1}, "temperature", "decimal_above_max_value"),
        ({"temperature": -1}, "temperature", "decimal_below_min_value"),
        ({"temperature": 1e308}, "temperature", "decimal_above_max_value"),
        ({"temperature": "hot"}, "temperature", "invalid_type"),
        ({"temperature": True}, "temperature", "invalid_type"),
        ({"top_p": 1.5}, "top_p", "decimal_above_max_value"),
        ({"presence_penalty": -3}, "presence_penalty", "decimal_below_min_value"),
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
        ({"max_tokens": 1.5}, "max_tokens", "invalid_type"),
        ({"max_completion_tokens": 5}, "max_tokens", None),
        ({"max_tokens": 10**40}, "messages", "context_length_exceeded"),
        ({"seed": 2**63}, "seed", "integer_above_max_value"),
        ({"stop": ["a"] * 5}, "stop", "array_above_max_length"),
        ({"stop": ""}, "stop", "invalid_value"),
        ({"stop": [1]}, "stop[0]", "invalid_type"),
        ({"n": 2}, "n", "unsupported_parameter"),
        ({"response_format": {"type": "json_object"}}, "response_format", "unsupported_parameter"),
        ({"tool_choice": "required"}, "tool_choice", "unsupported_parameter"),
        ({"top_logprobs": 3}, "top_logprobs", None),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "integer_above_max_value"),
        ({"stream_options": {"include_usage": True}}, "stream_options", None),
        ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter"),
        ({"tools": [{"type": "gadget", "function": {"name": "x"}}]}, "tools[0].type", "invalid_value"),
    ],
)
def test_wrong_parameters_are_named(server: Running, change: dict[str, Any], param: str, code: str | None) -> None:
    said = refusal(server, json.dumps(GOOD | change).encode())
    assert (said["param"], said["code"]) == (param, code), said["message"]


def test_unknown_parameters_are_refused_in_openais_words(server: Running) -> None:
    said = refusal(server, json.dumps({**GOOD, "tempreature": 1}).encode())
    assert said["message"] == "Unrecognized request argument supplied: tempreature"


def test_a_missing_model_is_named(server: Running) -> None:
    assert refusal(server, json.dumps({"messages": HELLO}).encode())["param"] == "model"


@pytest.mark.parametrize(
    "content",
    ["", "\0", "a\0b\x1b[31m", "\ufffd\U0001f9d1\u200d\U0001f680", "<|im_end|>", "{{ 7 * 7 }}{% raw %}", "\u202e"],
)
def test_strange_text_is_only_text(server: Running, content: str) -> None:
    ask(server, max_tokens=2, messages=[{"role": "user", "content": content}])


@pytest.mark.parametrize("name", ["a\0b", "\U0001f600" * 300, "../../etc/passwd", ""])
def test_strange_model_names_do_not_exist(server: Running, name: str) -> None:
    assert refusal(server, json.dumps({**GOOD, "model": name}).encode())["status"] == 404


def test_deep_tool_schemas_are_refused_or_served(server: Running) -> None:
    deep: dict[str, Any] = {"type": "object"}
    for _ in range(300):
        deep = {"type": "object", "properties": {"a": deep}}
    tools = [{"type": "function", "function": {"name": "deep", "parameters": deep}}]
    assert refusal(server, json.dumps({**GOOD, "tools": tools}).encode())["status"] == 400


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/v1/nothing", 404), ("GET", "/v1/chat/completions", 405)]
)
def test_unknown_urls_get_the_envelope_too(server: Running, method: str, path: str, status: int) -> None:
    answer = server.http.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == "unknown_url"
