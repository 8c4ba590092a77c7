"""Chat completions over HTTP."""

from typing import Any

import msgspec
from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from service.catalog import operations as catalog
from service.chat.gateway import Gateway, Whole
from service.chat.schemas import ChatCompletion, ChatCompletionRequest
from service.kit.errors import InvalidRequest
from service.kit.explanations import json_type
from service.tenants.access import CurrentProject, in_transaction

router = APIRouter(prefix="/v1/chat", tags=["Chat"])
_BODY = {"requestBody": {"required": True, "content": {
    "application/json": {"schema": ChatCompletionRequest.model_json_schema()}}}}


@router.post("/completions", operation_id="createChatCompletion", response_model=ChatCompletion, openapi_extra=_BODY)
async def create_chat_completion(request: Request, caller: CurrentProject) -> Response:
    """Create a chat completion with a base model or one of the project's tuned models."""
    body = _parse(await request.body())
    model = await in_transaction(caller, catalog.resolve, body["model"])
    gateway: Gateway = request.app.state.gateway
    answer = await gateway.complete(model, body)
    if isinstance(answer, Whole):
        return Response(answer.body, answer.status, answer.headers, media_type="application/json")
    return StreamingResponse(answer, media_type="text/event-stream", headers={"cache-control": "no-cache"})


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
