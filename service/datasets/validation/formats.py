"""The formats of training data: which one a file is in, what is wrong with a line, and what a line says."""

import json
from collections.abc import Sequence
from typing import Literal

from service.datasets.validation.chat import explain
from service.datasets.validation.findings import Finding

Format = Literal["chat", "preference", "reinforcement", "completion"]
Said = tuple[str, str, bool]


def detect(lines: Sequence[bytes]) -> Format | None:
    """The format that a file's first lines look like."""
    return "chat" if any(b'"messages"' in line for line in lines) else None


def check(line: bytes, number: int, format: Format) -> list[Finding]:  # noqa: A002, ARG001
    return explain(line, number)


def read(line: bytes, format: Format) -> list[Said] | None:  # noqa: A002
    """The texts of a line without errors."""
    try:
        value = json.loads(line)
        if format == "preference":
            return [*_messages(value["input"]),
                    ("preferred", value["preferred_output"][0]["content"], True),
                    ("non_preferred", value["non_preferred_output"][0]["content"], False)]
        if format == "completion":
            return [("prompt", value["prompt"], False), ("completion", value["completion"], True)]
        return _messages(value)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _messages(value: dict) -> list[Said]:  # type: ignore[type-arg]
    said: list[Said] = []
    if value.get("tools"):
        said.append(("tools", json.dumps(value["tools"], separators=(",", ":"), ensure_ascii=False), False))
    for message in value["messages"]:
        content, trained = message.get("content"), message["role"] == "assistant" and message.get("weight", 1) != 0
        if isinstance(content, list):
            content = "".join(part.get("text", "") for part in content)
        said.append((message["role"], content or "", trained))
        for call in message.get("tool_calls") or ():
            function = call["function"]
            said.append(("call", json.dumps([function["name"], function["arguments"]], separators=(",", ":"), ensure_ascii=False), trained))
    return said
