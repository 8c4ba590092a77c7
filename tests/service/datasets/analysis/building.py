"""Makes batches from examples, tokenized as the analysis does it, and prose that is never twice the same."""

import random
from collections.abc import Sequence

import numpy as np
import toktok

from service.datasets.analysis.batches import Batch, Said

_SYLLABLES = ("ba", "ne", "ri", "to", "lu", "ka", "mi", "so", "ve", "du", "pha", "gre", "stin", "or", "el", "an")


def chat(user: str, assistant: str, *, system: str | None = None) -> list[Said]:
    said: list[Said] = [("user", user, False), ("assistant", assistant, True)]
    return said if system is None else [("system", system, False), *said]


def batch_of(examples: Sequence[list[Said]], *, first_line: int = 1, begins: bool = True) -> Batch:
    texts = [text for example in examples for _, text, _ in example]
    ids, offsets = toktok._encoding("o200k_base").encode_batch_to_numpy(texts)
    firsts = np.concatenate([[0], np.cumsum([len(example) for example in examples])]).astype(np.int64)
    return Batch(list(range(first_line, first_line + len(examples))), list(examples), ids, offsets.astype(np.int64),
                 firsts, np.zeros(len(examples), np.uint32), begins)


def prose(dice: random.Random, *, words: int) -> str:
    return " ".join("".join(dice.choices(_SYLLABLES, k=dice.randint(1, 4))) for _ in range(words)).capitalize() + "."


def altered(dice: random.Random, text: str, *, words: int) -> str:
    """The text with so many of its words replaced, in one place."""
    parts = text.split(" ")
    at = dice.randrange(len(parts) - words)
    parts[at:at + words] = [prose(dice, words=1) for _ in range(words)]
    return " ".join(parts)
