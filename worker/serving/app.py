"""The HTTP face: vLLM's private wire with run-time LoRA, for callers that know only internal names.

| request                     | body                                | answers                                          |
|-----------------------------|-------------------------------------|--------------------------------------------------|
| GET  /health                |                                     | 200 empty; 503 while the first bases load        |
| GET  /metrics               |                                     | 200 Prometheus text: requests, tokens            |
| GET  /v1/models             |                                     | 200 list; `root` is the path, `parent` the base  |
| POST /v1/load_lora_adapter  | lora_name, lora_path, [base_model]  | 200 text; 400 unfit or name taken; 503 no room   |
| POST /v1/unload_lora_adapter| lora_name                           | 200 text; 404                                    |
| POST /v1/load_model         | model_name, model_path              | 200 text; 400                                    |
| POST /v1/unload_model       | model_name                          | 200 text; 400 carries adapters; 404              |
| POST /v1/chat/completions   | OpenAI's                            | 200; 400; 404 model; 503 + Retry-After           |

`base_model`, `load_model` and `unload_model` are ours: bases come and go here, and vLLM ignores fields it does not
know. Loading what is loaded is 200 and changes nothing. Every error is OpenAI's envelope. 401 without the shared
secret when there is one, 413 over 8 MiB, 408 when a body does not arrive.
"""

import asyncio
import hmac
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from . import chat, requests, wire
from .engine import Engine
from .refusals import Refusal, not_now
from .registry import Registry

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_BODY = 8 << 20  # bytes
BODY_WITHIN = 30.0  # seconds


class Json(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return msgspec.json.encode(content)


@dataclass
class Server:
    """The routes and what they stand on; `secret` is None when callers need none."""

    engine: Engine
    registry: Registry
    secret: str | None = None
    is_prepared: bool = False

    def app(self) -> Starlette:
        routes = [
            Route("/health", self._guarded(self.health), methods=["GET"]),
            Route("/metrics", self._guarded(self.metrics), methods=["GET"]),
            Route("/v1/models", self._guarded(self.models), methods=["GET"]),
            Route("/v1/load_lora_adapter", self._guarded(self.load_adapter), methods=["POST"]),
            Route("/v1/unload_lora_adapter", self._guarded(self.unload_adapter), methods=["POST"]),
            Route("/v1/load_model", self._guarded(self.load_model), methods=["POST"]),
            Route("/v1/unload_model", self._guarded(self.unload_model), methods=["POST"]),
            Route("/v1/chat/completions", self._guarded(self.completions), methods=["POST"]),
        ]
        handlers: dict[Any, Any] = {HTTPException: _no_route, Refusal: _refused, ClientDisconnect: _gone,
                                    Exception: _broken}  # fmt: skip
        return Starlette(routes=routes, exception_handlers=handlers)

    async def health(self, _request: Request) -> Response:
        if not self.is_prepared:
            raise not_now("The base models are still loading.", code="model_loading", retry_after=2)
        return Response()

    async def metrics(self, _request: Request) -> Response:
        engine = self.engine
        names = {"requests_open": engine.open, "requests_running": engine.load, "tokens_total": engine.tokens}
        return PlainTextResponse("".join(f"tuneworks_serving_{name} {value}\n" for name, value in names.items()))

    async def models(self, _request: Request) -> Response:
        return Json({"object": "list", "data": self.registry.cards()})

    async def load_adapter(self, request: Request) -> Response:
        wanted = requests.command(await _document(request), wire.LoadAdapter)
        fresh = await self.registry.load_adapter(wanted.lora_name, wanted.lora_path, wanted.base_model)
        return _success(f"LoRA adapter '{wanted.lora_name}'", "added successfully" if fresh else "was already loaded")

    async def unload_adapter(self, request: Request) -> Response:
        wanted = requests.command(await _document(request), wire.UnloadAdapter)
        await self.registry.unload_adapter(wanted.lora_name)
        return _success(f"LoRA adapter '{wanted.lora_name}'", "removed successfully")

    async def load_model(self, request: Request) -> Response:
        wanted = requests.command(await _document(request), wire.LoadModel)
        fresh = await self.registry.load_model(wanted.model_name, wanted.model_path)
        return _success(f"Model '{wanted.model_name}'", "added successfully" if fresh else "was already loaded")

    async def unload_model(self, request: Request) -> Response:
        wanted = requests.command(await _document(request), wire.UnloadModel)
        await self.registry.unload_model(wanted.model_name)
        return _success(f"Model '{wanted.model_name}'", "removed successfully")

    async def completions(self, request: Request) -> Response:
        asked = requests.chat(await _document(request))
        return await _unless_gone(request, self._complete(asked))

    async def _complete(self, asked: wire.ChatRequest) -> Response:
        conversation = await chat.begin(asked, self.registry, self.engine)
        try:
            if not asked.stream:
                return Json(await chat.whole(conversation))
            await conversation.started()
            return Streamed(conversation)
        finally:
            # A stream releases what it holds when it ends.
            if not (asked.stream and conversation.first is not None):
                await conversation.held.aclose()

    def _guarded(self, endpoint: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            given = request.headers.get("authorization", "").encode()
            if self.secret is not None and not hmac.compare_digest(given, f"Bearer {self.secret}".encode()):
                raise Refusal(401, "Incorrect API key provided.", code="invalid_api_key")
            return await endpoint(request)

        return guarded


class Streamed(StreamingResponse):
    """Server-sent events that release their conversation however they end, a caller who left included."""

    def __init__(self, conversation: chat.Conversation) -> None:
        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        super().__init__(chat.stream(conversation), media_type="text/event-stream", headers=headers)
        self._conversation = conversation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._conversation.held.aclose()


async def _document(request: Request) -> dict[str, Any]:
    """The body as a JSON object, read in bounded memory and time."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN):
            async for piece in request.stream():
                body += piece
                if len(body) > MAX_BODY:
                    message = f"Request body too large: the limit is {MAX_BODY >> 20} MiB."
                    raise Refusal(413, message, code="request_too_large")
    except TimeoutError:
        raise Refusal(408, "The request body did not arrive in time.", code="request_timeout") from None
    return requests.decode(bytes(body), request.headers.get("content-type", ""))


async def _unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, which is cancelled as soon as the caller hangs up."""
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        leaving.cancel()
        working.cancel()


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _success(what: str, happened: str) -> Response:
    return PlainTextResponse(f"Success: {what} {happened}.")


async def _refused(_request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    headers = {"retry-after": str(refusal.retry_after)} if refusal.retry_after else None
    return Json(refusal.envelope(), status_code=refusal.status, headers=headers)


async def _no_route(request: Request, problem: Exception) -> Response:
    """404 and 405, which come from routing."""
    assert isinstance(problem, HTTPException)
    message = f"Invalid URL ({request.method} {request.url.path[:200]})"
    return await _refused(request, Refusal(problem.status_code, message, code="unknown_url"))


async def _gone(_request: Request, _problem: Exception) -> Response:
    """Nobody reads this answer; the status is the one access logs use for it."""
    return Response(status_code=499)


async def _broken(request: Request, problem: Exception) -> Response:
    log.error("unexpected failure", exc_info=problem)
    return await _refused(request, Refusal(500, "The server had an error.", "server_error", code="internal_error"))
