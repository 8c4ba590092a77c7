"""Turns chats as OpenAI writes them into messages that a base model's own chat template understands. Needs no torch.

Serving must call `for_template` too, since a model answers best to what it was trained on.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Message = dict[str, Any]


class BadConversation(ValueError):
    """A line of a data file is no chat; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One training example: the messages, whether each is to be learned, and the tools the model may call."""

    messages: list[Message]
    learned: list[bool]
    tools: list[dict[str, Any]] = field(default_factory=list)


def read_conversations(path: Path) -> list[tuple[int, Conversation]]:
    """Read a JSONL file of OpenAI chat examples as (line number from 1, conversation); empty lines are passed over.

    Raises BadConversation with the line's number, and OSError.
    """
    conversations = []
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                conversations.append((number, parse(json.loads(line.decode("utf-8-sig")))))
            except (ValueError, RecursionError) as wrong:
                raise BadConversation(f"Line {number}: {wrong}") from wrong
    return conversations


def parse(example: Any) -> Conversation:
    """Read one OpenAI chat example (`messages`, `tools`, deprecated `functions`); raises BadConversation.

    An assistant message is learned unless its `weight` is 0. `parallel_tool_calls` changes nothing that a chat
    template shows.
    """
    if not isinstance(example, dict) or not isinstance(example.get("messages"), list):
        raise BadConversation("an example is an object with a list of messages.")
    messages = example["messages"]
    if not messages or not all(isinstance(message, dict) and "role" in message for message in messages):
        raise BadConversation("messages is a list, not empty, of objects with a role.")
    learned = [message["role"] == "assistant" and message.get("weight", 1) != 0 for message in messages]
    tools = list(example.get("tools") or ())
    tools += [{"type": "function", "function": function} for function in example.get("functions") or ()]
    return Conversation([_plain(message) for message in messages], learned, tools)


def for_template(conversation: Conversation, template: str) -> Conversation:
    """Adapt a conversation to what the Jinja source of a chat template can show.

    A `developer` becomes `system` where the template does not know it. Where it knows no tools, they are told in the
    system message, and calls and results are told in the text, so that nothing of the example is lost in silence.
    """
    messages, learned, tools = conversation.messages, conversation.learned, conversation.tools
    if "developer" not in template:
        messages = [message | {"role": "system"} if message["role"] == "developer" else message for message in messages]
    if not re.search(r"\btool_calls\b", template):
        messages = [_with_calls_as_text(message) for message in messages]
    if tools and not re.search(r"\btools\b", template):
        told = _tools_as_text(tools)
        if messages[0]["role"] == "system":
            first = {**messages[0], "content": f"{messages[0]['content']}\n\n{told}".strip()}
            messages = [first, *messages[1:]]
        else:
            messages, learned = [{"role": "system", "content": told}, *messages], [False, *learned]
        tools = []
    return Conversation(messages, learned, tools)


def _plain(message: Message) -> Message:
    """Leave of a message what templates know: text content, tool calls with parsed arguments, name and call id."""
    plain: Message = {"role": "tool" if message["role"] == "function" else message["role"]}
    plain["content"] = _text(message.get("content"), message.get("refusal"))
    calls = list(message.get("tool_calls") or ())
    if message.get("function_call"):
        calls.append({"type": "function", "function": message["function_call"]})
    if calls:
        plain["tool_calls"] = [_call(call) for call in calls]
    return plain | {key: message[key] for key in ("name", "tool_call_id") if message.get(key)}


def _text(content: Any, refusal: Any) -> str:
    if content is None:
        return str(refusal or "")
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise BadConversation("content is a text, a list of parts, or null.")
    texts = []
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in {"text", "refusal"} or not isinstance(part.get(kind), str):
            raise BadConversation(f"content parts of type {kind!r} cannot be trained on here, only text.")
        texts.append(part[kind])
    return "".join(texts)


def _call(call: Any) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise BadConversation("a tool call has a function with a name.")
    arguments = function.get("arguments", {})
    if isinstance(arguments, str):
        try:
            parsed = json.loads(arguments)
            # Templates print objects; anything else stays the text that the customer wrote.
            arguments = parsed if isinstance(parsed, dict) else arguments
        except ValueError:
            pass
    called = {"type": "function", "function": {"name": function["name"], "arguments": arguments}}
    return called | ({"id": call["id"]} if "id" in call else {})


def _with_calls_as_text(message: Message) -> Message:
    if "tool_calls" not in message:
        return message
    told = [f"<tool_call>{_json(call['function'])}</tool_call>" for call in message["tool_calls"]]
    rest = {key: value for key, value in message.items() if key != "tool_calls"}
    return {**rest, "content": "\n".join([text for text in [message["content"]] if text] + told)}


def _tools_as_text(tools: list[dict[str, Any]]) -> str:
    listed = "\n".join(_json(tool.get("function", tool)) for tool in tools)
    return (
        f"You may call these functions:\n{listed}\n"
        'To call one, answer with <tool_call>{"name": ..., "arguments": {...}}</tool_call>.'
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
