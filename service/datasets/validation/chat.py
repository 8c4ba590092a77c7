"""The rules of a supervised chat example, each problem in the words of OpenAI's platform where they are known."""

import re
from collections.abc import Callable, Iterator
from itertools import chain, islice
from typing import Any

from service.datasets.validation import tools
from service.datasets.validation.acceptance import is_clean
from service.datasets.validation.findings import Finding, Place, shown
from service.datasets.validation.texts import MOST_PER_LINE, UNREADABLE, parse, strings_and_depth

_MOST_IMAGES = 10
_TOP = {"messages", "tools", "parallel_tool_calls", "functions"}
_SAID = {"role", "content", "name"}
_KEYS = {
    "system": _SAID, "developer": _SAID, "user": _SAID, "function": _SAID, "tool": _SAID | {"tool_call_id"},
    "assistant": _SAID | {"refusal", "audio", "tool_calls", "function_call", "weight"},
}
_PARTS = {"system": {"text"}, "developer": {"text"}, "tool": {"text"}, "function": {"text"},
          "user": {"text", "image_url"}, "assistant": {"text", "refusal"}}
_IMAGE_URL = re.compile(r"https?://|data:image/(jpeg|png|webp);base64,")


def check_chat_line(line: bytes, number: int) -> list[Finding]:
    """Everything that is wrong with one line, up to 100 findings; nothing when it can be trained on as it is."""
    return [] if is_clean(line) else explain(line, number)


def explain(line: bytes, number: int) -> list[Finding]:
    """The same by the slow way alone."""
    place = Place.example(number)
    value, findings = parse(line, place)
    if value is UNREADABLE:
        return findings
    return list(islice(chain(findings, _example(value, place)), MOST_PER_LINE))


def _example(value: Any, place: Place) -> Iterator[Finding]:
    if not isinstance(value, dict):
        yield place.error("not_an_object", "is not a dictionary.", 'Each line is one JSON object with "messages".')
        return
    if "messages" not in value:
        yield place.error("missing_messages", "is missing key 'messages'.", _other_format(value))
    yield from _extra(value, _TOP, place)
    yield from strings_and_depth(value, place)
    yield from tools.declared(value, place)
    if not isinstance(value.get("parallel_tool_calls", True), bool):
        yield place.inside("parallel_tool_calls").error(
            "wrong_type", "has 'parallel_tool_calls' that is not true or false.")
    if "messages" in value:
        yield from _messages(value["messages"], tools.names(value), place)


def _other_format(value: dict[str, Any]) -> str | None:
    if "prompt" in value and "completion" in value:
        return "Prompt and completion become a user and an assistant message."
    if "preferred_output" in value:
        return "This is preference data, for method 'dpo'."
    return 'An example is {"messages": [{"role": "user", ...}, {"role": "assistant", ...}]}.'


def _messages(messages: Any, declared: set[str], place: Place) -> Iterator[Finding]:
    at = place.inside("messages")
    if not isinstance(messages, list) or not messages:
        yield at.error("wrong_type", "has 'messages' that is not a list of at least one message.")
        return
    for index, message in enumerate(messages):
        yield from _message(message, place.message(index))
    known = [message for message in messages if isinstance(message, dict)]
    yield from tools.calls_and_answers(messages, declared, place)
    yield from _whole(known, place)


def _whole(messages: list[dict[str, Any]], place: Place) -> Iterator[Finding]:
    at = place.inside("messages")
    answers = [message for message in messages if message.get("role") == "assistant"]
    if not any(message.get("weight", 1) != 0 for message in answers):
        text = "has no assistant message." if not answers else "has only assistant messages of weight 0."
        yield at.error("no_assistant_message", text, "A model learns from assistant messages; add one.")
    elif messages[-1].get("role") != "assistant":
        yield at.warning("last_message_not_assistant", "does not end with an assistant message.",
                         "Nothing is learnt from what follows the last assistant message.")
    images = sum(isinstance(part, dict) and part.get("type") == "image_url"
                 for message in messages if isinstance(message.get("content"), list) for part in message["content"])
    if images > _MOST_IMAGES:
        yield at.error("too_many_images", f"has {images} images, but may have at most {_MOST_IMAGES}.")


def _message(message: Any, at: Place) -> Iterator[Finding]:
    if not isinstance(message, dict):
        yield at.error("wrong_type", "is not a dictionary.")
        return
    if "role" not in message:
        yield at.error("missing_role", "Discriminator 'role' is missing in value")
        return
    role = message["role"]
    if not isinstance(role, str) or role not in _KEYS:
        told = f" '{shown(role)}'" if isinstance(role, str) else ""
        yield at.inside("role").error("unknown_role", f"has an unknown role{told}.", f"Roles are {', '.join(_KEYS)}.")
        return
    yield from _extra(message, _KEYS[role], at)
    if not isinstance(message.get("name", ""), str | None):
        yield at.inside("name").error("wrong_type", "has a 'name' that is not a string.")
    yield from _BY_ROLE.get(role, _said)(message, at)


def _said(message: dict[str, Any], at: Place) -> Iterator[Finding]:
    """System, developer, user: content and nothing else."""
    if "content" not in message:
        yield at.error("missing_key", "is missing key 'content'.")
    elif message["content"] is None:
        yield at.inside("content").error("wrong_type", "has no content; only an assistant message may have null there.")
    else:
        yield from _content(message["content"], message["role"], at.inside("content"))


def _tool(message: dict[str, Any], at: Place) -> Iterator[Finding]:
    yield from _said(message, at)
    if "tool_call_id" not in message:
        yield at.error("missing_key", "is missing key 'tool_call_id'.", "It names the call that this answers.")
    elif not isinstance(message["tool_call_id"], str):
        yield at.inside("tool_call_id").error("wrong_type", "has a 'tool_call_id' that is not a string.")


def _function(message: dict[str, Any], at: Place) -> Iterator[Finding]:
    if not isinstance(message.get("name"), str):
        yield at.error("missing_key", "is missing key 'name'.", "A function message names the function it answers for.")
    if message.get("content") is not None or "content" not in message:
        yield from _said(message, at)


def _assistant(message: dict[str, Any], at: Place) -> Iterator[Finding]:
    content = message.get("content")
    called = message.get("tool_calls") is not None or message.get("function_call") is not None
    if content is None and not called and message.get("refusal") is None:
        yield at.error("missing_content", "has neither content nor tool_calls, function_call or refusal.")
    elif content == "" and not called and not message.get("refusal"):
        yield at.inside("content").warning("empty_content", "is an assistant message with nothing to learn.")
    elif content is not None:
        yield from _content(content, "assistant", at.inside("content"))
    if not isinstance(message.get("refusal"), str | None):
        yield at.inside("refusal").error("wrong_type", "has a 'refusal' that is not a string.")
    if message.get("audio") is not None:
        yield at.inside("audio").error("unsupported_content", "holds audio, which cannot be trained on.")
    weight = message.get("weight", 1)
    if isinstance(weight, bool) or weight not in (0, 1):
        yield at.inside("weight").error("invalid_weight", "has a 'weight' that is neither 0 nor 1.")
    yield from tools.called(message, at)


_BY_ROLE: dict[str, Callable[[dict[str, Any], Place], Iterator[Finding]]] = {
    "assistant": _assistant, "tool": _tool, "function": _function}


def _content(content: Any, role: str, at: Place) -> Iterator[Finding]:
    if isinstance(content, str):
        return
    if not isinstance(content, list) or not content:
        yield at.error("wrong_type", "has content that is neither a string nor a list of parts.")
        return
    for index, part in enumerate(content):
        yield from _part(part, role, at.inside(index))


def _part(part: Any, role: str, at: Place) -> Iterator[Finding]:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str):
        yield at.error("wrong_type", "has a content part without a 'type'.")
    elif kind not in _PARTS[role]:
        yield at.error("unsupported_content", f"has a content part of type '{shown(kind)}', which a message of role"
                                              f" '{role}' cannot hold.", f"It may hold {' and '.join(_PARTS[role])}.")
    elif kind == "image_url":
        yield from _extra(part, {"type", "image_url"}, at)
        yield from _image(part.get("image_url"), at.inside("image_url"))
    else:
        yield from _extra(part, {"type", kind}, at)
        if not isinstance(part.get(kind), str):
            yield at.inside(kind).error("wrong_type", f"has a content part whose '{kind}' is not a string.")


def _image(image: Any, at: Place) -> Iterator[Finding]:
    if not isinstance(image, dict) or not isinstance(image.get("url"), str):
        yield at.error("wrong_type", "has an image without a 'url'.")
        return
    yield from _extra(image, {"url", "detail"}, at)
    if not _IMAGE_URL.match(image["url"]):
        yield at.inside("url").error("invalid_image", "has an image that is neither an http URL nor a data URL.",
                                  "Data URLs begin with data:image/jpeg;base64, (or png, webp).")
    if image.get("detail", "auto") not in ("auto", "low", "high"):
        yield at.inside("detail").error("invalid_image", "has an image whose 'detail' is not auto, low or high.")


def _extra(value: dict[str, Any], known: set[str], at: Place) -> Iterator[Finding]:
    for key in value:
        if key not in known:
            yield at.inside(key).error("unknown_key", f'contains an extra "{shown(key)}".')
