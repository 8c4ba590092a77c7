"""The walk over pages: few requests, every job reported once, and no server that can keep it walking."""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.poller.listing import BARREN, SINGLES, Sighting, walk
from worker.poller.reading import Listed, Unreadable
from worker.providers.remote import AccessRefused, Gone, Unavailable

SIZE = 100


class Shelf:
    """A server's jobs, newest first, without a server; counts what it is asked."""

    lists = True

    def __init__(self, names: Iterable[str], status: str = "running") -> None:
        self.names = list(names)
        self.status = status
        self.pages = 0
        self.questions: list[str] = []
        self.hidden: set[str] = set()
        self.botched: set[str] = set()

    @property
    def requests(self) -> int:
        return self.pages + len(self.questions)

    async def page(self, after: str | None) -> Listed:
        self.pages += 1
        first = 0 if after is None else self.names.index(after) + 1
        shown = self.names[first:first + SIZE]
        more = first + SIZE < len(self.names)
        return Listed({name: self.status for name in shown if name not in self.hidden}, shown[-1] if more else None)

    async def job(self, remote_id: str) -> str | None:
        self.questions.append(remote_id)
        if remote_id in self.botched:
            raise Unreadable("botched")
        if remote_id not in self.names:
            raise Gone(remote_id)
        return self.status

    async def close(self) -> None: ...


class Seen:
    def __init__(self) -> None:
        self.statuses: dict[str, str | None] = {}
        self.gone: list[str] = []
        self.unread: list[str] = []
        self.reported: list[str] = []

    async def __call__(self, sighting: Sighting) -> None:
        self.statuses.update(sighting.statuses)
        self.gone.extend(sighting.gone)
        self.unread.extend(sighting.unread)
        self.reported.extend([*sighting.statuses, *sighting.gone, *sighting.unread])


async def freely() -> None:
    await asyncio.sleep(0)


def look(shelf: Shelf, wanted: Sequence[str]) -> Seen:
    seen = Seen()
    asyncio.run(walk(shelf, wanted, freely, seen))
    return seen


def names(number: int, prefix: str = "job") -> list[str]:
    return [f"{prefix}-{each}" for each in range(number)]


class TestManners:
    def test_five_thousand_jobs_take_fifty_requests(self) -> None:
        shelf = Shelf(names(5000))
        assert look(shelf, names(5000)).statuses == dict.fromkeys(names(5000), "running")
        assert shelf.requests == 50

    def test_one_job_takes_one_request_however_many_there_are(self) -> None:
        shelf = Shelf(names(5000))
        assert look(shelf, ["job-4999"]).statuses == {"job-4999": "running"}
        assert shelf.requests == 1

    def test_what_a_list_does_not_show_is_asked_for_by_itself(self) -> None:
        shelf = Shelf(names(10))
        shelf.hidden = {"job-3"}
        assert look(shelf, names(10)).statuses == dict.fromkeys(names(10), "running")
        assert (shelf.pages, shelf.questions) == (1, ["job-3"])

    def test_few_jobs_behind_many_strange_ones_are_asked_for_by_themselves(self) -> None:
        shelf = Shelf([*names(5000, "strange"), *names(3)])
        assert len(look(shelf, names(3)).statuses) == 3
        assert shelf.requests == 3 + 3

    def test_many_jobs_behind_some_strange_ones_are_waited_for(self) -> None:
        shelf = Shelf([*names(1000, "strange"), *names(500)])
        assert len(look(shelf, names(500)).statuses) == 500
        assert shelf.requests == 15

    def test_the_more_are_looked_for_the_more_strange_ones_are_passed(self) -> None:
        shelf = Shelf([*names(2500, "strange"), *names(2500)])
        assert len(look(shelf, names(2500)).statuses) == 2500
        assert shelf.requests == 50

    def test_a_server_without_lists_is_asked_for_each(self) -> None:
        shelf = Shelf(names(20))
        shelf.lists = False
        assert len(look(shelf, names(20)).statuses) == 20
        assert shelf.pages == 0

    def test_no_more_single_questions_than_one_walk_may_ask(self) -> None:
        shelf = Shelf(names(2 * SINGLES))
        shelf.lists = False
        seen = look(shelf, names(2 * SINGLES))
        assert seen.reported == names(SINGLES)


class TestMischief:
    def test_a_job_that_vanished_is_told(self) -> None:
        shelf = Shelf(names(10))
        seen = look(shelf, [*names(10), "job-vanished"])
        assert seen.gone == ["job-vanished"]
        assert len(seen.statuses) == 10

    def test_a_page_that_repeats_itself_for_ever_is_left_behind(self) -> None:
        class Stuck(Shelf):
            async def page(self, _: str | None) -> Listed:
                self.pages += 1
                return Listed(dict.fromkeys(self.names[:SIZE], "running"), self.names[SIZE - 1])
        shelf = Stuck(names(200))
        assert len(look(shelf, names(200)).statuses) == 200
        assert shelf.pages == 2
        assert len(shelf.questions) == 100

    def test_a_list_that_never_ends_is_left_behind(self) -> None:
        class Endless(Shelf):
            numbers = count()

            async def page(self, _: str | None) -> Listed:
                self.pages += 1
                return Listed({}, f"cursor-{next(self.numbers)}")
        shelf = Endless(names(200))
        assert len(look(shelf, names(200)).statuses) == 200
        assert shelf.requests <= 200 + BARREN

    def test_a_list_that_cannot_be_read_leaves_single_questions(self) -> None:
        class Garbled(Shelf):
            async def page(self, after: str | None) -> Listed:
                self.pages += 1
                if after is not None:
                    raise Unreadable("garbage")
                return await super().page(after)
        shelf = Garbled(names(150))
        assert len(look(shelf, names(150)).statuses) == 150
        assert len(shelf.questions) == 50

    def test_one_job_that_is_always_botched_costs_the_others_nothing(self) -> None:
        shelf = Shelf(names(30))
        shelf.hidden = set(names(20))
        shelf.botched = set(names(12))
        seen = look(shelf, names(30))
        assert sorted(seen.unread) == sorted(names(12))
        assert len(seen.statuses) == 18

    def test_a_server_that_botches_everything_is_not_asked_on(self) -> None:
        shelf = Shelf(names(100))
        shelf.lists, shelf.botched = False, set(names(100))
        with pytest.raises(Unavailable):
            look(shelf, names(100))
        assert len(shelf.questions) == 8

    @pytest.mark.parametrize("trouble", [Unavailable("busy", 30.0), AccessRefused("no"), Unavailable("down")])
    def test_trouble_with_the_list_ends_the_walk_and_keeps_what_was_seen(self, trouble: Exception) -> None:
        class Failing(Shelf):
            async def page(self, after: str | None) -> Listed:
                if after is not None:
                    raise trouble
                return await super().page(after)
        shelf, seen = Failing(names(300)), Seen()
        with pytest.raises(type(trouble)):
            asyncio.run(walk(shelf, names(300), freely, seen))
        assert seen.reported == names(100)
        assert shelf.questions == []

    @pytest.mark.parametrize("trouble", [Unavailable("busy", 30.0), AccessRefused("no")])
    def test_a_limit_or_a_refusal_of_one_question_ends_the_walk(self, trouble: Exception) -> None:
        class Limiting(Shelf):
            async def job(self, remote_id: str) -> str | None:
                if len(self.questions) >= 10:
                    raise trouble
                return await super().job(remote_id)
        shelf, seen = Limiting(names(100)), Seen()
        shelf.lists = False
        with pytest.raises(type(trouble)):
            asyncio.run(walk(shelf, names(100), freely, seen))
        assert len(shelf.questions) == 10
        assert len(seen.statuses) == 10


@settings(max_examples=200)
@given(st.data())
def test_whatever_a_list_shows_each_job_is_told_once_and_the_cost_is_bounded(data: st.DataObject) -> None:
    universe = names(40)
    wanted = data.draw(st.lists(st.sampled_from(universe), unique=True))
    there = data.draw(st.sets(st.sampled_from(universe)))
    shown_ids = st.sampled_from([*universe, "strange-1", "strange-2"])
    pages = data.draw(st.lists(st.lists(shown_ids, max_size=6), max_size=80))
    cursors = data.draw(st.lists(st.none() | st.sampled_from(["a", "b", "c"]) | st.integers(0, 999).map(str),
                                 min_size=len(pages), max_size=len(pages)))

    class Whimsical(Shelf):
        async def page(self, _: str | None) -> Listed:
            shown, cursor = pages[self.pages % len(pages)], cursors[self.pages % len(pages)]
            self.pages += 1
            return Listed(dict.fromkeys(shown, "running"), cursor)
    shelf = Whimsical(there)
    shelf.lists = bool(pages)
    seen = look(shelf, wanted)
    assert sorted(seen.reported) == sorted(wanted)
    assert shelf.requests <= len(wanted) + BARREN
    assert set(seen.gone).isdisjoint(there)
