"""Counts the tokens of chats as training would, without training: the same template, loss mask and truncation.

`python -m worker.training.counting --base DIR --context N` reads JSON lines from stdin, and writes records to stdout
as JSON lines: `counted` again and again, each with what came since the last, or `refused` with the reason.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from worker.training.conversations import parse

if TYPE_CHECKING:
    from worker.training.rendering import Example, Renderer

_LONGEST_LINE = 8 * 1024 * 1024  # no validated file has a longer one
_AT_ONCE = 500
_QUIET = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TRANSFORMERS_VERBOSITY": "error",
          "TOKENIZERS_PARALLELISM": "false", "USE_TORCH": "0"}


class Counted(msgspec.Struct, tag="counted"):
    """Examples that training would take: their lines and whole lengths, and sums over what is left of them."""

    bytes: int = 0
    "Read so far, from the beginning."
    lines: list[int] = []
    lengths: list[int] = []
    "Tokens of each, before anything is cut off."
    answers: int = 0
    "Part of these lengths that assistants say and that is learned."
    trained: int = 0
    "Tokens of one epoch, what goes beyond the context cut off."
    learned: int = 0
    "Part of `trained` that carries loss."
    messages: int = 0
    skipped: int = 0
    "Examples with nothing to learn, and lines that are no chats."

    def add(self, number: int, example: Example, context: int, messages: int) -> None:
        cut = example.cut(context)
        if not cut.learned_tokens:
            self.skipped += 1
            return
        self.lines.append(number)
        self.lengths.append(len(example.input_ids))
        self.answers += example.learned_tokens
        self.trained += len(cut.input_ids)
        self.learned += cut.learned_tokens
        self.messages += messages


class Refused(msgspec.Struct, tag="refused"):
    """Nothing can be counted here; the sentence says why."""

    problem: str


Record = Counted | Refused


def count(lines: Iterable[bytes], renderer: Renderer, context: int) -> Iterator[Counted]:
    """Count example by example; what is no chat, or is refused by the template, is skipped and told."""
    told, read = Counted(), 0
    for number, line in enumerate(lines, start=1):
        read += len(line)
        if line.strip():
            try:
                chat = parse(json.loads(line.decode("utf-8-sig")))
                told.add(number, renderer.whole(chat), context, len(chat.messages))
            except Exception:  # noqa: BLE001  # a template may refuse a chat in any way it likes
                told.skipped += 1
        if number % _AT_ONCE == 0:
            told.bytes = read
            yield told
            told = Counted()
    told.bytes = read
    yield told


def read_lines(source: BinaryIO) -> Iterator[bytes]:
    """Lines with their ends; of one that is longer than any good one, only the beginning."""
    while line := source.readline(_LONGEST_LINE):
        yield line
        while not line.endswith(b"\n") and (line := source.readline(_LONGEST_LINE)):
            pass


def main(arguments: list[str]) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m worker.training.counting", description="Count tokens of chats.")
    parser.add_argument("--base", required=True, metavar="DIR", help="directory of the base model")
    parser.add_argument("--context", required=True, type=int, help="tokens after which an example is cut off")
    chosen = parser.parse_args(arguments)
    os.environ.update(_QUIET)  # before the libraries read it
    for record in _records(chosen.base, chosen.context):
        sys.stdout.buffer.write(msgspec.json.encode(record) + b"\n")
        sys.stdout.buffer.flush()


def _records(base: str, context: int) -> Iterator[Record]:
    try:
        from worker.training.failures import JobFailed  # not before the environment is set
        from worker.training.rendering import Renderer
        from worker.training.tokenizers import load_tokenizer
    except ImportError as missing:
        yield Refused(f"This worker cannot count so: it lacks {missing.name}. Install the extra `train` where the queue"
                      " `datasets` is served.")
        return
    try:
        renderer = Renderer(load_tokenizer(base), context_length=context)
    except JobFailed as failed:
        yield Refused(str(failed))
        return
    yield from count(read_lines(sys.stdin.buffer), renderer, context)


if __name__ == "__main__":
    main(sys.argv[1:])
