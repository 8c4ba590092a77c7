"""What the simulated server finds in a training file: examples, tokens, and the first reason to fail the job."""

import json
from dataclasses import dataclass
from typing import Any

from tests.remote.files import Bytes

MIN_EXAMPLES = 10


@dataclass(frozen=True, slots=True)
class Problem:
    code: str
    message: str
    param: str = "training_file"

    def wire(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "param": self.param}


@dataclass(frozen=True, slots=True)
class Reading:
    examples: int
    tokens: int
    "Of one epoch, counted as the real one bills: contents, four a message, one an example."
    problem: Problem | None = None


def read(content: Bytes, method: str, param: str) -> Reading:
    examples = tokens = 0
    for number, line in enumerate(content.lines(), start=1):
        if not line.strip():
            continue
        try:
            example = json.loads(line)
        except ValueError as wrong:
            return _bad(f"Example {number} cannot be parsed. Error: line contains invalid json: {wrong}", param)
        problem = _wrong(example, method, number)
        if problem:
            return _bad(problem, param)
        examples += 1
        tokens += _tokens(example)
    if param == "training_file" and examples < MIN_EXAMPLES:
        return Reading(examples, tokens, Problem("invalid_n_examples", f"Training file has {examples} example(s), but "
                                                 f"must have at least {MIN_EXAMPLES} examples"))
    return Reading(examples, tokens)


def _bad(message: str, param: str) -> Reading:
    code = "invalid_validation_file" if param == "validation_file" else "invalid_file_format"
    return Reading(0, 0, Problem(code, f"Invalid file format. {message}", param))


def _wrong(example: Any, method: str, number: int) -> str | None:
    if not isinstance(example, dict):
        return f"Example {number} is not a dictionary."
    needed: tuple[str, ...]
    if method == "dpo":
        needed = ("input", "preferred_output", "non_preferred_output")
    elif "prompt" in example:
        needed = ("prompt", "completion")
    else:
        needed = ("messages",)
    missing = [key for key in needed if key not in example]
    if missing:
        return f"Example {number} is missing key '{missing[0]}'."
    messages = example["input"].get("messages") if method == "dpo" else example.get("messages", [{"role": "user"}])
    if not isinstance(messages, list) or not messages:
        return f"Example {number} has no messages."
    for place, message in enumerate(messages):
        if not isinstance(message, dict) or "role" not in message:
            return f"Example {number}, message {place} Discriminator 'role' is missing in value"
    return None


def _tokens(example: dict[str, Any]) -> int:
    return 1 + sum(4 + _length(message.get("content")) for message in _messages(example)) + sum(
        _length(example.get(key)) for key in ("prompt", "completion"))


def _messages(example: dict[str, Any]) -> list[dict[str, Any]]:
    parts = [*example.get("messages", []), *example.get("input", {}).get("messages", []),
             *example.get("preferred_output", []), *example.get("non_preferred_output", [])]
    return [part for part in parts if isinstance(part, dict)]


def _length(content: Any) -> int:
    """Four letters a token: near enough to the real encodings, and needs no vocabulary."""
    text = content if isinstance(content, str) else "" if content is None else json.dumps(content)
    return (len(text) + 3) // 4
