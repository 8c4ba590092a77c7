"""Hashes of what examples say: equal texts are equal, however their JSON is spelt."""

from collections.abc import Sequence

import numpy as np
import xxhash
from numpy.typing import NDArray

from service.datasets.analysis.shapes import Shape

_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9))
_FOLD = np.uint64(29)
Hashes = NDArray[np.uint64]


def hashed(texts: Sequence[str]) -> int:
    return xxhash.xxh3_64_intdigest("\0".join(texts).encode())


def hashes(shapes: Sequence[Shape], texts: Sequence[list[str]], rests: dict[int, int]) -> tuple[Hashes, Hashes, Hashes]:
    """Hashes of all, of the prompt and of the answer, for each example.

    `rests` are hashes of what some examples hold besides their texts, by row: it belongs to the answer.
    """
    said = [hashed(each[:shape.split]) for shape, each in zip(shapes, texts, strict=True)]
    answers = _mixed(np.array([hashed(each[shape.split:]) for shape, each in zip(shapes, texts, strict=True)], np.uint64),
                     np.zeros(len(texts), np.uint64))
    for row, rest in rests.items():
        answers[row] ^= np.uint64(rest)
    asked = np.array([shape.asks for shape in shapes], np.bool_)
    prompts = _mixed(np.array(said, np.uint64), np.array([shape.prompt_tag for shape in shapes], np.uint64))
    exact = _mixed(_mixed(prompts, answers), np.array([shape.tag for shape in shapes], np.uint64))
    return exact, np.where(asked, prompts, np.uint64(0)), answers


def _mixed(first: Hashes, second: Hashes) -> Hashes:
    mixed = first * _MIX[0] ^ (second + _MIX[1])
    mixed ^= mixed >> _FOLD
    mixed *= _MIX[2]
    return mixed ^ (mixed >> _FOLD)
