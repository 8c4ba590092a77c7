"""The choice of examples for review: order, repeatability, and nothing twice."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.datasets.analysis.batches import Flag
from service.datasets.analysis.suspicion import (
    MOST_ITEMS,
    WEIGHTS,
    Examples,
    NoColumns,
    Wanted,
    in_words,
    load,
    suspects,
)

flag_sets = st.lists(st.integers(0, 2**17 - 1), max_size=60)


def examples(flags: list[int]) -> Examples:
    lines = np.arange(1, len(flags) + 1, dtype=np.int64)
    return Examples(lines, lines * 100, np.full(len(flags), 99, dtype=np.int64), np.array(flags, dtype=np.uint32))


def test_the_most_suspicious_come_first() -> None:
    flags = [0, Flag.WARNED, Flag.SECRET, Flag.REFUSAL | Flag.PERSONAL_DATA, 0]
    chosen = suspects(examples(flags), Wanted(flagged=None))
    assert [(each.line, each.suspicion) for each in chosen] == [(3, 40), (4, 32), (2, 3)]
    assert (chosen[0].start, chosen[0].length, chosen[0].chosen_as) == (300, 99, "flagged")


def test_only_so_many_flagged_ones_as_are_asked_for() -> None:
    chosen = suspects(examples([Flag.WARNED, Flag.SECRET, Flag.WARNED]), Wanted(flagged=2))
    assert [each.line for each in chosen] == [2, 1]


def test_a_missing_system_message_makes_nobody_suspicious() -> None:
    assert suspects(examples([Flag.NO_SYSTEM_MESSAGE] * 5), Wanted(flagged=None)) == []


def test_every_other_flag_has_a_weight() -> None:
    assert set(Flag) - set(WEIGHTS) == {Flag.NO_SYSTEM_MESSAGE}


def test_a_sample_by_percent_is_one_of_all_examples() -> None:
    assert len(suspects(examples([0] * 101), Wanted(percent=10.0))) == 11
    assert len(suspects(examples([0] * 101), Wanted(percent=100.0))) == 101


def test_what_was_reviewed_before_can_be_left_out() -> None:
    chosen = suspects(examples([Flag.SECRET] * 3 + [0] * 3), Wanted(flagged=None, count=10), without={1, 2, 4})
    assert [each.line for each in chosen] == [3, 5, 6]


def test_one_review_holds_only_so_many() -> None:
    assert len(suspects(examples([1] * MOST_ITEMS + [0] * 500), Wanted(flagged=None, count=500))) == MOST_ITEMS
    assert len(suspects(examples([0] * (MOST_ITEMS + 500)), Wanted(percent=100.0))) == MOST_ITEMS


@given(flag_sets, st.one_of(st.none(), st.integers(0, 70)), st.integers(0, 70), st.integers(0, 2**31))
def test_nothing_is_chosen_twice_and_the_same_seed_chooses_the_same(flags: list[int], flagged: int | None, count: int,
                                                                    seed: int) -> None:
    wanted = Wanted(flagged=flagged, count=count, seed=seed)
    chosen = suspects(examples(flags), wanted)
    assert chosen == suspects(examples(flags), wanted)
    assert len({each.line for each in chosen}) == len(chosen)
    assert [each.suspicion for each in chosen] == sorted((each.suspicion for each in chosen), reverse=True)
    by_flags = [each for each in chosen if each.chosen_as == "flagged"]
    assert all(each.suspicion > 0 for each in by_flags)
    conspicuous = len(suspects(examples(flags), Wanted(flagged=None)))
    assert len(by_flags) == (conspicuous if flagged is None else min(flagged, conspicuous))
    assert len(chosen) == min(len(flags), len(by_flags) + count)


def test_another_seed_chooses_others() -> None:
    one, other = (suspects(examples([0] * 1000), Wanted(count=20, seed=seed)) for seed in (1, 2))
    assert {each.line for each in one} != {each.line for each in other}


def test_flags_are_told_in_words_the_weightiest_first() -> None:
    assert in_words(Flag.NEAR_DUPLICATE | Flag.SECRET | Flag.NO_SYSTEM_MESSAGE) == \
        ["secret", "near_duplicate", "no_system_message"]
    assert in_words(0) == []


def test_columns_are_read_as_they_are_stored() -> None:
    stored = io.BytesIO()
    np.savez(stored, line=np.array([1, 3]), offset=np.array([0, 50]), length=np.array([49, 10], dtype=np.uint32),
             flags=np.array([0, 64], dtype=np.uint32), more=np.zeros((2, 9)))
    stored.seek(0)
    read = load(stored)
    assert (read.line.tolist(), read.start.tolist(), read.length.tolist(), read.flags.tolist()) == \
        ([1, 3], [0, 50], [49, 10], [0, 64])


@pytest.mark.parametrize("stored", [b"", b"no columns", b"PK"])
def test_other_bytes_are_refused(stored: bytes) -> None:
    with pytest.raises(NoColumns):
        load(io.BytesIO(stored))
