"""What chat servers answer, made ours: the model's name put back, refusals in our envelope, no secret in either."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from service.chat.errors import CredentialRefused, ModelGone, RemoteUnavailable
from service.credentials.operations import SHORTEST_SECRET, OpenCredential

_LONGEST = 2000
_LONGEST_WAIT = 24 * 3600
_RETRY_AFTER = re.compile(r"\d{1,9}|[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT")
"""Seconds, or a date, as RFC 9110 has it."""
_ABOUT_THE_MODEL = frozenset({"model_not_found", "model_not_available", "unsupported_model", "content_policy_violation",
                              "content_filter"})
"""Codes with which a server forbids this request and not the credential."""
_GONE = frozenset({"model_not_found", "DeploymentNotFound"})


class Unreadable(Exception):
    """Not what a chat server answers; the message completes the sentence "Its answer …"."""


@dataclass(frozen=True, slots=True)
class Whole:
    """An answer that fits in one piece: JSON, its status, and the headers that are the caller's business."""

    status: int
    body: bytes
    headers: dict[str, str]


def parsed(body: bytes) -> dict[str, Any]:
    """Raises Unreadable for all but a JSON object."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as garbled:
        raise Unreadable("is not JSON") from garbled
    if not isinstance(answer, dict):
        raise Unreadable("is not a JSON object")
    return answer


def renamed(body: bytes, name: str) -> bytes:
    """The same JSON object with the caller's name for the model in it."""
    try:
        answer = parsed(body)
    except Unreadable:
        return body
    return msgspec.json.encode(answer | {"model": name}) if "model" in answer else body


def shown(answer: Mapping[str, Any], name: str, credential: OpenCredential) -> bytes:
    """A server's object for our caller."""
    told = msgspec.json.encode({**answer, "model": name} if "model" in answer else answer)
    secret = msgspec.json.encode(credential.secret)[1:-1]  # as it would stand in JSON
    return told.replace(secret, b"[secret]") if len(secret) >= SHORTEST_SECRET else told


def has_ended(chunk: Mapping[str, Any]) -> bool:
    """Whether a stream may end after this chunk: its choices have, or it says what went wrong."""
    choices = chunk.get("choices")
    return "error" in chunk or (isinstance(choices, list) and any(
        isinstance(choice, dict) and choice.get("finish_reason") is not None for choice in choices))


def refusal(status: int, headers: Mapping[str, str], body: bytes, credential: OpenCredential) -> Whole:
    """A refusal as it is passed on: 429 and whatever else lies with the request.

    Raises CredentialRefused, ModelGone, or RemoteUnavailable for what lies with the server.
    """
    error = _error(body)
    said = _text(error.get("message") if error else None, credential) or f"The server answered {status}."
    code = _text(error.get("code") if error else None, credential, longest=64) or None
    if status == 401 or (status == 403 and code not in _ABOUT_THE_MODEL):
        raise CredentialRefused(credential.id, said, is_certain=status == 401)
    if status == 404 and code in _GONE:
        raise ModelGone(said)
    passed = retry_headers(headers)
    if status == 429:
        return Whole(429, _envelope(said, "rate_limit_error", None, code or "rate_limit_exceeded"), passed)
    if error is None or not 400 <= status < 500:
        raise RemoteUnavailable(f"it answered {status}: {said}" if error else f"it answered {status}, and not as the"
                                " API does", retry_after=_seconds(passed))
    type_ = _text(error.get("type"), credential, longest=64) or "invalid_request_error"
    param = _text(error.get("param"), credential, longest=256) or None
    return Whole(status, _envelope(said, type_, param, code), {})


def retry_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """What a server says of when to try again, as far as it says so by the rules."""
    wait, again = headers.get("retry-after", "").strip(), headers.get("x-should-retry", "")
    told = {"retry-after": wait} if _RETRY_AFTER.fullmatch(wait) else {}
    if wait.isdecimal() and told:
        told["retry-after"] = str(min(int(wait), _LONGEST_WAIT))
    return told | ({"x-should-retry": again} if again in {"true", "false"} else {})


def _seconds(told: Mapping[str, str]) -> int:
    wait = told.get("retry-after", "")
    return int(wait) if wait.isdecimal() else 5


def _error(body: bytes) -> dict[str, Any] | None:
    try:
        error = parsed(body).get("error")
    except Unreadable:
        return None
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else None


def _text(value: Any, credential: OpenCredential, *, longest: int = _LONGEST) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**9 else ""
    return credential.redact(value)[:longest] if isinstance(value, str) else ""


def _envelope(message: str, type_: str, param: str | None, code: str | None) -> bytes:
    return msgspec.json.encode({"error": {"message": message, "type": type_, "param": param, "code": code}})
