"""Hashes of what examples say: equal texts are equal, however their JSON is spelt."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest as _digest

from service.datasets.analysis.shapes import Shape

_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9))
_FOLD = np.uint64(29)
Hashes = NDArray[np.uint64]


def hashed(texts: Sequence[str]) -> int:
    return _digest("\0".join(texts).encode())


def hashes(shapes: Sequence[Shape], texts: Sequence[list[str]], rests: Sequence[int] | None) -> tuple[Hashes, Hashes, Hashes]:
    """Hashes of all, of the prompt and of the answer, for each example.

    `rests` are hashes of what examples hold besides their texts: it belongs to the answer.
    """
    splits = [shape.split for shape in shapes]
    prompts = _mixed([_digest("\0".join(each[:split]).encode()) for each, split in zip(texts, splits, strict=True)],
                     [shape.prompt_tag for shape in shapes])
    answers = _mixed([_digest(each[-1].encode()) if len(each) == split + 1 else hashed(each[split:])
                      for each, split in zip(texts, splits, strict=True)], rests or [0] * len(texts))
    exact = _mixed(_mixed(prompts, answers), [shape.tag for shape in shapes])
    return exact, np.where([shape.asks for shape in shapes], prompts, np.uint64(0)), answers


def _mixed(first: Sequence[int] | Hashes, second: Sequence[int] | Hashes) -> Hashes:
    mixed = np.asarray(first, np.uint64) * _MIX[0] ^ (np.asarray(second, np.uint64) + _MIX[1])
    mixed ^= mixed >> _FOLD
    mixed *= _MIX[2]
    return mixed ^ (mixed >> _FOLD)
