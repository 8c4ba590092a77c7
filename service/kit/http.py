"""What every request passes through, in plain ASGI: its id, its clock, and the limits on its body."""

import asyncio
import logging
import re
import time

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.kit.errors import InvalidRequest, ServiceError, TooLarge
from service.kit.identifiers import new_id
from service.kit.logging import request_id as request_id_context
from service.kit.refusals import answer, unexpected
from service.settings import settings

_log = logging.getLogger(__name__)
_CLIENT_REQUEST_ID = b"x-client-request-id"
_STREAMED = re.compile(r"^/v1/(files|uploads/[^/]+/parts)/?$")
"""Routes that read their body as a stream and count its bytes themselves."""


_SLOWEST = 1024
"""Bytes a second that a body must bring on average, after its first `body_timeout_seconds`."""


class SlowBody(ServiceError):
    status = 408
    type = "invalid_request_error"


class RequestContext:
    """Gives each request an id and each answer OpenAI's headers; an escaped error becomes an envelope."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = new_id("req_")
        started = time.perf_counter()
        token = request_id_context.set(request_id)
        state = scope.setdefault("state", {})
        answering = False

        async def tagged(message: Message) -> None:
            nonlocal answering
            if message["type"] == "http.response.start":
                answering = True
                elapsed = int((time.perf_counter() - started) * 1000)
                headers = [(b"x-request-id", request_id.encode()), (b"openai-version", b"2020-10-01"),
                           (b"openai-processing-ms", str(elapsed).encode())]
                caller = state.get("caller")
                if caller is not None:
                    headers.append((b"openai-organization", caller.organization_id.encode()))
                    if caller.project_id:
                        headers.append((b"openai-project", caller.project_id.encode()))
                message["headers"] = [*message["headers"], *headers]
            await send(message)

        try:
            refusal = _check_client_request_id(scope)
            if refusal is not None:
                await answer(refusal)(scope, receive, tagged)
            else:
                await self.app(scope, receive, tagged)
        except ClientDisconnect:
            _log.info("the caller went away before the request was complete")
        except Exception as error:
            if answering:
                raise  # half an answer is out; the server can only cut the connection
            told = answer(error) if isinstance(error, ServiceError) else unexpected(error)
            await told(scope, receive, tagged)
        finally:
            request_id_context.reset(token)


def _check_client_request_id(scope: Scope) -> ServiceError | None:
    for name, value in scope["headers"]:
        if name == _CLIENT_REQUEST_ID and (len(value) > 512 or not value.isascii()):
            return InvalidRequest("X-Client-Request-Id must be at most 512 ASCII characters.",
                                  param="X-Client-Request-Id")
    return None


class BodyGuard:
    """Refuses bodies that are too large and cuts off those that stop sending, or send a byte now and then.

    Streamed routes have limits of their own, in bytes of file; here they only may not stall. Only the time that we
    wait for the caller counts, not the time in which its bytes wait for us.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = None if _STREAMED.match(scope["path"]) else settings().max_body_bytes
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
        if limit is not None and declared.isdigit() and int(declared) > limit:
            await answer(_too_large(limit))(scope, receive, send)
            return
        received, waited, ended = 0, 0.0, False
        patience = settings().body_timeout_seconds

        async def guarded() -> Message:
            nonlocal received, waited, ended
            if ended:  # what is left to hear is a disconnect, and that may take as long as the answer does
                return await receive()
            began = time.monotonic()
            try:
                message = await asyncio.wait_for(receive(), min(patience, patience + received / _SLOWEST - waited))
            except TimeoutError as stalled:
                raise SlowBody("The request body stopped arriving, or hardly moved. Send it again.") from stalled
            waited += time.monotonic() - began
            ended = message["type"] != "http.request" or not message.get("more_body", False)
            received += len(message.get("body", b""))
            if limit is not None and received > limit:
                raise _too_large(limit)
            return message

        await self.app(scope, guarded, send)


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"The request body is larger than {limit} bytes. Files go to /v1/files or /v1/uploads.",
                    code="request_too_large")


