"""Messages that are nearly OpenAI's, as Hugging Face's chat templates take them: arguments as objects, no ids."""

import json
from typing import Any

from service.datasets.conversion.examples import Example, Unconvertible


def is_foreign(row: Any) -> bool:
    """Whether a row with messages says in another way what OpenAI's format can say: it wants converting."""
    if not isinstance(row, dict) or not isinstance(row.get("messages"), list):
        return False
    if isinstance(row.get("tools"), str) or isinstance(row.get("system"), str):
        return True
    return any(_speaks_otherwise(message) or any(_is_loose(call) for call in _calls(message))
               for message in row["messages"] if isinstance(message, dict))


def mended(talk: list[Example]) -> list[Example]:
    """The messages with arguments as text and each call and result with its id. Raises Unconvertible."""
    made, unanswered, count = list[Example](), list[str](), 0
    for message in talk:
        whole = message
        if message.get("role") == "tool":
            whole = _answering(message, unanswered)
        elif unanswered:
            raise Unconvertible("a call without a result")
        elif calls := _calls(message):
            named = [_whole(call, f"call_{number}") for number, call in enumerate(calls, start=count + 1)]
            count += len(named)
            unanswered = [call["id"] for call in named]
            whole = {**message, "tool_calls": named}
        elif not message.get("tool_calls", True):
            whole = {name: value for name, value in message.items() if name != "tool_calls"}
        made.append(whole)
    return made


def _speaks_otherwise(message: Example) -> bool:
    return "role" not in message and "from" in message and "value" in message


def _calls(message: Example) -> list[Any]:
    calls = message.get("tool_calls")
    return calls if isinstance(calls, list) else []


def _is_loose(call: Any) -> bool:
    if not isinstance(call, dict):
        return False
    function = call.get("function")
    return "name" in call or (isinstance(function, dict) and isinstance(function.get("arguments"), dict))


def _whole(call: Any, spare_id: str) -> Example:
    if not isinstance(call, dict):
        raise Unconvertible("a call that is not an object")
    function = call.get("function", call if "name" in call else None)
    if not isinstance(function, dict):
        raise Unconvertible("a call without a function")
    if function is call:
        function = {name: call[name] for name in ("name", "arguments") if name in call}
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        text = "{}" if arguments is None else json.dumps(arguments, ensure_ascii=False, allow_nan=False)
        function = {**function, "arguments": text}
    elif call.get("id") and call.get("type"):
        return call
    return {"id": call.get("id") or spare_id, "type": "function", "function": function}


def _answering(message: Example, unanswered: list[Any]) -> Example:
    answered = message.get("tool_call_id")
    if answered is None:
        if not unanswered:
            raise Unconvertible("a result without a call")
        return {"role": "tool", "tool_call_id": unanswered.pop(0), "content": message.get("content")}
    if answered in unanswered:
        unanswered.remove(answered)
    return message
