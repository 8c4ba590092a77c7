"""Renders OpenAI messages into a prompt's token ids, exactly as training rendered what the model learned."""

from typing import Any

import msgspec
from jinja2 import TemplateError

from worker.training.conversations import BadConversation, Conversation, for_template, parse

from . import wire
from .bases import Tokenizer
from .refusals import invalid


def render(tokenizer: Tokenizer, request: wire.ChatRequest) -> list[int]:
    """The prompt's token ids, ending where the assistant's answer begins."""
    messages = [msgspec.to_builtins(message) for message in request.messages]
    example = {"messages": messages, "tools": request.tools if may_call(request) else []}
    try:
        chat = for_template(parse(example), tokenizer.template)
        return tokenizer.encode(_apply(tokenizer, chat))
    except BadConversation as problem:
        raise invalid(f"Invalid 'messages': {problem}", param="messages", code="invalid_value") from None
    except (TemplateError, TypeError, ValueError, LookupError, ArithmeticError, RecursionError) as problem:
        message = f"This model's chat template does not accept the messages: {str(problem)[:300]}"
        raise invalid(message, param="messages", code="invalid_value") from None


def may_call(request: wire.ChatRequest) -> bool:
    """Whether the model is shown tools; with `tool_choice: none` it is not, which keeps it from calling any."""
    return bool(request.tools) and request.tool_choice != "none"


def _apply(tokenizer: Tokenizer, chat: Conversation) -> str:
    options: dict[str, Any] = {"tools": chat.tools or None, "tokenize": False, "add_generation_prompt": True}
    return str(tokenizer.inner.apply_chat_template(chat.messages, **options))
