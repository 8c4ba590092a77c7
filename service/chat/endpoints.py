"""Chat completions over HTTP."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from service.chat import operations
from service.chat.answers import Whole
from service.chat.errors import CredentialRefused, ModelGone
from service.chat.gateway import Gateway
from service.chat.operations import Answerer
from service.chat.passing import Passing
from service.chat.schemas import ChatCompletion, ChatCompletionRequest
from service.chat.streams import Lines, Streamed
from service.kit.errors import InvalidRequest
from service.kit.explanations import json_type
from service.tenants.access import Caller, CurrentProject, in_transaction

router = APIRouter(prefix="/v1/chat", tags=["Chat"])
Answer = Whole | Lines
_BODY = {"requestBody": {"required": True, "content": {
    "application/json": {"schema": ChatCompletionRequest.model_json_schema()}}}}


@router.post("/completions", operation_id="createChatCompletion", response_model=ChatCompletion, openapi_extra=_BODY)
async def create_chat_completion(request: Request, caller: CurrentProject) -> Response:
    """Create a chat completion with a base model or one of the project's tuned models.

    Models at other servers are passed on to with the project's credential. Where a model mapping has another model
    answer, the header x-tuneworks-answered-by names it; Deprecation and Sunset tell of a model's end.
    """
    body = _parse(await request.body())
    answerer = await in_transaction(caller, operations.answerer, body["model"])
    try:
        answer = await _while_listening(request, _ask(request, caller, answerer, body))
    except ModelGone:
        answerer = await in_transaction(caller, operations.answerer, body["model"], is_gone=True)
        if answerer.answering.in_place_of is None:
            raise
        answer = await _while_listening(request, _ask(request, caller, answerer, body))
    headers = answerer.answering.headers
    if isinstance(answer, Whole):
        return Response(answer.body, answer.status, answer.headers | headers, media_type="application/json")
    return Streamed(answer, headers)


async def _ask(request: Request, caller: Caller, answerer: Answerer, body: dict[str, Any]) -> Answer:
    if answerer.credential is None:
        gateway: Gateway = request.app.state.gateway
        return await gateway.complete(answerer.model, body)
    passing: Passing = request.app.state.passing
    try:
        return await passing.complete(answerer, answerer.credential, body)
    except CredentialRefused as refused:
        if refused.is_certain:
            await in_transaction(caller, operations.note_refused, answerer.credential.id, refused.details)
        else:
            await in_transaction(caller, operations.ask_for_check, answerer.credential.id)
        raise


async def _while_listening(request: Request, asking: Coroutine[Any, Any, Answer]) -> Answer:
    """The answer, unless the caller leaves before: then nobody goes on working, or paying, for it."""
    task = asyncio.ensure_future(asking)
    left = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({task, left}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnect
    finally:
        left.cancel()
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue


def _parse(body: bytes) -> dict[str, Any]:
    """The request as a JSON object that names a model; every other field is the chat server's to check."""
    try:
        parsed = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as wrong:
        raise InvalidRequest("We could not parse the JSON body of your request."
                             f" (HINT: the API expects a JSON object: {str(wrong)[:200]}.)") from wrong
    if not isinstance(parsed, dict):
        raise InvalidRequest(f"We could not use the JSON body of your request: expected an object, but got"
                             f" {json_type(parsed)} instead.")
    if "model" not in parsed:
        raise InvalidRequest("you must provide a model parameter", param="model")
    if not isinstance(parsed["model"], str):
        raise InvalidRequest(f"Invalid type for 'model': expected a string, but got {json_type(parsed['model'])}"
                             " instead.", param="model", code="invalid_type")
    if "\x00" in parsed["model"]:
        raise InvalidRequest("Invalid 'model': contains a NUL character.", param="model", code="invalid_value")
    return parsed
