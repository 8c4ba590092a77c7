"""Leakage: what stands in the training file and in the validation file too is counted and paired by line."""

import random
from dataclasses import dataclass

import numpy as np
import xxhash
from numpy.typing import NDArray

from service.datasets.analysis.leakage import MOST_PAIRS, Leakage, compare
from service.datasets.analysis.near_duplicates import bands
from tests.service.datasets.analysis.building import altered, batch_of, chat, prose


@dataclass
class _File:
    line: NDArray[np.uint32]
    exact: NDArray[np.uint64]
    prompt: NDArray[np.uint64]
    answer: NDArray[np.uint64]
    bands: NDArray[np.uint64]


def _file(*pairs: tuple[str, str], first_line: int = 1) -> _File:
    def hashed(texts: list[str]) -> NDArray[np.uint64]:
        return np.array([xxhash.xxh3_64_intdigest(text.encode()) for text in texts], np.uint64)

    return _File(np.arange(first_line, first_line + len(pairs), dtype=np.uint32),
                 hashed([f"{prompt}\n{answer}" for prompt, answer in pairs]), hashed([prompt for prompt, _ in pairs]),
                 hashed([answer for _, answer in pairs]), bands(batch_of([chat(*pair) for pair in pairs])))


class TestCompare:
    def test_exact_near_and_contradicting_examples_are_told_apart(self) -> None:
        dice = random.Random(60)
        pairs = [(prose(dice, words=12), prose(dice, words=80)) for _ in range(50)]
        near = (pairs[7][0], altered(dice, pairs[7][1], words=3))
        against = (pairs[9][0], prose(dice, words=80))
        new = (prose(dice, words=12), prose(dice, words=80))
        found = compare(_file(*pairs), _file(new, pairs[3], near, against))
        assert found == Leakage(4, 1, 1, 1, [(4, 2)], [(8, 3)], [(10, 4)])
        assert found.share == 0.5
        assert found.message is not None
        assert found.message.startswith("2 of 4 validation examples (50.0%)")

    def test_files_that_share_nothing_leak_nothing(self) -> None:
        found = compare(_file(("a question", "an answer")), _file(("something else", "and its reply")))
        assert (found, found.message) == (Leakage(1), None)

    def test_empty_files_leak_nothing(self) -> None:
        assert compare(_file(), _file(("a", "b"))) == Leakage(1)
        assert compare(_file(("a", "b")), _file()).share == 0.0

    def test_all_are_counted_and_a_hundred_shown(self) -> None:
        dice = random.Random(61)
        pairs = [(prose(dice, words=5), prose(dice, words=9)) for _ in range(300)]
        found = compare(_file(*pairs), _file(*pairs))
        assert found.exact == 300
        assert len(found.exact_pairs) == MOST_PAIRS
