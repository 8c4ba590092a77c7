"""What is sent of an event: the same bytes at every try."""

import json
from datetime import UTC, datetime
from typing import Any, Protocol

from service.events.sentences import line, sentence, title
from service.webhooks.tables import WebhookEndpoint

_LONGEST = 3000
"""Slack's limit for the text of a section, in characters."""
_written = json.JSONEncoder(separators=(",", ":")).encode


class Happened(Protocol):
    """What is read of an event: the row, or what a sender may know of it."""

    @property
    def id(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def sequence(self) -> int: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def data(self) -> dict[str, Any]: ...


def body(event: Happened, endpoint: WebhookEndpoint, *, is_test: bool = False) -> bytes:
    """The event as this endpoint wants it: its subject's id, all that is known of it, or a message for a chat.

    A test says that it is one, for it tells of what never happened.
    """
    told = (_chat(event, is_test=is_test) if endpoint.kind == "slack"
            else _event(event, full=endpoint.payload == "full") | ({"test": True} if is_test else {}))
    return _written(told).encode()


def _event(event: Happened, *, full: bool) -> dict[str, Any]:
    return {"id": event.id, "object": "event", "type": event.type, "created_at": int(event.created_at.timestamp()),
            "sequence": event.sequence, "data": event.data if full else {"id": event.subject}}


def _chat(event: Happened, *, is_test: bool) -> dict[str, Any]:
    """As Slack takes it, and what speaks its language. Nothing in it is markup, whatever things are named."""
    told = ("Test, nothing has happened: " if is_test else "") + sentence(event.type, event.subject, event.data)
    at = f"{event.created_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    foot = f"{event.type} · {line(event.subject)} · {at}"
    return {"text": _escaped(told), "mrkdwn": False, "blocks": [
        {"type": "header", "text": _plain(title(event.type)[:150])},
        {"type": "section", "text": _plain(told)},
        {"type": "context", "elements": [_plain(foot)]}]}


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "emoji": False, "text": _escaped(text)[:_LONGEST]}


def _escaped(text: str) -> str:
    """Slack's own three escapes: without them <!channel> calls everybody, and <url|word> hides where it leads."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
