"""Changes one line: only what is to change, every other value keeps its very bytes."""

import json
import re
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from service.datasets.analysis.privacy import redact
from service.datasets.transformation.specs import AddSystemPrompt

Note = Callable[[str, int], None]
_LITERAL = re.compile(rb'"(?:[^"\\]|\\.)*+"(\s*:)?|(?<![\w.+-])\d{7,40}(?![\w.])')
"""A string, with the colon that makes it a key, or a whole number long enough to be somebody's."""
_HAS_CALLS = re.compile(rb'"(?:tool_calls|tool_call_id|tools|functions|function_call)"\s*:')
_TIES = (b'"id"', b'"tool_call_id"', b'"name"')
_IDENTIFIER = re.compile(rb'"[\w.-]{1,64}"')
_SYSTEM = ("system", "developer")


def redacted(line: bytes, note: Note) -> bytes:
    """The line with placeholders for personal data and secrets in its strings, also in JSON within strings.

    What ties a call to its answer or to its declaration (ids and names) stays, or the line would be broken.
    """
    return _redacted(line, note, ties=_HAS_CALLS.search(line) is not None)


def _redacted(line: bytes, note: Note, *, ties: bool) -> bytes:
    key, key_end = b"", 0

    def replace(found: re.Match[bytes]) -> bytes:
        nonlocal key, key_end
        literal = found[0]
        if found[1] is not None:
            key, key_end = literal[:len(literal) - len(found[1])], found.end()
            return literal
        if ties and key in _TIES and _IDENTIFIER.fullmatch(literal) and not line[key_end:found.start()].strip():
            return literal
        text = _decoded(literal)
        if text is None or text.startswith("data:"):  # base64 holds anything by chance
            return literal
        changed = _redacted_text(text, note)
        return literal if changed == text else json.dumps(changed, ensure_ascii=literal.isascii()).encode()
    return _LITERAL.sub(replace, line)


def _decoded(literal: bytes) -> str | None:
    if not literal.startswith(b'"'):
        return literal.decode()
    try:
        text: str = json.loads(literal)
        text.encode()
    except (ValueError, UnicodeEncodeError):
        return None
    return text


def _redacted_text(text: str, note: Note) -> str:
    if text.lstrip()[:1] in {"{", "["} and _is_json(text):
        return _redacted(text.encode(), note, ties=False).decode()
    changed, counts = redact(text)
    for kind, number in counts.items():
        note(kind, number)
    return changed


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def with_system_prompt(line: bytes, spec: AddSystemPrompt) -> bytes | None:
    """The line with the system message; None when it is no dialogue."""
    example = _object(line)
    holder = _object(bytes(example["input"])) if example and "input" in example else example
    messages = _list(holder.get("messages")) if holder else None
    if example is None or holder is None or messages is None:
        return None
    has_one = bool(messages) and _role(messages[0]) in _SYSTEM
    if has_one and spec.when == "missing":
        return line
    told = _message(spec.content if not has_one or spec.when == "replace"
                    else f"{spec.content}\n\n{_content(messages[0])}", role=_role(messages[0]) if has_one else "system")
    holder["messages"] = Raw(_array([told, *messages[has_one:]]))
    if holder is not example:
        example["input"] = Raw(_joined(holder))
    return _joined(example)


def preferred(line: bytes) -> bytes | None:
    """A preference pair as a chat that ends in the preferred answer; None when the line is no pair."""
    pair = _object(line)
    asked = _object(bytes(pair["input"])) if pair and "input" in pair else None
    messages = _list(asked.get("messages")) if asked else None
    answers = _list(pair.get("preferred_output")) if pair else None
    if asked is None or messages is None or not answers:
        return None
    kept = {name: value for name, value in asked.items() if name != "messages"}
    return _joined({"messages": Raw(_array([*messages, answers[0]])), **kept})


def _object(text: bytes) -> dict[str, Raw] | None:
    try:
        return msgspec.json.decode(text, type=dict[str, Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _list(raw: Any) -> list[Raw] | None:
    try:
        return None if raw is None else msgspec.json.decode(raw, type=list[Raw])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _role(message: Raw) -> str:
    found = _object(bytes(message)) or {}
    return str(json.loads(bytes(found["role"]))) if "role" in found else ""


def _content(message: Raw) -> str:
    content = json.loads(bytes(message)).get("content")
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _message(content: str, *, role: str) -> Raw:
    return Raw(json.dumps({"role": role, "content": content}, ensure_ascii=False).encode())


def _array(values: list[Raw]) -> bytes:
    return b"[" + b", ".join(bytes(value) for value in values) + b"]"


def _joined(values: dict[str, Raw]) -> bytes:
    return b"{" + b", ".join(json.dumps(name, ensure_ascii=False).encode() + b": " + bytes(value)
                             for name, value in values.items()) + b"}"
