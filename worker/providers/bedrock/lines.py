"""Turns lines of ours into lines that a family of Bedrock's models is trained on, or says why one cannot be turned.

    converse   {"schemaVersion": "bedrock-conversation-2024", "system": [{"text"}], "messages": [{"role", "content"}]}
    prompt     {"prompt", "completion"}: our own lines of that kind, byte for byte, so nothing is turned

Nothing is left out in silence: what the other form cannot say (weights, tools, images, names) refuses the line, for a
model that was trained on something else than its file costs more than a file that must be changed.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from service.catalog.bedrock_models import Family
from service.datasets.validation.lines import BOM, Oversize, read_lines
from worker.providers.remote import Refused

SCHEMA = "bedrock-conversation-2024"
VERSION = "v1"
"""Of these rules: what was turned by others is not used again."""
_SYSTEM = frozenset({"system", "developer"})
_ROLES = _SYSTEM | {"user", "assistant"}
_UNSAID = {"tools": "tools", "functions": "functions", "tool_calls": "tool calls", "function_call": "function calls",
           "refusal": "refusals", "name": "names of speakers", "audio": "audio"}


class Misfit(Exception):
    """Why a line cannot be said in the other form."""


def converted(chunks: Iterable[bytes], family: Family, param: str) -> Iterator[bytes]:
    """The file's lines in the family's form, with their newlines. Raises Refused naming the line that has none."""
    count = 0
    for number, line in read_lines(chunks):
        try:
            told = _turned(line, family, first=number == 1)
        except Misfit as misfit:
            raise Refused("invalid_file_format", f"Line {number} cannot be turned into what Bedrock trains on:"
                          f" {misfit}", param) from None
        if told is not None:
            count += 1
            yield told
    fewest, most = family.lines
    if not fewest <= count <= most:
        raise Refused("invalid_n_examples", f"The file has {count} example(s); Bedrock takes {fewest} to {most} for"
                      " this model.", param)


def _turned(line: bytes | Oversize, family: Family, *, first: bool) -> bytes | None:
    if isinstance(line, Oversize):
        raise Misfit(f"it has {line.bytes} bytes.")
    text = (line.removeprefix(BOM) if first else line).strip(b" \t\r")
    if not text:
        return None
    try:
        example = json.loads(text)
        return msgspec.json.encode(converse(example, family.reserved)) + b"\n"
    except (ValueError, RecursionError, UnicodeError):
        raise Misfit("it is no JSON that can be read.") from None


def converse(example: Any, reserved: tuple[str, ...] = ()) -> dict[str, Any]:
    """One chat example in the form of Bedrock's Converse API. Raises Misfit."""
    if not isinstance(example, Mapping) or not isinstance(example.get("messages"), list):
        raise Misfit("it has no 'messages'.")
    _all_can_be_said(example)
    system: list[dict[str, str]] = []
    turns: list[dict[str, Any]] = []
    for message in example["messages"]:
        role, blocks = _message(message)
        if role in _SYSTEM and turns:
            raise Misfit(f"a '{role}' message stands behind the first turn; Bedrock takes it at the beginning only.")
        if role != "assistant":
            _free_of(reserved, blocks)
        if role in _SYSTEM:
            system += blocks
        else:
            turns.append({"role": role, "content": blocks})
    _alternate([turn["role"] for turn in turns])
    return {"schemaVersion": SCHEMA, **({"system": system} if system else {}), "messages": turns}


def _message(message: Any) -> tuple[str, list[dict[str, str]]]:
    if not isinstance(message, Mapping):
        raise Misfit("a message is not an object.")
    role = message.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise Misfit(f"Bedrock knows no role '{str(role)[:40]}'.")
    _all_can_be_said(message)
    weight = message.get("weight")
    if weight is not None and weight != 1:
        raise Misfit("a message has the weight 0, and Bedrock learns every answer; leave the weight out, or the"
                     " messages behind which it stands.")
    return role, _blocks(message.get("content"))


def _all_can_be_said(of: Mapping[str, Any]) -> None:
    for field, words in _UNSAID.items():
        if of.get(field):
            raise Misfit(f"it has {words} ('{field}'), which fine-tuning at Bedrock does not take.")


def _blocks(content: Any) -> list[dict[str, str]]:
    parts = [content] if isinstance(content, str) else content
    if not isinstance(parts, list):
        raise Misfit("a message has no text.")
    texts = [_text(part) for part in parts]
    if not any(texts):
        raise Misfit("a message is empty.")
    return [{"text": text} for text in texts if text]


def _text(part: Any) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping) and part.get("type") == "text" and isinstance(part.get("text"), str):
        text: str = part["text"]
        return text
    kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
    raise Misfit(f"a part of a message is '{str(kind)[:40]}'; only text can be sent to Bedrock from here.")


def _free_of(reserved: tuple[str, ...], blocks: list[dict[str, str]]) -> None:
    for word in reserved:
        if any(word in block["text"] for block in blocks):
            raise Misfit(f"a prompt contains '{word}', a word that Bedrock keeps for itself; use another.")


def _alternate(roles: list[str]) -> None:
    """Turns go user, assistant, user … and end with the assistant's."""
    for place, role in enumerate(roles):
        if role != ("user", "assistant")[place % 2]:
            raise Misfit(f"turn {place + 1} is the {role}'s; Bedrock takes turns that begin with the user's and"
                         " alternate.")
    if len(roles) < 2 or roles[-1] != "assistant":
        raise Misfit("the last turn is not the assistant's.")
