"""Agreement between reviewers: the published examples, and what must hold for any ballots."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.datasets.analysis.agreement import Ballot, agreement

BINARY = ("0100000010", "1110010000")
NOMINAL = ("aabbdcccedda", "babbbccceddd")
MISSING = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")
ballots = st.lists(st.tuples(st.tuples(*[st.integers(0, 4)] * 3), st.integers(1, 5)), max_size=8)


def from_observers(*observers: str) -> list[Ballot]:
    """The ballots of observers who each gave a value, or a dot for none, to the same units."""
    values = sorted(set("".join(observers)) - {"."})
    units = [Counter(unit) for unit in zip(*observers, strict=True)]
    return [([unit[value] for value in values], 1) for unit in units]


@pytest.mark.parametrize(("observers", "alpha"), [(BINARY, 0.095), (NOMINAL, 0.692), (MISSING, 0.743)])
def test_krippendorffs_own_examples_come_out_as_he_printed_them(observers: tuple[str, ...], alpha: float) -> None:
    found = agreement(from_observers(*observers))
    assert found is not None
    assert found.alpha == pytest.approx(alpha, abs=0.0005)


def test_percent_agreement_counts_pairs() -> None:
    found = agreement(from_observers(*BINARY))
    assert found is not None
    assert (found.items, found.percent) == (10, 60.0)
    three = agreement([((2, 1, 0), 1)])
    assert three is not None
    assert three.percent == pytest.approx(100 / 3)


@pytest.mark.parametrize("nothing_shared", [[], [((1, 0, 0), 7)], [((0, 0, 0), 3), ((0, 1, 0), 1)]])
def test_without_two_on_one_item_there_is_nothing_to_agree_on(nothing_shared: list[Ballot]) -> None:
    assert agreement(nothing_shared) is None


def test_alpha_says_nothing_when_nobody_ever_differed() -> None:
    found = agreement([((2, 0, 0), 5)])
    assert found is not None
    assert (found.percent, found.alpha) == (100.0, None)


@given(ballots)
def test_agreement_does_not_depend_on_how_ballots_are_bundled(bundled: list[Ballot]) -> None:
    single = [(counts, 1) for counts, times in bundled for _ in range(times)]
    one, other = agreement(bundled), agreement(reversed(single))
    assert (one is None) == (other is None)
    if one is not None and other is not None:
        assert (one.items, one.percent) == (other.items, other.percent)
        assert one.alpha == pytest.approx(other.alpha)


@given(ballots)
def test_alpha_is_one_exactly_when_no_item_is_disputed(some: list[Ballot]) -> None:
    found = agreement(some)
    if found is None or found.alpha is None:
        return
    disputed = any(len([count for count in counts if count]) > 1 for counts, _ in some)
    assert found.alpha <= 1
    assert (found.alpha == 1) == (not disputed)
    assert (found.percent == 100) == (not disputed)
