"""However many projects want everything, each leaves a share of the places to those that come after."""

from collections import Counter

import pytest

from worker.sender import places
from worker.sender.places import AT_ONCE, QUICK_AT_ONCE


def filled(projects: int, *, together: bool) -> Counter[str]:
    """What they hold in the end of whom all deliveries are slow, and who come together or one after another."""
    held: Counter[str] = Counter()
    names = [f"proj_{number}" for number in range(projects)]
    for wanting in [names] if together else [[name] for name in names]:
        while taken := claimed(held, wanting):
            held.update(taken)
    return held


def claimed(held: Counter[str], wanting: list[str]) -> Counter[str]:
    left, taken = places.left(held, slow=held.total()), Counter[str]()
    for _ in range(left.each):
        taken.update([name for name in wanting if taken[name] < left.of_project.get(name, left.each)]
                     [:left.room - taken.total()])
    return taken


@pytest.mark.parametrize("projects", [1, 2, 5, 20])
def test_projects_that_want_everything_together_leave_their_share(projects: int) -> None:
    free = AT_ONCE - filled(projects, together=True).total()
    assert AT_ONCE / (1 + projects / 2) - 1 <= free < AT_ONCE


def test_those_that_come_one_after_another_leave_room_too() -> None:
    held = filled(5, together=False)
    assert held.total() < AT_ONCE - 150
    assert places.left(held, slow=held.total()).each > 0


def test_a_project_gets_no_more_while_it_holds_more_than_half_of_what_is_free() -> None:
    left = places.left({"proj_many": 300, "proj_few": 20}, slow=320)
    assert (left.room, left.each, left.of_project) == (240, 120, {"proj_many": 0, "proj_few": 100})


def test_quick_ones_keep_to_their_own_bound() -> None:
    assert places.left({"proj_a": QUICK_AT_ONCE}, slow=0).room == 0
    assert places.left({"proj_a": QUICK_AT_ONCE}, slow=1).room == 1


def test_there_is_never_less_than_nothing() -> None:
    assert places.left({"proj_a": AT_ONCE + 1}, slow=0) == (0, 0, {"proj_a": 0})
