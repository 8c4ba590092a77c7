"""Near duplicates: planted ones are found, others are not, and the same file gives the same groups."""

import random
from pathlib import Path

import numpy as np
import pytest

from service.datasets.analysis import near_duplicates
from service.datasets.analysis.near_duplicates import BANDS, bands, groups, heads, overlaps, similarity
from tests.service.datasets.analysis.building import altered, batch_of, chat, prose


def _jaccard(left: str, right: str) -> float:
    one, two = (batch_of([chat("", text)]).ids.tolist() for text in (left, right))
    first, second = ({tuple(ids[at:at + 5]) for at in range(len(ids) - 4)} for ids in (one, two))
    return len(first & second) / len(first | second)


class TestBands:
    def test_there_are_eight_numbers_for_each_example(self) -> None:
        assert bands(batch_of([chat("What is it?", "A thing."), chat("Who?", "She.")])).shape == (2, BANDS)

    def test_an_empty_batch_has_none(self) -> None:
        assert bands(batch_of([])).shape == (0, BANDS)

    def test_an_example_does_not_depend_on_what_stands_around_it(self) -> None:
        dice = random.Random(1)
        examples = [chat(prose(dice, words=9), prose(dice, words=80)) for _ in range(300)]
        together = bands(batch_of(examples))
        alone = np.concatenate([bands(batch_of([example])) for example in examples])
        assert np.array_equal(together, alone)

    def test_the_similarity_of_signatures_is_that_of_the_texts(self) -> None:
        dice = random.Random(2)
        misses = []
        for words in (3, 10, 30, 60):
            for _ in range(20):
                text = prose(dice, words=120)
                other = altered(dice, text, words=words)
                found = bands(batch_of([chat("", text), chat("", other)]))
                misses.append(similarity(found[:1], found[1:])[0] - _jaccard(text, other))
        assert abs(np.mean(misses)) < 0.02
        assert np.std(misses) < 0.08

    def test_a_long_system_prompt_makes_nothing_alike(self) -> None:
        dice = random.Random(3)
        system = prose(dice, words=400)
        examples = [chat(prose(dice, words=12), prose(dice, words=12), system=system) for _ in range(50)]
        assert groups(bands(batch_of(examples))) == []

    def test_short_texts_are_alike_only_when_they_are_equal(self) -> None:
        examples = [chat("2+2", "4"), chat("2+3", "5"), chat("Hi", "Yo"), chat("2+2", "4"), chat("Hey", "Yo")]
        assert groups(bands(batch_of(examples))) == [[0, 3]]

    def test_examples_without_text_are_not_alike(self) -> None:
        assert groups(bands(batch_of([chat("", ""), chat("", "")]))) == []


class TestGroups:
    def test_planted_near_duplicates_are_found_and_nothing_else_is(self) -> None:
        dice = random.Random(4)
        texts = [prose(dice, words=100) for _ in range(1500)]
        planted = {}
        for source in range(300):
            planted[len(texts)] = source
            texts.append(altered(dice, texts[source], words=4))
        found = heads(bands(batch_of([chat("Tell me more about it.", text) for text in texts])))
        right = sum(found[copy] == source for copy, source in planted.items())
        wrong = sum(found[index] != index for index in range(len(texts)) if index not in planted)
        assert right >= 0.96 * len(planted)  # they are 0.85 to 0.92 alike
        assert wrong == 0

    def test_texts_that_share_half_of_their_words_are_not_grouped(self) -> None:
        dice = random.Random(5)
        frame = prose(dice, words=60)
        texts = [f"{frame} {prose(dice, words=60)}" for _ in range(400)]
        found = groups(bands(batch_of([chat("", text) for text in texts])))
        assert sum(len(group) for group in found) <= 4

    def test_a_bucket_of_thousands_is_one_group(self) -> None:
        dice = random.Random(6)
        text = prose(dice, words=150)
        texts = [altered(dice, text, words=2) for _ in range(3000)]
        found = groups(bands(batch_of([chat("", text) for text in texts])))
        assert len(found) == 1
        assert len(found[0]) >= 2990

    def test_skipped_examples_stand_in_no_group(self) -> None:
        signed = bands(batch_of([chat("Say it again.", "It was a dark and stormy night, they say.")] * 4))
        assert groups(signed) == [[0, 1, 2, 3]]
        assert groups(signed, skip=np.array([False, True, False, True])) == [[0, 2]]

    def test_signatures_that_lie_in_a_file_are_let_go_again(self, tmp_path: Path) -> None:
        dice = random.Random(9)
        texts = [prose(dice, words=50) for _ in range(100)]
        signed = bands(batch_of([chat("", text) for text in texts * 2]))
        signed.tofile(tmp_path / "bands")
        stored = np.memmap(tmp_path / "bands", np.uint64, mode="r", shape=signed.shape)
        released: list[None] = []
        found = heads(stored, release=lambda: released.append(None), fetch=lambda rows: signed[rows])
        assert found.tolist() == [*range(100), *range(100)]
        assert len(released) >= BANDS * 2

    def test_keys_are_sorted_in_parts_when_there_are_many(self, monkeypatch: pytest.MonkeyPatch) -> None:
        dice = np.random.default_rng(9)
        columns = dice.integers(1, 2**63, (2000, BANDS), np.uint64)
        columns[1000:1200] = columns[:200]
        expected = heads(columns)
        monkeypatch.setattr(near_duplicates, "_SORTED", 300)
        assert heads(columns).tolist() == expected.tolist()
        assert expected[1000:1200].tolist() == [*range(200)]

    def test_the_groups_are_the_same_every_time(self) -> None:
        dice = random.Random(7)
        texts = [prose(dice, words=50) for _ in range(200)]
        texts += [altered(dice, dice.choice(texts), words=3) for _ in range(200)]
        signed = bands(batch_of([chat("", text) for text in texts]))
        assert groups(signed) == groups(signed.copy())


class TestOverlaps:
    def test_the_other_file_s_copies_are_paired_with_their_originals(self) -> None:
        dice = random.Random(8)
        texts = [prose(dice, words=90) for _ in range(500)]
        copies = [altered(dice, text, words=3) for text in texts[100:150]]
        others = copies + [prose(dice, words=90) for _ in range(100)]
        ours, theirs = (bands(batch_of([chat("", text) for text in some])) for some in (texts, others))
        pairs = overlaps(ours, theirs)
        assert set(pairs) <= {(100 + index, index) for index in range(50)}
        assert len(pairs) >= 49

    def test_files_with_nothing_in_them_overlap_nowhere(self) -> None:
        none = bands(batch_of([]))
        some = bands(batch_of([chat("Where?", "Here, or nearly so.")]))
        assert overlaps(none, some) == overlaps(some, none) == []
