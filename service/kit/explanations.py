"""Says what is wrong with a value in OpenAI's words, with the place and the code that its clients look for."""

import re
from collections.abc import Sequence
from typing import Any

from service.kit.errors import InvalidRequest

SHOWN = 100
"""Longest part of a caller's value that a message repeats, in characters."""


def unparsable(why: str) -> InvalidRequest:
    return InvalidRequest("We could not parse the JSON body of your request. (HINT: This likely means you"
                          " aren't using your HTTP library correctly. The API expects a JSON payload, but what"
                          f" was sent was not valid JSON: {why}.)")


def explain(error: Any) -> InvalidRequest:
    """One pydantic error in OpenAI's words, with its `param` and `code`.

    Param and code are as recorded from the real API where it was seen to refuse the same thing.
    """
    kind: str = error["type"]
    context: dict[str, Any] = error.get("ctx", {})
    got = error.get("input")
    where = _place(error["loc"])
    if kind == "json_invalid":
        return unparsable(context.get("error", ""))
    if kind == "missing":
        return _missing(where)
    if kind == "extra_forbidden":
        return InvalidRequest(f"Unknown parameter: '{where}'.", param=where, code="unknown_parameter")
    if kind.endswith("too_long") and error["loc"][-1] == "[key]":
        return _long_name(where, context["max_length"], str(got))
    if kind in _BOUNDS:
        text, code = _BOUNDS[kind](context, got)
        return InvalidRequest(f"Invalid '{where}': {text}", param=where, code=code)
    return _misfit(error, where, got)


def _long_name(where: str, limit: int, name: str) -> InvalidRequest:
    within = where.partition(".")[0]
    return InvalidRequest(f"Invalid property name in '{within}': '{name[:3]}...{name[-3:]}' is too long. Expected a"
                          f" string with maximum length {limit}, but got a string with length {len(name)} instead.",
                          param=where, code="property_name_above_max_length")


def _misfit(error: Any, where: str, got: object) -> InvalidRequest:
    kind: str = error["type"]
    if kind in _CHOICES:
        return _not_among(where, kind, error["ctx"], got)
    expected = _expected(kind)
    if expected is not None:
        at = f" for '{where}'" if where else " of the request body"
        return InvalidRequest(f"Invalid type{at}: expected {expected}, but got {json_type(got)} instead.",
                              param=where or None, code="invalid_type")
    message = _UNSTORABLE if kind == "string_unicode" else error["msg"].removeprefix("Value error, ")
    return InvalidRequest(f"Invalid '{where}': {message}.", param=where or None, code="invalid_value")


def _place(location: Sequence[Any]) -> str:
    """Where in the request, as OpenAI writes it: messages[0].role. The first part (body, query…) is not told."""
    path = ""
    for part in location[1:]:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != "[key]":  # pydantic's mark for a mapping's key; the key itself stands before it
            path += f".{part}" if path else str(part)
    return path[:SHOWN]


def _missing(where: str) -> InvalidRequest:
    if not where:
        return InvalidRequest("The request needs a JSON body, and none was sent.")
    return InvalidRequest(f"Missing required parameter: '{where}'.", param=where, code="missing_required_parameter")


def _not_among(where: str, kind: str, context: dict[str, Any], got: object) -> InvalidRequest:
    if kind == "union_tag_not_found":
        return _missing(f"{where}.{context['discriminator'].strip(chr(39))}".lstrip("."))
    values = re.findall("'[^']*'", context.get("expected") or context["expected_tags"])
    shown = context.get("tag", got)
    if not isinstance(shown, str):
        return InvalidRequest(f"Invalid type for '{where}': expected one of {_listed(values, 'or')}, but got"
                              f" {json_type(shown)} instead.", param=where, code="invalid_type")
    return InvalidRequest(f"Invalid value: '{shown[:SHOWN]}'. Supported values are: {_listed(values, 'and')}.",
                          param=where, code="invalid_value")


def _listed(values: list[str], link: str) -> str:
    """'a' | 'a' and 'b' | 'a', 'b', and 'c'."""
    if len(values) < 3:
        return f" {link} ".join(values)
    return f"{', '.join(values[:-1])}, {link} {values[-1]}"


_CHOICES = ("literal_error", "enum", "union_tag_invalid", "union_tag_not_found")
_UNSTORABLE = "contains an unpaired surrogate, which is not valid Unicode"
_EXPECTED = {"string": "a string", "int": "an integer", "float": "a decimal", "bool": "a boolean",
             "list": "an array", "dict": "an object", "model": "an object", "tuple": "an array",
             "finite": "a finite decimal"}


def _expected(kind: str) -> str | None:
    """What a type error of pydantic's wanted, or None if `kind` is no such error."""
    name, _, rest = kind.partition("_")
    if name in _EXPECTED and rest in ("type", "attributes_type", "parsing", "parsing_size", "from_float", "number"):
        return _EXPECTED[name]
    return f"a valid {name}" if kind.endswith(("_type", "_parsing")) else None


def _limit(side: str, sign: str, bound: str) -> Any:
    """`side` is "above max" or "below min"."""
    def told(context: dict[str, Any], got: object) -> tuple[str, str]:
        edge = context[bound]
        kind = "decimal" if isinstance(edge, float) or sign in "<>" else "integer"  # no integer needs an open end
        shown = f"{edge:g}" if isinstance(edge, float) else str(edge)
        return (f"{kind} {side}imum value. Expected a value {sign} {shown}, but got {str(got)[:40]} instead.",
                f"{kind}_{side.replace(' ', '_')}_value")
    return told


def _length(side: str) -> Any:
    """`side` is "above max" or "below min"; strings, arrays and objects are measured alike and told apart."""
    many, long, at, bound = (("too many", "too long", "at most", "max") if side == "above max" else
                             ("too few", "too short", "at least", "min"))

    def told(context: dict[str, Any], got: Any) -> tuple[str, str]:
        edge, size = context[f"{bound}_length"], len(got)
        if isinstance(got, dict):
            expected = f"Expected an object with {at} {edge} properties, but got an object with {size} properties"
            return f"{many} properties. {expected} instead.", f"object_{side.replace(' ', '_')}_properties"
        thing, article = ("string", "a") if isinstance(got, str) else ("array", "an")
        expected = f"Expected {article} {thing} with {bound}imum length {edge}, but got"
        if not got:
            return f"empty {thing}. {expected} an empty {thing} instead.", f"empty_{thing}"
        return (f"{thing} {long}. {expected} {article} {thing} with length {size} instead.",
                f"{thing}_{side.replace(' ', '_')}_length")
    return told


_BOUNDS: dict[str, Any] = {
    "greater_than_equal": _limit("below min", ">=", "ge"), "greater_than": _limit("below min", ">", "gt"),
    "less_than_equal": _limit("above max", "<=", "le"), "less_than": _limit("above max", "<", "lt"),
    "string_too_long": _length("above max"), "too_long": _length("above max"),
    "string_too_short": _length("below min"), "too_short": _length("below min"),
}


def json_type(value: object) -> str:
    """What JSON calls the type of `value`, with its article."""
    names: list[tuple[type, str]] = [(bool, "a boolean"), (int, "an integer"), (float, "a decimal number"),
                                     (str, "a string"), (list, "an array"), (dict, "an object")]
    return next((name for kind, name in names if isinstance(value, kind)), "null")
