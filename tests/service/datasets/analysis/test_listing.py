"""Examples are found page by page: none left out, none twice, and never too many looked at for one page."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.datasets.analysis import listing
from service.datasets.analysis.batches import Flag
from service.datasets.analysis.columns import Columns
from service.datasets.analysis.listing import Listed, NoSuchExample, TooManyToSort, Wanted, find
from service.datasets.analysis.rows import all_rows, rows_of
from service.datasets.analysis.suspicion import suspicion
from tests.service.datasets.analysis.stored import Store, columns, stored


MANY = listing.MOST_ROWS + 2**16 + 1


@pytest.fixture(scope="module")
def large() -> Store:
    """More examples than are looked at for one page, some of them refusals, the last with a secret."""
    flags = np.zeros(MANY, np.uint32)
    flags[::1000] = Flag.REFUSAL
    flags[-1] = Flag.SECRET
    return stored(columns(MANY, flags=flags))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 4 rows, and 12 of them for one page."""
    monkeypatch.setattr(listing, "_BLOCK", 4)
    monkeypatch.setattr(listing, "MOST_ROWS", 12)


def pages(store: Store, wanted: Wanted, limit: int) -> Iterator[Listed]:
    after, more = None, True
    while more:
        page = find(store.open(), wanted, after=after, limit=limit)
        yield page
        assert not page.more or page.last is not None
        after, more = page.last, page.more


def lines(page: Listed) -> list[int]:
    found: list[int] = page.arrays["line"].tolist()
    return found


def walked(saved: Columns, wanted: Wanted, limit: int) -> list[int]:
    return [line for page in pages(stored(saved), wanted, limit) for line in lines(page)]


def expected(saved: Columns, wanted: Wanted) -> list[int]:
    """The same without pages and ranges."""
    keys = {"line": saved.line.astype(int), "tokens": -saved.tokens.astype(int), "suspicion": -suspicion(saved.flags)}
    rows = [row for row, line in enumerate(saved.line.tolist())
            if wanted.first_line <= line <= (wanted.last_line or line)
            and saved.tokens[row] >= wanted.min_tokens and (wanted.flag is None or saved.flags[row] & wanted.flag)]
    return [int(saved.line[row]) for row in sorted(rows, key=lambda row: (keys[wanted.order][row], row))]


@st.composite
def files(draw: st.DrawFn, most: int = 40) -> Columns:
    rows = draw(st.lists(st.tuples(st.integers(1, 3), st.sampled_from([0, 1, 5, 5, 9]), st.sampled_from(
        [0, 0, Flag.SECRET, Flag.REFUSAL, Flag.SECRET | Flag.REFUSAL, Flag.NO_SYSTEM_MESSAGE])), max_size=most))
    gaps, tokens, flags = zip(*rows, strict=True) if rows else ((), (), ())
    return columns(len(rows), line=np.cumsum(gaps), tokens=tokens, flags=flags)


wishes = st.builds(
    Wanted, flag=st.sampled_from([None, None, Flag.SECRET, Flag.REFUSAL, Flag.LEAKED]),
    min_tokens=st.sampled_from([0, 0, 5, 10, 2**40]), first_line=st.integers(1, 20),
    last_line=st.one_of(st.none(), st.integers(1, 90), st.just(2**40)), order=st.just("line"))


@pytest.mark.usefixtures("small")
class TestPages:
    @given(files(), wishes, st.integers(1, 15))
    def test_together_they_are_all_that_is_wanted_in_the_order_of_lines(self, saved: Columns, wanted: Wanted,
                                                                        limit: int) -> None:
        assert walked(saved, wanted, limit) == expected(saved, wanted)

    @given(files(most=12), st.sampled_from(["suspicion", "tokens"]), wishes, st.integers(1, 15))
    def test_sorted_ones_as_well(self, saved: Columns, order: Any, wanted: Wanted, limit: int) -> None:
        wanted = Wanted(wanted.flag, wanted.min_tokens, wanted.first_line, wanted.last_line, order)
        assert walked(saved, wanted, limit) == expected(saved, wanted)

    @given(files(), wishes, st.integers(1, 15))
    def test_none_is_longer_than_its_limit_and_each_goes_on(self, saved: Columns, wanted: Wanted, limit: int) -> None:
        cursors = []
        for page in pages(stored(saved), wanted, limit):
            assert len(lines(page)) <= limit
            cursors.append(page.last)
        assert cursors[:-1] == sorted(set(cursors[:-1]))

    def test_a_rare_flag_is_looked_for_over_several_pages(self) -> None:
        saved = columns(30, flags=[0] * 29 + [Flag.SECRET])
        found = list(pages(stored(saved), Wanted(flag=Flag.SECRET), limit=5))
        assert [(lines(page), page.last, page.more) for page in found] == \
            [([], 12, True), ([], 24, True), ([30], 30, False)]

    def test_a_page_may_end_before_it_is_full(self) -> None:
        saved = columns(20, flags=[Flag.SECRET] + [0] * 18 + [Flag.SECRET])
        found = list(pages(stored(saved), Wanted(flag=Flag.SECRET), limit=2))
        assert [(lines(page), page.last, page.more) for page in found] == \
            [([1], 1, True), ([], 13, True), ([20], 20, False)]

    def test_of_no_examples_there_is_one_page(self) -> None:
        for order in ("line", "suspicion", "tokens"):
            page = find(stored(columns(0)).open(), Wanted(order=order), after=None, limit=5)
            assert (lines(page), page.last, page.more) == ([], None, False)

    def test_more_than_can_be_looked_at_are_not_sorted(self) -> None:
        source = stored(columns(14)).open()
        with pytest.raises(TooManyToSort) as refused:
            find(source, Wanted(order="tokens", first_line=2), after=None, limit=1)
        assert refused.value.examples == 13
        assert lines(find(source, Wanted(order="tokens", first_line=3), after=None, limit=2)) == [14, 13]

    def test_a_sorted_list_goes_on_only_after_what_is_in_the_file(self) -> None:
        source = stored(columns(3, line=[2, 4, 6], tokens=[7, 8, 9])).open()
        assert lines(find(source, Wanted(order="tokens"), after=4, limit=9)) == [2]
        for line in (1, 3, 7, 2**60):
            with pytest.raises(NoSuchExample):
                find(source, Wanted(order="tokens"), after=line, limit=9)


class TestReading:
    @pytest.mark.parametrize(("wanted", "most"), [
        (Wanted(), 300_000), (Wanted(first_line=900_000), 400_000), (Wanted(flag=Flag.SECRET), 4_400_000),
        (Wanted(flag=Flag.REFUSAL), 34_000_000), (Wanted(flag=Flag.SECRET, min_tokens=5), 8_600_000),
        (Wanted(order="suspicion", last_line=listing.MOST_ROWS), 34_000_000)])
    def test_it_is_bounded_for_one_page(self, large: Store, wanted: Wanted, most: int) -> None:
        large.reads.clear()
        find(large.open(), wanted, after=None, limit=1000)
        assert large.read < most
        assert max(length for _, length in large.reads) <= 2**16 * 8
        assert len(large.reads) < 200

    def test_what_lies_far_behind_is_found_in_the_second_page(self, large: Store) -> None:
        found = [lines(page) for page in pages(large, Wanted(flag=Flag.SECRET), limit=10)]
        assert found == [[], [MANY]]


class TestRows:
    SAVED = columns(3, line=[1, 2, 4], offset=[0, 2**40, 2**41], length=[10, 20, 2**32 - 1], tokens=[5, 10, 2**32 - 1],
                    trainable=[1, 2, 3], flags=[0, Flag.SECRET | Flag.REFUSAL, Flag.NO_SYSTEM_MESSAGE])

    def test_they_tell_what_is_known_of_each_example(self) -> None:
        assert list(all_rows(self.SAVED, context=9))[1:] == [
            {"id": "2", "object": "file.validation.example", "line": 2, "offset": 2**40, "bytes": 20, "tokens": 10,
             "trainable_tokens": 2, "over": 1, "suspicion": 52, "flags": ["secret", "refusal"]},
            {"id": "4", "object": "file.validation.example", "line": 4, "offset": 2**41, "bytes": 2**32 - 1,
             "tokens": 2**32 - 1, "trainable_tokens": 3, "over": 2**32 - 10, "suspicion": 0,
             "flags": ["no_system_message"]}]

    def test_what_is_beyond_a_context_is_told_only_of_a_context(self) -> None:
        for context, over in ((None, [None] * 3), (2**40, [0] * 3), (10, [0, 0, 2**32 - 11])):
            assert [row["over"] for row in all_rows(self.SAVED, context=context)] == over

    def test_a_page_tells_the_same_as_the_whole_file(self) -> None:
        saved = columns(20_000, flags=np.arange(20_000) % 8)
        page = find(stored(saved).open(), Wanted(), after=None, limit=20_000)
        assert rows_of(page.arrays, context=50) == list(all_rows(saved, context=50))
