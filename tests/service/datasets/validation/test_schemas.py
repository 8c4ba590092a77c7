"""Schemas that strangers wrote: none is fetched, none hangs, none crashes, and good ones are held against arguments."""

import json
from typing import Any

import pytest

from service.datasets.validation.findings import Finding
from service.datasets.validation.formats import check
from service.datasets.validation.schemas import laxity, parameters_of


def called(schema: Any, arguments: Any, *, times: int = 1) -> list[Finding]:
    """The findings of an example that declares a function and calls it."""
    calls = [{"id": f"c{number}", "type": "function", "function": {"name": "f", "arguments": json.dumps(arguments)}}
             for number in range(times)]
    example = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "tool_calls": calls}],
               "tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]}
    return check(json.dumps(example).encode(), 1, "chat")


def kinds(findings: list[Finding]) -> set[str]:
    return {finding.kind for finding in findings}


def of(schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}}


NODE = {"type": "object", "properties": {"left": {"$ref": "#/$defs/node"}, "right": {"$ref": "#/$defs/node"},
                                         "value": {"type": "integer"}}}
TREE = {"type": "object", "properties": {"a": {"$ref": "#/$defs/node"}}, "$defs": {"node": NODE}}


def chain(keyword: str, levels: int) -> dict[str, Any]:
    """Each definition names the next one twice: 2 to the power of `levels` at the end."""
    defs: dict[str, Any] = {f"d{level}": {keyword: [{"$ref": f"#/$defs/d{level + 1}"}] * 2} for level in range(levels)}
    return {"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}},
            "$defs": {**defs, f"d{levels}": {"type": "integer"}}}


def unevaluated(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {}}}
    for _ in range(levels):
        schema = {"allOf": [schema], "unevaluatedProperties": False}
    return schema


@pytest.mark.parametrize(("schema", "good", "bad"), [
    (of({"type": "string", "enum": ["x", "y"]}), {"a": "x"}, {"a": "z"}),
    (of({"type": "integer", "minimum": 1}), {"a": 1}, {"a": 0}),
    (of({"type": "array", "items": {"type": "number"}, "maxItems": 2}), {"a": [1, 2.5]}, {"a": [1, 2, 3]}),
    (of({"pattern": "^[0-9]+$"}), {"a": "12"}, {"a": "x"}),
    (of({"pattern": "^(?!x)"}), {"a": "y"}, {"a": "x"}),
    (of({"anyOf": [{"type": "null"}, {"type": "string"}]}), {"a": None}, {"a": 5}),
    ({**of({}), "required": ["a"], "additionalProperties": False}, {"a": 1}, {}),
    ({**of({}), "$schema": "http://json-schema.org/draft-07/schema#", "required": ["a"]}, {"a": 1}, {}),
    (TREE, {"a": {"left": {"right": {"value": 5}}}}, {"a": {"left": {"right": {"value": "x"}}}}),
    (chain("allOf", 5), {"a": 1}, {"a": "x"}),
])
def test_arguments_are_valid_or_not(schema: Any, good: Any, bad: Any) -> None:
    assert called(schema, good) == []
    assert kinds(called(schema, bad)) == {"arguments_do_not_fit"}


@pytest.mark.parametrize(("schema", "kind"), [
    (of({"$ref": "https://example.com/schema.json"}), "outside_reference"),
    (of({"$ref": "file:///etc/passwd"}), "outside_reference"),
    (of({"$ref": "#/$defs/missing"}), "outside_reference"),
    (of({"$ref": "#/properties/a/enum/99999999999"}), "outside_reference"),
    ({"$schema": "https://example.com/schema.json", "type": "object"}, "invalid_schema"),
    (of({"type": "float"}), "invalid_schema"),
    (of({"type": "string", "required": True}), "invalid_schema"),
    (of({"pattern": "("}), "invalid_schema"),
    (of({"pattern": "(?=x)("}), "invalid_schema"),
    ({"type": "array"}, "invalid_schema"),
])
def test_a_broken_schema_is_told_and_nothing_is_fetched(schema: Any, kind: str) -> None:
    assert kind in kinds(called(schema, {"a": 1}))


@pytest.mark.parametrize(("schema", "arguments"), [
    (chain("allOf", 30), {"a": 1}),
    (chain("anyOf", 30), {"a": "x"}),
    (unevaluated(25), {"a": 1}),
    ({"type": "object", "$defs": {"x": {"allOf": [of({"$ref": "#/$defs/x"})] * 4}}, "$ref": "#/$defs/x"},
     json.loads('{"a":' * 55 + "1" + "}" * 55)),
    (of({"$dynamicRef": "#x"}), {"a": 1}),
    ({"type": "object", "properties": {"a": {"$id": "https://example.com/x", "$ref": "#"}}}, {"a": 1}),
    (of({"allOf": [{"pattern": f"x{number}"} for number in range(65)]}), {"a": "x"}),
    (of({"enum": [f"value {number}" for number in range(10_000)]}), {"a": "x"}),
    (of({"pattern": "(?=.*a)(?=.*b)^([ab]*a[ab]{12})+c$"}), {"a": "ab" * 50_000}),
    (of({"pattern": "^(?:[ab]*a[ab]{12}){50}$"}), {"a": "ab" * 100_000}),
])
def test_a_schema_that_would_take_for_ever_is_not_used(schema: Any, arguments: Any) -> None:
    assert kinds(called(schema, arguments)) == {"unchecked_arguments"}


@pytest.mark.parametrize(("schema", "arguments"), [
    ({"$ref": "#"}, {"a": 1}),
    ({"type": "object", "allOf": [{"$ref": "#"}, {"$ref": "#"}]}, {"a": 1}),
    (of({"pattern": "^(a+)+$"}), {"a": "a" * 5_000 + "b"}),
    (of({"pattern": r"^(a+)+\1(?=c)$"}), {"a": "a" * 40 + "b"}),
    (of({"pattern": "(a{1000}){1000}"}), {"a": "a"}),
    (of({"const": 10**300}), {"a": 10**300}),
    (of({"description": "\ud800"}), {"a": "\udfff"}),
    (of({"minimum": 0.1, "multipleOf": 1e-300}), {"a": 1e300}),
    ({"properties": {"$ref": {"type": "string"}, "$id": {}, "pattern": {}, "unevaluatedItems": {}}}, {"$ref": "x"}),
])
def test_no_schema_breaks_the_check(schema: Any, arguments: Any) -> None:
    for finding in called(schema, arguments, times=20):
        finding.message.encode()


def test_calls_of_one_line_share_its_budget() -> None:
    findings = called(of({"pattern": "(?=a)^([ab]*a[ab]{12})+c$"}), {"a": "ab" * 1_000}, times=200)
    assert kinds(findings) <= {"unchecked_arguments", "arguments_do_not_fit"}
    assert "unchecked_arguments" in kinds(findings)


def test_a_schema_is_compiled_once() -> None:
    assert parameters_of(of({"type": "string"})) is parameters_of(of({"type": "string"}))


def test_what_is_held_is_bounded() -> None:
    """Each of these takes 16 MB by our count; more than a few are never held together."""
    first = parameters_of(of({"anyOf": [{"pattern": f"a{number}"} for number in range(64)]}))
    for other in range(8):
        parameters_of(of({"anyOf": [{"pattern": f"b{other}{number}"} for number in range(64)]}))
    assert parameters_of(of({"anyOf": [{"pattern": f"a{number}"} for number in range(64)]})) is not first


@pytest.mark.parametrize(("schema", "problem"), [
    (None, "the parameters must be of type object"),
    ({"type": "object", "properties": {}}, "the parameters must have additionalProperties false"),
    ({**of({}), "additionalProperties": False, "required": []}, "the parameters must require 'a'"),
    ({**of({"type": "object"}), "additionalProperties": False, "required": ["a"]},
     "'a' must have additionalProperties false"),
    ({**of({"items": {"type": "object"}}), "additionalProperties": False, "required": ["a"]},
     "what is inside must have additionalProperties false"),
    ({**of({"anyOf": [{"type": "null"}]}), "additionalProperties": False, "required": ["a"]}, None),
    ({**of({}), "additionalProperties": False, "required": ["a"], "$defs": {"d": {"type": "object"}}},
     "'d' must have additionalProperties false"),
])
def test_strict_mode_has_its_demands(schema: Any, problem: str | None) -> None:
    assert laxity(schema) == problem
