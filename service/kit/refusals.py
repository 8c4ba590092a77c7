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
from service.kit.explanations import SHOWN, explain, unparsable

_log = logging.getLogger(__name__)
_LONGEST = 2000
"""Longest message of an error, in characters; only a caller's own words can make one longer."""
_UNREADABLE = "There was an error parsing the body"
"""FastAPI's words for a body that is no UTF-8, is nested too deeply, or holds a number of thousands of digits."""


class MethodNotAllowed(ServiceError):
    status = 405
    type = "invalid_request_error"


class UnsupportedContentType(ServiceError):
    status = 415
    type = "invalid_request_error"


class InternalError(ServiceError):
    """Ours to mend: the caller gets a request id, the log gets the rest."""


def answer(error: ServiceError) -> JSONResponse:
    """The error as a response; what it quotes of the caller's is made fit for UTF-8 and not endless."""
    told = {part: {name: _sendable(value) for name, value in facts.items()} for part, facts in error.body().items()}
    return JSONResponse(told, status_code=error.status, headers=error.headers)


def _sendable(value: Any) -> Any:
    return value[:_LONGEST].encode(errors="replace").decode() if isinstance(value, str) else value


def install(app: FastAPI) -> None:
    """Register the handlers on `app`. What they do not know ends in `unexpected` (service/kit/http.py)."""
    app.add_exception_handler(ServiceError, _service_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(DBAPIError, _database_error)
    app.add_exception_handler(PoolTimeout, _database_error)


def _service_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ServiceError)
    return answer(error)


def _http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, ServiceError):  # raised while FastAPI read the body, which it wraps
        return answer(error.__cause__)
    if error.status_code == 404:
        return answer(NotFound(f"Invalid URL ({request.method} {request.url.path[:SHOWN]})"))
    if error.status_code == 405:
        return answer(MethodNotAllowed(
            f"Not allowed to {request.method} on {request.url.path[:SHOWN]}", code="method_not_supported",
            headers=dict(error.headers or {})))
    if error.detail == _UNREADABLE:
        return answer(unparsable(str(error.__cause__)[:SHOWN]))
    refused = InvalidRequest(str(error.detail))
    return JSONResponse(refused.body(), status_code=error.status_code)


def _database_error(_: Request, error: Exception) -> JSONResponse:
    if isinstance(error, DataError):
        return answer(InvalidRequest("A value in the request cannot be stored: it is out of range or not text.",
                                     code="invalid_value"))
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    if isinstance(error, OperationalError | InterfaceError | PoolTimeout) or lost:
        _log.warning("database unavailable: %s", error)
        return answer(Unavailable("The database is not reachable right now. Try again shortly.", retry_after=2))
    return unexpected(error)


def unexpected(error: Exception) -> JSONResponse:
    """The answer to a fault of ours, which is logged here."""
    _log.error("unhandled %s", type(error).__name__, exc_info=error)
    return answer(InternalError("The server had an error while processing your request. Sorry about that!"
                                " The x-request-id header names it."))


def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    content_type = request.headers.get("content-type", "")
    first = _most_telling(error.errors())
    if first["loc"] == ("body",) and isinstance(first.get("input"), bytes):
        return answer(UnsupportedContentType(
            f"Invalid content-type header ('{content_type[:SHOWN]}'), expected 'application/json'."
            " (HINT: with curl, pass -H 'Content-Type: application/json')", code="unsupported_content_type"))
    return answer(explain(first))


def _most_telling(errors: Sequence[Any]) -> Any:
    """The error that OpenAI would tell: a missing parameter, else an unknown one, else the first.

    Where a value fits no member of a union, pydantic reports each member; the deepest error tells most.
    """
    rank = {"missing": 0, "extra_forbidden": 1}
    if errors[0]["loc"][0] != "body":
        return errors[0]
    first = min(errors, key=lambda each: rank.get(each["type"], 2) if len(each["loc"]) <= 2 else 2)
    alike = [each for each in errors if each["loc"][:2] == first["loc"][:2]]
    return max(alike, key=lambda each: (each["type"] != "extra_forbidden", len(each["loc"])))
