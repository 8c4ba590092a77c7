"""The rules of what a message holds: a text, or parts of text, refusal and image."""

from collections.abc import Iterator
from typing import Any

from service.datasets.validation.findings import Finding, Place, shown, unknown_keys
from service.datasets.validation.images import check_image

LONG_TEXT = 1_000_000
"""Characters; no context of a model that is trained holds so many."""
_TEXT = ("text",)
_PARTS = {"user": ("text", "image_url"), "assistant": ("text", "refusal")}
_KEYS = {kind: {"type", kind} for kind in ("text", "refusal", "image_url")}


def is_plain(content: Any) -> bool:
    """Whether a content is a text that nothing is to be said about."""
    return isinstance(content, str) and len(content) <= LONG_TEXT


def check_content(content: Any, role: str, at: Place, *, images: bool) -> Iterator[Finding]:
    """What is wrong with the `content` of a message that has one."""
    if isinstance(content, str):
        yield from _length(content, at)
        return
    if not isinstance(content, list) or not content:
        yield at.error("wrong_type", "has content that is neither a string nor a list of parts.")
        return
    for index, part in enumerate(content):
        yield from _part(part, role, at.inside(index), images=images)
    if len(content) > 1 and any(isinstance(part, dict) and part.get("type") == "refusal" for part in content):
        yield at.error("refusal_not_alone", "has a refusal beside other parts.",
                       "Content is either parts of text or exactly one refusal.")


def text_of(content: Any) -> str:
    """The text of a content: itself, or the texts and refusals of its parts in one."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    found = [part.get("text", part.get("refusal")) for part in content if isinstance(part, dict)]
    return "".join(text for text in found if isinstance(text, str))


def image_parts(messages: list[Any]) -> Iterator[dict[str, Any]]:
    """The parts of these messages that are images."""
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, list):
            yield from (part for part in content if isinstance(part, dict) and part.get("type") == "image_url")


def _part(part: Any, role: str, at: Place, *, images: bool) -> Iterator[Finding]:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str):
        yield at.error("wrong_type", "has a content part without a 'type'.")
        return
    allowed = _PARTS.get(role, _TEXT) if images else _TEXT
    if kind not in allowed and not (kind == "refusal" and role == "assistant"):
        yield at.error("unsupported_content", f"has a content part of type '{shown(kind)}', which a message of role"
                                              f" '{role}' cannot hold here.", f"It may hold {' and '.join(allowed)}.")
        return
    yield from unknown_keys(part, _KEYS[kind], at)
    if kind == "image_url":
        yield from check_image(part.get("image_url"), at.inside("image_url"))
    elif not isinstance(part.get(kind), str):
        yield at.inside(kind).error("wrong_type", f"has a content part whose '{kind}' is not a string.")
    else:
        yield from _length(part[kind], at.inside(kind))


def _length(text: str, at: Place) -> Iterator[Finding]:
    if len(text) > LONG_TEXT:
        yield at.info("very_long_text", f"has a text of {len(text):,} characters, which no context holds.",
                      "What is beyond the context is cut off before training. Split the text.")
