"""Turns every exception into OpenAI's envelope, in OpenAI's words where they are known."""

import logging
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException

from service.kit.errors import InvalidRequest, NotFound, ServiceError, Unavailable

_log = logging.getLogger(__name__)
_SHOWN = 100
"""Longest part of a caller's value that a message repeats, in characters."""


class MethodNotAllowed(ServiceError):
    status = 405
    type = "invalid_request_error"


class UnsupportedContentType(ServiceError):
    status = 415
    type = "invalid_request_error"


class InternalError(ServiceError):
    """Ours to mend: the caller gets a request id, the log gets the rest."""


def answer(error: ServiceError) -> JSONResponse:
    return JSONResponse(error.body(), status_code=error.status, headers=error.headers)


def install(app: FastAPI) -> None:
    """Register the handlers on `app`."""
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(DBAPIError, _database_error)
    app.add_exception_handler(PoolTimeout, _database_error)
    app.add_exception_handler(Exception, _unexpected)


def _service_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ServiceError)
    return answer(error)


def _http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, ServiceError):  # raised while FastAPI read the body, which it wraps
        return answer(error.__cause__)
    if error.status_code == 404:
        return answer(NotFound(f"Invalid URL ({request.method} {request.url.path[:_SHOWN]})"))
    if error.status_code == 405:
        return answer(MethodNotAllowed(
            f"Not allowed to {request.method} on {request.url.path[:_SHOWN]}", code="method_not_supported"))
    refused = InvalidRequest(str(error.detail))
    return JSONResponse(refused.body(), status_code=error.status_code)


def _database_error(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, DataError):
        return answer(InvalidRequest("A value in the request cannot be stored: it is out of range or not text.",
                                     code="invalid_value"))
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    if isinstance(error, OperationalError | InterfaceError | PoolTimeout) or lost:
        _log.warning("database unavailable: %s", error)
        return answer(Unavailable("The database is not reachable right now. Try again shortly.", retry_after=2))
    return _unexpected(request, error)


def _unexpected(_: Request, error: Exception) -> JSONResponse:
    _log.error("unhandled %s", type(error).__name__, exc_info=error)
    return answer(InternalError("The server had an error while processing your request. Sorry about that!"
                                " The x-request-id header names it."))


def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    content_type = request.headers.get("content-type", "")
    first = _most_telling(error.errors())
    if first["loc"] == ("body",) and isinstance(first.get("input"), bytes):
        return answer(UnsupportedContentType(
            f"Invalid content-type header ('{content_type[:_SHOWN]}'), expected 'application/json'."
            " (HINT: with curl, pass -H 'Content-Type: application/json')", code="unsupported_content_type"))
    return answer(explain(first))


def _most_telling(errors: Sequence[Any]) -> Any:
    """Of the errors of one body the first; a union reports each of its members, the deepest tells most."""
    return max(errors, key=lambda each: (each["type"] != "extra_forbidden", len(each["loc"]))
               if each["loc"][:2] == errors[0]["loc"][:2] else (False, 0))


def explain(error: Any) -> InvalidRequest:
    """One pydantic error in OpenAI's words, with its `param` and `code`."""
    where = ".".join(str(part) for part in error["loc"][1:])
    kind: str = error["type"]
    context: dict[str, Any] = error.get("ctx", {})
    got = error.get("input")
    if kind == "json_invalid":
        return InvalidRequest("We could not parse the JSON body of your request. (HINT: This likely means you"
                              " aren't using your HTTP library correctly. The API expects a JSON payload, but what"
                              f" was sent was not valid JSON: {context.get('error', '')}.)")
    if kind == "missing" and not where:
        return InvalidRequest("The request needs a JSON body, and none was sent.")
    if kind == "missing":
        return InvalidRequest(f"Missing required parameter: '{where}'.", param=where,
                              code="missing_required_parameter")
    if kind == "extra_forbidden":
        return InvalidRequest(f"Unknown parameter: '{where[:_SHOWN]}'.", param=where[:_SHOWN], code="unknown_parameter")
    if kind.endswith(("_type", "_parsing", "_attributes_type")):
        expected = _EXPECTED.get(kind.split("_", maxsplit=1)[0], f"a valid {kind.split('_', maxsplit=1)[0]}")
        return InvalidRequest(f"Invalid type for '{where}': expected {expected}, but got {json_type(got)} instead.",
                              param=where, code="invalid_type")
    if kind in _BOUNDS:
        text, code = _BOUNDS[kind](context, got)
        return InvalidRequest(f"Invalid '{where}': {text}", param=where, code=code)
    if kind in ("literal_error", "enum", "union_tag_invalid"):
        supported = context.get("expected") or context.get("expected_tags", "")
        shown = context.get("tag", got)
        return InvalidRequest(f"Invalid value: '{str(shown)[:_SHOWN]}'. Supported values are: {supported}.",
                              param=where, code="invalid_value")
    message = error["msg"].removeprefix("Value error, ")
    return InvalidRequest(f"Invalid '{where}': {message}.", param=where or None, code="invalid_value")


_EXPECTED = {"string": "a string", "int": "an integer", "float": "a number", "bool": "a boolean",
             "list": "an array", "dict": "an object", "model": "an object", "tuple": "an array"}

_BOUNDS: dict[str, Any] = {
    "greater_than_equal": lambda ctx, got: (
        f"value below minimum. Expected a value >= {ctx['ge']}, but got {got} instead.", "integer_below_min_value"),
    "greater_than": lambda ctx, got: (
        f"value below minimum. Expected a value > {ctx['gt']}, but got {got} instead.", "decimal_below_min_value"),
    "less_than_equal": lambda ctx, got: (
        f"value above maximum. Expected a value <= {ctx['le']}, but got {str(got)[:40]} instead.",
        "integer_above_max_value"),
    "less_than": lambda ctx, got: (
        f"value above maximum. Expected a value < {ctx['lt']}, but got {str(got)[:40]} instead.",
        "decimal_above_max_value"),
    "string_too_long": lambda ctx, got: (
        f"string too long. Expected a string with maximum length {ctx['max_length']}, but got a string with"
        f" length {len(got)} instead.", "string_above_max_length"),
    "string_too_short": lambda ctx, got: (
        f"string too short. Expected a string with minimum length {ctx['min_length']}, but got a string with"
        f" length {len(got)} instead.", "string_below_min_length"),
    "too_long": lambda ctx, _: (
        f"array too long. Expected at most {ctx['max_length']} elements.", "array_above_max_length"),
    "too_short": lambda ctx, _: (
        f"array too short. Expected at least {ctx['min_length']} elements.", "array_below_min_length"),
}


def json_type(value: object) -> str:
    """What JSON calls the type of `value`, with its article."""
    names: list[tuple[type, str]] = [(bool, "a boolean"), (int, "an integer"), (float, "a decimal"),
                                     (str, "a string"), (list, "an array"), (dict, "an object")]
    return next((name for kind, name in names if isinstance(value, kind)), "null")
