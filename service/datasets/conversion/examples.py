"""Examples on their way to a line: plain values, and JSON text that is written as it came."""

import json
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw

from service.datasets.validation.lines import MAX_LINE_BYTES
from service.settings import MiB

MAX_ROW_BYTES = MAX_LINE_BYTES
TOO_LONG = f"longer than {MAX_ROW_BYTES // MiB} MB"


class Unconvertible(ValueError):
    """A row makes no example; the message says why, in few words and without the row's own."""


@dataclass(frozen=True, slots=True)
class Verbatim:
    """JSON that goes into the line letter by letter."""

    text: str


Example = dict[str, Any]


def encode(example: Example) -> bytes:
    """The line of an example, with its newline. Raises Unconvertible for what JSON cannot hold."""
    try:
        line = f"{written(example)}\n".encode()
    except UnicodeEncodeError as half:
        raise Unconvertible("text that is not valid Unicode") from half
    except (ValueError, TypeError, RecursionError) as wrong:
        raise Unconvertible("a value that JSON cannot hold") from wrong
    if len(line) > MAX_ROW_BYTES:
        raise Unconvertible(TOO_LONG)
    return line


def written(example: Example) -> str:
    """The JSON of an object with Verbatim values in it. Raises ValueError, TypeError or RecursionError."""
    members = ((name, value.text if isinstance(value, Verbatim)
                else json.dumps(value, ensure_ascii=False, allow_nan=False)) for name, value in example.items())
    return f"{{{', '.join(f'{json.dumps(name, ensure_ascii=False)}: {text}' for name, text in members)}}}"


def raw(value: Any, kind: Any) -> Any:
    """JSON text as `kind` (with Raw inside). Raises Unconvertible."""
    try:
        return msgspec.json.decode(value, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, TypeError) as wrong:
        raise Unconvertible("JSON text that cannot be read") from wrong


def one_line(text: str) -> str:
    """JSON text without line breaks; they can only stand between its values."""
    return " ".join(text.split("\n")).replace("\r", " ")


def own(value: Any) -> Any:
    """A value in OpenAI's own form; where it is the text of its JSON, that very text. Raises Unconvertible."""
    if not isinstance(value, str):
        return value
    raw(value, Raw)
    return Verbatim(one_line(value))


def tools_of(value: Any) -> Verbatim | None:
    """Declared tools as OpenAI writes them, from a list of tools or of bare functions, or from the text of one."""
    if value in (None, "", [], "[]"):
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    listed = raw(text, list[Raw] | None) or []
    return Verbatim(f"[{', '.join(_tool(bytes(each).decode()) for each in listed)}]") if listed else None


def _tool(text: str) -> str:
    members = raw(text, dict[str, Raw])
    text = one_line(text)
    return text if "function" in members and "type" in members else f'{{"type": "function", "function": {text}}}'


def calls_of(value: Any) -> list[Example]:
    """Calls without their ids, from {"name": …, "arguments": …}, a list of such, or the text of either.

    Arguments stay the very text.
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    called = raw(text, list[Raw]) if text.lstrip().startswith("[") else [text]
    if not called:
        raise Unconvertible("a turn that calls nothing")
    return [_call(each) for each in called]


def _call(text: Any) -> Example:
    members = raw(text, dict[str, Raw])
    name = raw(members.get("name", b"null"), str | None)
    if not name:
        raise Unconvertible("a call without a name")
    arguments = bytes(members.get("arguments", members.get("parameters", Raw(b"{}")))).decode()
    if arguments.startswith('"'):
        arguments = raw(arguments, str)
    return {"type": "function", "function": {"name": name, "arguments": arguments}}
