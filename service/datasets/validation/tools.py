"""The rules of tools in an example: how they are declared, called and answered."""

import json
import re
from collections.abc import Iterator
from typing import Any

from service.datasets.validation.findings import Finding, Place, shown

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_MOST = 128


def declared(example: dict[str, Any], place: Place) -> Iterator[Finding]:
    """What is wrong with `tools` and the older `functions` of an example."""
    for key in ("tools", "functions"):
        listed = example.get(key)
        if listed is None:
            continue
        at = place.inside(key)
        if not isinstance(listed, list) or len(listed) > _MOST:
            yield at.error("invalid_tools", f"has '{key}' that is not a list of at most {_MOST}.")
            continue
        for index, each in enumerate(listed):
            yield from (_tool if key == "tools" else _function)(each, at.inside(index))


def names(example: dict[str, Any]) -> set[str]:
    """The names of all functions that an example declares well enough."""
    tools, functions = example.get("tools"), example.get("functions")
    found = [tool.get("function") for tool in tools if isinstance(tool, dict)] if isinstance(tools, list) else []
    found += functions if isinstance(functions, list) else []
    return {each["name"] for each in found if isinstance(each, dict) and isinstance(each.get("name"), str)}


def called(message: dict[str, Any], at: Place) -> Iterator[Finding]:
    """What is wrong with the calls of an assistant message."""
    calls, call = message.get("tool_calls"), message.get("function_call")
    if calls is not None:
        if not isinstance(calls, list) or not calls:
            yield at.inside("tool_calls").error("invalid_tool_call", "has 'tool_calls' that is not a list of calls.")
        else:
            for index, each in enumerate(calls):
                yield from _tool_call(each, at.inside("tool_calls").inside(index))
    if call is not None:
        yield from _call(call, at.inside("function_call"))


def calls_and_answers(messages: list[Any], known: set[str], place: Place) -> Iterator[Finding]:
    """Calls of what nobody declared, and answers to what nobody called."""
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        at = place.message(index)
        if not isinstance(message, dict):
            continue
        for name, call_id in _calls(message):
            open_calls.add(call_id)
            if known and name not in known:
                yield at.warning("undeclared_tool", f"calls '{shown(name)}', which 'tools' does not declare.")
        answered = message.get("tool_call_id")
        if message.get("role") == "tool" and isinstance(answered, str) and answered not in open_calls:
            yield at.inside("tool_call_id").warning(
                "unanswered_call", f"answers the call '{shown(answered)}', which no message before it makes.")


def _calls(message: dict[str, Any]) -> Iterator[tuple[str, str]]:
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            yield function["name"], str(call.get("id"))


def _tool(tool: Any, at: Place) -> Iterator[Finding]:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        yield at.error("invalid_tools", "has a tool whose 'type' is not \"function\".")
        return
    yield from _extra(tool, {"type", "function"}, at)
    yield from _function(tool.get("function"), at.inside("function"))


def _function(function: Any, at: Place) -> Iterator[Finding]:
    if not isinstance(function, dict):
        yield at.error("invalid_tools", "declares a function that is not a dictionary.")
        return
    yield from _extra(function, {"name", "description", "parameters", "strict"}, at)
    yield from _name(function.get("name"), at)
    if not isinstance(function.get("description"), str | None):
        yield at.inside("description").error("invalid_tools",
                                             "declares a function whose 'description' is not a string.")
    if not isinstance(function.get("parameters"), dict | None):
        yield at.inside("parameters").error("invalid_tools",
                                            "declares a function whose 'parameters' are not a JSON Schema object.")
    if not isinstance(function.get("strict"), bool | None):
        yield at.inside("strict").error("invalid_tools", "declares a function whose 'strict' is not true or false.")


def _tool_call(call: Any, at: Place) -> Iterator[Finding]:
    if not isinstance(call, dict) or call.get("type") != "function":
        yield at.error("invalid_tool_call", "has a tool call whose 'type' is not \"function\".")
        return
    yield from _extra(call, {"id", "type", "function"}, at)
    if not isinstance(call.get("id"), str):
        yield at.error("invalid_tool_call", "has a tool call without an 'id'.")
    yield from _call(call.get("function"), at.inside("function"))


def _call(call: Any, at: Place) -> Iterator[Finding]:
    if not isinstance(call, dict):
        yield at.error("invalid_tool_call", "has a call without a function.")
        return
    yield from _extra(call, {"name", "arguments"}, at)
    yield from _name(call.get("name"), at)
    arguments = call.get("arguments")
    if not isinstance(arguments, str):
        yield at.inside("arguments").error("invalid_tool_call", "has a call whose 'arguments' are not a string.",
                                        'Arguments are JSON in a string: "{\\"city\\": \\"Paris\\"}".')
    elif not _is_json(arguments):
        yield at.inside("arguments").warning("arguments_not_json", "has a call whose 'arguments' are not valid JSON.",
                                          "The model learns to write what stands there.")


def _name(name: Any, at: Place) -> Iterator[Finding]:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        yield at.inside("name").error("invalid_tools", "names a function with something else than 1 to 64 letters,"
                                                       " digits, underscores and hyphens.")


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _extra(value: dict[str, Any], known: set[str], at: Place) -> Iterator[Finding]:
    for key in value:
        if key not in known:
            yield at.inside(key).error("unknown_key", f'contains an extra "{shown(key)}".')
