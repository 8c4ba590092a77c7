"""Turns the bytes of a request body into a checked request, or into the refusal OpenAI would give.

Nothing that arrives may raise anything but a `Refusal`: broken UTF-8, NaN, lone surrogates, numbers of a
thousand digits and brackets nested a million deep all end in a 400 here.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from . import wire
from .refusals import Refusal, invalid, unsupported

T = TypeVar("T")

MAX_STOPS = 4
MAX_TOP_LOGPROBS = 20
_MISMATCH = re.compile(r"^Expected `(?P<want>[^`]+)`, got `(?P<got>[^`]+)`(?: - at `\$?(?P<path>[^`]*)`)?$")
_MISSING = re.compile(r"^Object missing required field `(?P<field>[^`]+)`(?: - at `\$?(?P<path>[^`]*)`)?$")
_KINDS = {"str": "a string", "int": "an integer", "float": "a number", "bool": "a boolean",
          "object": "an object", "array": "an array", "null": "null"}  # fmt: skip


def decode(body: bytes, content_type: str) -> dict[str, Any]:
    """The JSON object in a body; NaN, lone surrogates and bottomless nesting are refused."""
    if content_type.partition(";")[0].strip().lower() not in {"application/json", ""}:
        raise invalid(f"Unsupported content type: '{content_type[:100]}'. This API expects 'application/json'.")
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, ValueError) as problem:
        message = "We could not parse the JSON body of your request. The API expects a JSON payload"
        raise invalid(f"{message}, but got: {str(problem)[:200]}.") from None
    if not isinstance(document, dict):
        raise invalid("Invalid type for request body: expected an object.", code="invalid_type")
    return document


def command(document: Mapping[str, Any], shape: type[T]) -> T:
    """A load or unload request; unknown fields are ignored, as vLLM does."""
    return _convert(document, shape)


def chat(document: dict[str, Any]) -> wire.ChatRequest:
    """A chat request whose every parameter is one this server serves, within OpenAI's ranges."""
    known = {field.name for field in msgspec.structs.fields(wire.ChatRequest)} | wire.HARMLESS
    for name in document:
        if name not in known:
            raise invalid(f"Unrecognized request argument supplied: {name[:100]}")
    _no_unknown_message_fields(document.get("messages"))
    request = _convert({k: v for k, v in document.items() if k not in wire.HARMLESS}, wire.ChatRequest)
    for index, tool in enumerate(request.tools or []):
        _convert(tool, wire.Tool, within=f"tools[{index}]")
    _check_choices(request)
    _check_ranges(request)
    _check_stop(request)
    if not request.messages:
        raise invalid("Invalid 'messages': empty array. Expected at least one message.", param="messages",
                      code="empty_array")  # fmt: skip
    return request


def _no_unknown_message_fields(messages: Any) -> None:
    """Fields of echoed answers that mean nothing to a text model are dropped if null, refused otherwise."""
    known = {field.name for field in msgspec.structs.fields(wire.Message)}
    for index, message in enumerate(messages if isinstance(messages, list) else []):
        for name in list(message) if isinstance(message, dict) else []:
            if name not in known and message[name] not in (None, []):
                param = f"messages[{index}].{name[:100]}"
                raise invalid(f"Unknown parameter: '{param}'.", param=param, code="unknown_parameter")


def _convert(document: Mapping[str, Any], shape: type[T], *, within: str = "") -> T:
    try:
        return msgspec.convert(document, shape, strict=True)
    except msgspec.ValidationError as problem:
        raise _explain(str(problem), within) from None
    except (RecursionError, OverflowError, ValueError) as problem:
        raise invalid(f"Invalid request: {str(problem)[:200]}.") from None


def _explain(problem: str, within: str) -> Refusal:
    """OpenAI's words for what msgspec says about a path such as `$.messages[0].role`."""
    if match := _MISSING.match(problem):
        param = f"{within}{match['path'] or ''}.{match['field']}".lstrip(".")
        return invalid(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")
    if match := _MISMATCH.match(problem):
        param = f"{within}{match['path'] or ''}".lstrip(".")
        want = " or ".join(_KINDS.get(kind.strip(), kind) for kind in match["want"].split("|"))
        got = _KINDS.get(match["got"], match["got"])
        message = f"Invalid type for '{param}': expected {want}, but got {got} instead."
        return invalid(message, param=param, code="invalid_type")
    text, _, path = problem.partition(" - at `$")
    param = f"{within}{path.rstrip('`')}".lstrip(".")
    return invalid(f"Invalid value for '{param}': {text[:200]}.", param=param or None, code="invalid_value")


def _check_choices(request: wire.ChatRequest) -> None:
    if request.n not in (None, 1):
        raise unsupported("n", "Only one choice per request is served (n=1).")
    if request.response_format is not None and request.response_format.type != "text":
        raise unsupported("response_format", "Only {'type': 'text'} is served.")
    if request.tool_choice not in (None, "auto", "none"):
        raise unsupported("tool_choice", "Only 'auto' and 'none' are served.")
    if request.stream_options is not None and not request.stream:
        raise invalid("The 'stream_options' parameter is only allowed when 'stream' is enabled.",
                      param="stream_options")  # fmt: skip
    if request.top_logprobs is not None and not request.logprobs:
        raise invalid("The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.",
                      param="top_logprobs")  # fmt: skip
    if request.max_tokens is not None and request.max_completion_tokens is not None:
        raise invalid("Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.",
                      param="max_tokens")  # fmt: skip


def _check_ranges(request: wire.ChatRequest) -> None:
    _within("temperature", request.temperature, 0.0, 2.0)
    _within("top_p", request.top_p, 0.0, 1.0)
    _within("presence_penalty", request.presence_penalty, -2.0, 2.0)
    _within("frequency_penalty", request.frequency_penalty, -2.0, 2.0)
    _within("top_logprobs", request.top_logprobs, 0, MAX_TOP_LOGPROBS)
    _within("max_tokens", request.max_tokens, 1, None)
    _within("max_completion_tokens", request.max_completion_tokens, 1, None)
    _within("seed", request.seed, -(2**63), 2**63 - 1)


def _within(param: str, value: float | None, low: float, high: float | None) -> None:
    if value is None:
        return
    kind = "integer" if isinstance(value, int) else "decimal"
    if isinstance(value, float) and not math.isfinite(value):
        raise invalid(f"Invalid '{param}': expected a finite number.", param=param, code="invalid_value")
    if value < low:
        message = f"Invalid '{param}': {kind} below minimum value. Expected a value >= {low}."
        raise invalid(message, param=param, code=f"{kind}_below_min_value")
    if high is not None and value > high:
        message = f"Invalid '{param}': {kind} above maximum value. Expected a value <= {high}."
        raise invalid(message, param=param, code=f"{kind}_above_max_value")


def stops(request: wire.ChatRequest) -> list[str]:
    if request.stop is None:
        return []
    return [request.stop] if isinstance(request.stop, str) else request.stop


def _check_stop(request: wire.ChatRequest) -> None:
    given = stops(request)
    if len(given) > MAX_STOPS:
        message = f"Invalid 'stop': array too long. Expected an array with maximum length {MAX_STOPS}."
        raise invalid(message, param="stop", code="array_above_max_length")
    if any(not stop or len(stop) > 1024 for stop in given):
        raise invalid("Invalid 'stop': each must have 1 to 1024 characters.", param="stop", code="invalid_value")
