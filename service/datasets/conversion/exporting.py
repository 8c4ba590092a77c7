"""Lines in OpenAI's chat format as other tools want them: ShareGPT, Alpaca, CSV, Parquet."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
from msgspec import Raw
from pyarrow.parquet import ParquetWriter

from service.datasets.conversion.examples import Example, Unconvertible, Verbatim, raw, written
from service.datasets.validation.lines import read_lines

FORMATS = ("sharegpt", "alpaca", "csv", "parquet")
_BATCH = 1000
_PARQUET = ("messages", "tools", "functions", "parallel_tool_calls", "input", "preferred_output",
            "non_preferred_output")
_KNOWN = (*_PARQUET, "weight", "name", "refusal", "audio", "function_call", "tool_calls", "tool_call_id", "prompt",
          "completion")


def export(lines: Iterator[bytes], format: str, target: Path, *, skip: Callable[[int, str], None]) -> int:
    """Write the lines to a file; how many. `skip` hears the line number and why of those that cannot be told so."""
    converted = _converted(lines, {"sharegpt": sharegpt, "alpaca": alpaca, "csv": _columns, "parquet": _texts}[format],
                           skip)
    return {"csv": _to_csv, "parquet": _to_parquet}.get(format, _to_json)(converted, target)


def lines_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines without their newline, from bytes that are cut anywhere. One that is too long comes cut short."""
    for _, line in read_lines(chunks):
        yield line if isinstance(line, bytes) else b"{"


def _converted(lines: Iterator[bytes], change: Callable[[bytes], Example],
               skip: Callable[[int, str], None]) -> Iterator[Example]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield change(line)
        except Unconvertible as why:
            skip(number, str(why))
        except (TypeError, ValueError, KeyError, AttributeError, RecursionError):
            skip(number, "not a chat as OpenAI's format has it")


def sharegpt(line: bytes) -> Example:
    """Turns of {from, value}; a call with its arguments as they stand, tools as JSON text. Raises Unconvertible."""
    members = raw(line, dict[str, Raw])
    _nothing_else(members, "messages", "tools")
    turns, unanswered = list[Example](), list[Any]()
    for message in _messages(members):
        _in_order(message, unanswered)
        turns += _turn(message)
    tools = {} if "tools" not in members else {"tools": bytes(members["tools"]).decode()}
    return {"conversations": turns, **tools}


def _nothing_else(found: Mapping[str, Any], *names: str) -> None:
    """What the other shape has no place for would be lost unseen. Raises Unconvertible."""
    for name, value in found.items():
        if name not in names and value is not None and (name, value) != ("weight", 1):
            known = name if name in _KNOWN else "a key that OpenAI's format does not have"
            raise Unconvertible(f"no place for {known}")


def _in_order(message: Example, unanswered: list[Any]) -> None:
    """Results go without ids, so they must stand in the order of their calls. Raises Unconvertible."""
    if message.get("role") == "tool":
        if not unanswered or unanswered.pop(0) != message.get("tool_call_id"):
            raise Unconvertible("results in another order than their calls")
    elif unanswered:
        raise Unconvertible("a call without its result")
    unanswered += [call["id"] for call in message.get("tool_calls") or ()]


def _turn(message: Example) -> list[Example]:
    _nothing_else(message, "role", "content", "tool_calls", "tool_call_id")
    role, content = message.get("role"), message.get("content")
    if message.get("tool_calls"):
        if content:
            raise Unconvertible("a message with both text and calls")
        return [{"from": "function_call", "value": _call(call)} for call in message["tool_calls"]]
    names = {"user": "human", "assistant": "gpt", "system": "system", "tool": "observation"}
    if role not in names or not isinstance(content, str):
        raise Unconvertible("a message that has no place in it")
    return [{"from": names[str(role)], "value": content}]


def _call(call: Any) -> str:
    function = call["function"]
    _nothing_else(function, "name", "arguments")
    text = function["arguments"]
    try:
        is_object = text[:1] == "{" and text[-1:] == "}" and bool(raw(text, dict[str, Raw]) or True)
    except Unconvertible:
        is_object = False
    return written({"name": function["name"], "arguments": Verbatim(text) if is_object else text})


def alpaca(line: bytes) -> Example:
    """One question and one answer, with a system message. Raises Unconvertible."""
    said = _single(line)
    return {"instruction": said["user"], "input": "", "output": said["assistant"],
            **({"system": said["system"]} if said["system"] else {})}


def _columns(line: bytes) -> Example:
    return _single(line)


def _single(line: bytes) -> dict[str, str]:
    members = raw(line, dict[str, Raw])
    messages = _messages(members)
    _nothing_else(members, "messages", "tools")
    for message in messages:
        _nothing_else(message, "role", "content")
    roles = [message.get("role") for message in messages]
    if roles not in (["user", "assistant"], ["system", "user", "assistant"]) or "tools" in members:
        raise Unconvertible("more than one question and one answer")
    said = {str(message["role"]): message.get("content") for message in messages}
    if not all(isinstance(content, str) for content in said.values()):
        raise Unconvertible("content that is not a text")
    if not all(str(content).strip() for content in said.values()):
        raise Unconvertible("a text that is empty")
    return {"system": "", **said}  # type: ignore[dict-item]  # checked above


def _texts(line: bytes) -> Example:
    """Each value as its JSON text, since columns of objects would invent keys."""
    members = raw(line, dict[str, Raw])
    _nothing_else(members, *_PARQUET)
    return {name: bytes(value).decode() for name, value in members.items()}


def _messages(members: dict[str, Raw]) -> list[Example]:
    messages: list[Example] = raw(members.get("messages", b"null"), list[dict[str, Any]] | None) or []
    if not messages:
        raise Unconvertible("no messages")
    return messages


def _to_json(examples: Iterator[Example], target: Path) -> int:
    count = 0
    with target.open("wb") as file:
        for count, example in enumerate(examples, start=1):
            file.write((b",\n" if count > 1 else b"[\n") + msgspec.json.encode(example))
        file.write(b"\n]\n" if count else b"[]\n")
    return count


def _to_csv(examples: Iterator[Example], target: Path) -> int:
    count = 0
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["system", "user", "assistant"], quoting=csv.QUOTE_ALL)
        writer.writeheader()
        for example in examples:
            writer.writerow(example)
            count += 1
    return count


def _to_parquet(examples: Iterator[Example], target: Path) -> int:
    schema = pa.schema([(name, pa.string()) for name in _PARQUET])
    count, held = 0, list[Example]()
    with ParquetWriter(target, schema) as writer:
        for example in examples:
            count += 1
            held.append({name: example.get(name) for name in _PARQUET})
            if len(held) == _BATCH:
                writer.write_table(pa.Table.from_pylist(held, schema))
                held = []
        writer.write_table(pa.Table.from_pylist(held, schema))
    return count
