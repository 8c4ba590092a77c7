"""Finds tool calls in what a model says, in the `<tool_call>` convention of Hermes, Qwen and SmolLM2."""

import json
import secrets
from typing import Any

from . import wire

OPEN, CLOSE = "<tool_call>", "</tool_call>"


def parse(text: str) -> list[wire.ToolCall] | None:
    """The calls in text that begins after an opening tag, or None if it is not what it seemed.

    Each block holds one call `{"name", "arguments"}` or a list of them; the last closing tag may be missing.
    """
    calls: list[wire.ToolCall] = []
    for block in text.split(OPEN):
        inside, _, _ = block.partition(CLOSE)
        try:
            found = json.loads(inside)
        except (ValueError, RecursionError):
            return None
        for item in found if isinstance(found, list) else [found]:
            call = _call(item)
            if call is None:
                return None
            calls.append(call)
    return calls or None


def _call(item: Any) -> wire.ToolCall | None:
    if not isinstance(item, dict) or not isinstance(item.get("name"), str):
        return None
    arguments = item.get("arguments", item.get("parameters", {}))
    written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return wire.ToolCall(f"call_{secrets.token_hex(12)}", wire.FunctionCall(item["name"], written))
