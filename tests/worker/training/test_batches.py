"""Steps hold every example once an epoch, the longest first, and depend on the seed alone."""

import random

import pytest

from worker.training.batches import micro_batches, schedule, share

LENGTHS = [random.Random(5).randint(1, 200) for _ in range(23)]


def test_every_example_comes_once_an_epoch() -> None:
    steps = schedule(LENGTHS, batch_size=4, n_epochs=3, seed=1)
    assert [step.number for step in steps] == list(range(1, 19))
    for epoch in (1, 2, 3):
        seen = [at for step in steps if step.epoch == epoch for at in step.examples]
        assert sorted(seen) == list(range(23))
    assert [step.number for step in steps if step.ends_epoch] == [6, 12, 18]


def test_the_longest_example_is_in_the_first_step() -> None:
    for seed in range(20):
        first = schedule(LENGTHS, batch_size=4, n_epochs=1, seed=seed)[0]
        assert max(LENGTHS) in [LENGTHS[at] for at in first.examples]


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    one, same, other = (schedule(LENGTHS, batch_size=4, n_epochs=2, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one != other
    assert [step.examples for step in one[:6]] != [step.examples for step in one[6:]]


def test_a_batch_larger_than_the_file_is_one_step_an_epoch() -> None:
    assert len(schedule([5, 6], batch_size=100, n_epochs=2, seed=0)) == 2


@pytest.mark.parametrize("budget", [1, 100, 400, 10_000])
def test_micro_batches_stay_within_the_budget_with_their_padding(budget: int) -> None:
    examples = list(range(0, 23, 2))
    groups = micro_batches(examples, LENGTHS, max_tokens=budget)
    assert sorted(at for group in groups for at in group) == examples
    for group in groups:
        assert len(group) == 1 or len(group) * max(LENGTHS[at] for at in group) <= budget
    assert LENGTHS[groups[0][0]] == max(LENGTHS[at] for at in examples)


def test_no_examples_make_no_micro_batch() -> None:
    assert micro_batches([], LENGTHS, max_tokens=10) == []


def test_processes_share_a_step_between_them() -> None:
    parts = [share(range(23), LENGTHS, rank=rank, ranks=4) for rank in range(4)]
    assert sorted(at for part in parts for at in part) == list(range(23))
    sums = [sum(LENGTHS[at] for at in part) for part in parts]
    assert max(sums) < 1.5 * min(sums)
