"""The command `python -m worker.training.preview DIR`: what training would learn of some lines, token by token.

DIR/request.json names the base model, its context and the numbers of the lines; DIR/lines.jsonl holds these lines as
they stand in the data set. DIR/answer.json is the answer: {"error": …} or {"examples": […]}.
"""

from __future__ import annotations

import json
import os
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec

REQUEST_FILE, LINES_FILE, ANSWER_FILE = "request.json", "lines.jsonl", "answer.json"
_TOLD = 500  # characters of an error


class PreviewRequest(msgspec.Struct, frozen=True):
    """What to render. `model` is the directory of a base model."""

    model: str
    context_length: int
    numbers: list[int]


def main(arguments: list[str]) -> int:
    """Answer the request of a directory; returns the exit code, which is 0 whenever there is an answer."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m worker.training.preview DIR\n")
        return 2
    directory = Path(arguments[0])
    answer = answer_to(directory)
    building = directory / f".{ANSWER_FILE}"
    building.write_text(json.dumps(answer))
    building.replace(directory / ANSWER_FILE)
    return 0


def answer_to(directory: Path) -> dict[str, Any]:
    """Render the lines of a request."""
    request = msgspec.json.decode((directory / REQUEST_FILE).read_bytes(), type=PreviewRequest)
    lines = (directory / LINES_FILE).read_bytes().split(b"\n")
    os.environ["HF_HUB_OFFLINE"] = "1"  # read by the library while it is imported
    from worker.training.failures import JobFailed  # not before the environment is set
    from worker.training.tokenizers import load_tokenizer

    try:
        tokenizer = load_tokenizer(request.model)
    except JobFailed as failed:
        return {"error": str(failed)[:_TOLD]}
    from worker.training.rendering import Renderer

    renderer = Renderer(tokenizer, context_length=request.context_length)
    return {"examples": [shown(renderer, tokenizer, number, line)
                         for number, line in zip(request.numbers, lines, strict=False)]}


def shown(renderer: Any, tokenizer: Any, number: int, line: bytes) -> dict[str, Any]:
    """One line as runs of tokens that are all trained or all not; or why it has none."""
    from worker.training.conversations import parse

    try:
        example = renderer.example(parse(json.loads(line.decode("utf-8-sig"))))
    except Exception as wrong:  # noqa: BLE001  # a template may refuse a chat in any way it likes
        return {"line": number, "tokens": 0, "trained_tokens": 0, "truncated": False, "runs": [],
                "error": f"This line cannot be trained on: {str(wrong)[:_TOLD]}"}
    # The first token of a text is predicted by nothing before it, so training never learns it.
    labels = [False, *(label >= 0 for label in example.labels[1:])]
    runs = []
    for trained, group in groupby(zip(example.input_ids, labels, strict=True), key=lambda pair: pair[1]):
        ids = [token for token, _ in group]
        runs.append({"text": tokenizer.decode(ids, skip_special_tokens=False), "trained": trained,
                     "tokens": len(ids)})
    return {"line": number, "tokens": len(example.input_ids), "trained_tokens": example.learned_tokens,
            "truncated": example.was_truncated, "runs": runs, "error": None}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
