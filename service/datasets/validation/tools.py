"""The rules of tools in an example: how they are declared and what a call of them looks like."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from service.datasets.validation.findings import Finding, Place, shown, unknown_keys
from service.datasets.validation.schemas import Known, Parameters, laxity, parameters_of

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NAME_RULE = "1 to 64 letters, digits, underscores and hyphens."
_MOST = 128
_FUNCTION_KEYS = {"tools": {"name", "description", "parameters", "strict"},
                  "functions": {"name", "description", "parameters"}}


@dataclass(slots=True)
class Declared:
    """The functions of an example, and what is wrong with how they are declared."""

    functions: dict[str, Parameters | None] = field(default_factory=dict)
    "By name; None for one that takes no arguments or says nothing usable about them."
    findings: list[Finding] = field(default_factory=list)

    def add(self, name: Any, parameters: Parameters | None, at: Place) -> None:
        if not isinstance(name, str):
            return
        if name in self.functions:
            self.findings.append(at.inside("name").warning(
                "duplicate_tool", f"declares '{shown(name)}' more than once.", "Give each function a name of its own."))
        self.functions[name] = parameters


def declared(example: dict[str, Any], place: Place, *, older: bool = True) -> Declared:
    """`tools`, and with `older` also `functions`, of an example."""
    if "functions" not in example or not older:
        if (tools := example.get("tools")) is None:
            return Declared()
        try:
            if (known := _faultless(tools)) is not None:
                return known
        except (UnicodeEncodeError, RecursionError):  # the rules of texts tell of it
            pass
    return _declared(example, place, older=older)


def _declared(example: dict[str, Any], place: Place, *, older: bool) -> Declared:
    found = Declared()
    for key in ("tools", "functions") if older else ("tools",):
        listed = example.get(key)
        if listed is None:
            continue
        at = place.inside(key)
        least = 1 if key == "functions" else 0
        if not isinstance(listed, list) or not least <= len(listed) <= _MOST:
            found.findings.append(at.error("invalid_tools", f"has '{key}' that is not a list of at most {_MOST}."))
            continue
        for index, each in enumerate(listed):
            (_tool if key == "tools" else _function)(each, at.inside(index), found)
    return found


def _without_fault(tools: Any, length: int) -> tuple[Declared | None, int]:
    """Tools that nothing is wrong with are the same on many lines."""
    found = _declared({"tools": tools}, Place.example(0), older=False)
    weight = length + 100 + sum(each.weight for each in found.functions.values() if each is not None)
    return (None if found.findings else found), weight


_faultless = Known(_without_fault)


def check_calls(message: dict[str, Any], at: Place) -> Iterator[Finding]:
    """What is wrong with how an assistant message calls."""
    calls, call = message.get("tool_calls"), message.get("function_call")
    if calls is not None:
        if not isinstance(calls, list) or not calls:
            yield at.inside("tool_calls").error("invalid_tool_call", "has 'tool_calls' that is not a list of calls.")
        else:
            for index, each in enumerate(calls):
                yield from _tool_call(each, at.inside("tool_calls").inside(index))
    if call is not None:
        yield from _call(call, at.inside("function_call"))


def _tool(tool: Any, at: Place, found: Declared) -> None:
    if not isinstance(tool, dict) or tool.get("type") != "function":
        hint = None
        if isinstance(tool, dict) and "name" in tool:
            hint = 'A tool is {"type": "function", "function": {"name": ...}}.'
        found.findings.append(at.error("invalid_tools", "has a tool whose 'type' is not \"function\".", hint))
        return
    found.findings += unknown_keys(tool, {"type", "function"}, at)
    _function(tool.get("function"), at.inside("function"), found, _FUNCTION_KEYS["tools"])


def _function(function: Any, at: Place, found: Declared, keys: set[str] = _FUNCTION_KEYS["functions"]) -> None:
    if not isinstance(function, dict):
        found.findings.append(at.error("invalid_tools", "declares a function that is not a dictionary."))
        return
    found.findings += unknown_keys(function, keys, at)
    name = function.get("name")
    if not _is_name(name):
        found.findings.append(at.inside("name").error(
            "invalid_tools", f"declares a function whose name is something else than {_NAME_RULE}"))
    if not isinstance(function.get("description"), str | None):
        found.findings.append(at.inside("description").error(
            "invalid_tools", "declares a function whose 'description' is not a string."))
    found.add(name, _parameters(function, at.inside("parameters"), found), at)
    if not isinstance(strict := function.get("strict"), bool | None):
        found.findings.append(at.inside("strict").error(
            "invalid_tools", "declares a function whose 'strict' is not true or false."))
    elif strict and (problem := laxity(function.get("parameters"))):
        found.findings.append(at.inside("parameters").warning(
            "not_strict", f"declares a strict function, but {problem}.", "Or leave 'strict' away."))


def _parameters(function: dict[str, Any], at: Place, found: Declared) -> Parameters | None:
    schema = function.get("parameters")
    if not isinstance(schema, dict | None):
        found.findings.append(at.error(
            "invalid_tools", "declares a function whose 'parameters' are not a JSON Schema object.",
            "They are an object, not JSON in a string." if isinstance(schema, str) else None))
        return None
    if not schema:
        return None
    parameters = parameters_of(schema)
    if parameters.outside is not None:
        found.findings.append(at.warning(
            "outside_reference", f"declares parameters that refer to '{shown(parameters.outside)}', which is not in"
            " them.", "Nothing is fetched. Write the schema out where it is used."))
    elif parameters.problem is not None:
        found.findings.append(at.warning(
            "invalid_schema", f"declares parameters that are no JSON Schema: {parameters.problem}.",
            "OpenAI refuses such tools; their arguments cannot be checked."))
    elif "type" in schema and schema["type"] != "object":
        found.findings.append(at.inside("type").warning(
            "invalid_schema", "declares parameters that are not of type object.", "Arguments are always an object."))
    return parameters


def _tool_call(call: Any, at: Place) -> Iterator[Finding]:
    if not isinstance(call, dict) or call.get("type") != "function":
        yield at.error("invalid_tool_call", "has a tool call whose 'type' is not \"function\".")
        return
    yield from unknown_keys(call, {"id", "type", "function"}, at)
    if not isinstance(call.get("id"), str):
        yield at.inside("id").error("invalid_tool_call", "has a tool call without an 'id'.")
    yield from _call(call.get("function"), at.inside("function"))


def _call(call: Any, at: Place) -> Iterator[Finding]:
    if not isinstance(call, dict):
        yield at.error("invalid_tool_call", "has a call without a function.")
        return
    yield from unknown_keys(call, {"name", "arguments"}, at)
    if not _is_name(call.get("name")):
        yield at.inside("name").error("invalid_tool_call", f"calls a function whose name is something else than"
                                                           f" {_NAME_RULE}")
    if not isinstance(call.get("arguments"), str):
        yield at.inside("arguments").error("invalid_tool_call", "has a call whose 'arguments' are not a string.",
                                           'Arguments are JSON in a string: "{\\"city\\": \\"Paris\\"}".')


def _is_name(name: Any) -> bool:
    return isinstance(name, str) and _NAME.fullmatch(name) is not None
