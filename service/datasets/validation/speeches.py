"""What an example says, text by text, in the order in which a model reads it."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from service.datasets.validation.chat import is_trained
from service.datasets.validation.contents import text_of

Said = tuple[str, str, bool]
"""One text of an example: its role, the text, and whether it is trained."""


def _chat(value: dict[str, Any]) -> list[Said]:
    return [*_tools(value), *_messages(value["messages"], trains=True)]


def _preference(value: dict[str, Any]) -> list[Said]:
    asked, (better,), (worse,) = value["input"], value["preferred_output"], value["non_preferred_output"]
    return [*_tools(asked), *_messages(asked["messages"], trains=False),
            ("preferred", _whole(better), True), ("non_preferred", _whole(worse), True)]


def _reinforcement(value: dict[str, Any]) -> list[Said]:
    return [*_tools(value), *_messages(value["messages"], trains=False)]


def _completion(value: dict[str, Any]) -> list[Said]:
    return [("prompt", _text(value["prompt"]), False), ("completion", _text(value["completion"]), True)]


SPEECHES: dict[str, Callable[[dict[str, Any]], list[Said]]] = {
    "chat": _chat, "preference": _preference, "reinforcement": _reinforcement, "completion": _completion}


def _tools(value: dict[str, Any]) -> Iterator[Said]:
    for key in ("tools", "functions"):
        if value.get(key):
            yield "tools", _compact(value[key]), False


def _messages(messages: list[dict[str, Any]], *, trains: bool) -> Iterator[Said]:
    for message in messages:
        trained = trains and is_trained(message)
        yield _text(message["role"]), _words(message), trained
        for call in _calls(message):
            yield "call", call, trained


def _words(message: dict[str, Any]) -> str:
    return text_of(message.get("content")) + (message.get("refusal") or "")


def _calls(message: dict[str, Any]) -> Iterator[str]:
    """Each call as JSON, its arguments as the customer wrote them."""
    called = [call["function"] for call in message.get("tool_calls") or ()]
    if older := message.get("function_call"):
        called.append(older)
    for call in called:
        yield f'{{"name":{_compact(call["name"])},"arguments":{call["arguments"]}}}'


def _whole(message: dict[str, Any]) -> str:
    """An output of a pair in one text, with its calls."""
    return "\n".join(part for part in (_words(message), *_calls(message)) if part)


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
