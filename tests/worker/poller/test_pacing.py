"""How often and how hard servers are asked, by a clock that the tests move."""

from hypothesis import given
from hypothesis import strategies as st

from worker.poller.pacing import (
    GRID_SECONDS,
    LONGEST_WAIT,
    OPENS_AT,
    Circuit,
    TokenBucket,
    pause_of_job,
    phase,
    spread,
    wait_for,
)

LUCK = st.floats(0, 1, exclude_max=True)
AGES = st.floats(0, 1e9)


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class TestWaits:
    @given(AGES, LUCK)
    def test_a_job_waits_about_ten_to_sixty_seconds(self, age: float, luck: float) -> None:
        on_average = wait_for(age, luck=luck) + GRID_SECONDS / 2
        assert 0.8 * GRID_SECONDS <= on_average <= 1.2 * LONGEST_WAIT

    @given(AGES, AGES, LUCK)
    def test_an_older_one_never_waits_for_less(self, one: float, other: float, luck: float) -> None:
        younger, older = sorted((one, other))
        assert wait_for(younger, luck=luck) <= wait_for(older, luck=luck)

    def test_it_begins_at_ten_and_ends_at_sixty(self) -> None:
        assert [wait_for(age) + GRID_SECONDS / 2 for age in (0, 300, 900, 1800, 86400)] == [10, 10, 30, 60, 60]

    @given(st.floats(0.1, 1e6), LUCK)
    def test_spread_is_a_fifth(self, seconds: float, luck: float) -> None:
        assert 0.799 * seconds <= spread(seconds, luck) <= 1.201 * seconds

    @given(st.text())
    def test_a_phase_lies_in_the_grid_and_is_always_the_same(self, name: str) -> None:
        assert 0 <= phase(name) < GRID_SECONDS
        assert phase(name) == phase(name)

    def test_phases_are_spread(self) -> None:
        slots = {int(phase(f"cred_{number}")) for number in range(200)}
        assert slots == set(range(10))

    @given(st.integers(0, 10_000), LUCK)
    def test_a_job_that_cannot_be_read_is_never_forgotten(self, failures: int, luck: float) -> None:
        assert 8 <= pause_of_job(failures, luck=luck) <= 720


class TestTokenBucket:
    @given(st.floats(0.1, 100), st.floats(1, 50), st.lists(st.floats(0, 5), min_size=1, max_size=50))
    def test_no_window_sees_more_than_burst_and_rate_allow(self, rate: float, burst: float,
                                                           gaps: list[float]) -> None:
        time = Time()
        bucket = TokenBucket(rate, burst, time)
        used = []
        for gap in gaps:
            time.now += gap
            used.append(time.now + bucket.reserve())
        for first in range(len(used)):
            for last in range(first, len(used)):
                assert last - first + 1 <= burst + rate * (used[last] - used[first]) + 1e-3

    @given(st.floats(0.1, 100), st.floats(1, 50), st.integers(1, 300))
    def test_one_who_waits_as_told_gets_the_whole_rate(self, rate: float, burst: float, count: int) -> None:
        time = Time()
        bucket = TokenBucket(rate, burst, time)
        for _ in range(count):
            time.now += bucket.reserve()
        assert time.now - 1000.0 <= max(0.0, count - burst) / rate + 1e-3

    def test_a_clock_that_goes_back_gives_no_tokens(self) -> None:
        time = Time()
        bucket = TokenBucket(1, 1, time)
        assert bucket.reserve() == 0
        time.now -= 100
        assert bucket.reserve() == 1


class TestCircuit:
    def test_it_opens_after_some_failures_in_a_row(self) -> None:
        circuit = Circuit(Time())
        for _ in range(OPENS_AT - 1):
            circuit.failed()
        assert not circuit.is_open
        circuit.failed()
        assert circuit.is_open

    def test_an_answer_closes_it(self) -> None:
        time = Time()
        circuit = Circuit(time, failures=OPENS_AT)
        circuit.failed()
        assert circuit.blocks
        circuit.answered()
        assert (circuit.is_open, circuit.blocks) == (False, False)

    def test_when_its_pause_is_over_it_lets_one_try_and_a_failure_blocks_for_longer(self) -> None:
        time = Time()
        circuit = Circuit(time, failures=OPENS_AT - 1)
        first = circuit.failed()
        time.now += first - 0.1
        assert circuit.blocks
        time.now += 0.2
        assert circuit.is_open
        assert not circuit.blocks
        assert circuit.failed() > first
        assert circuit.blocks

    def test_a_refused_credential_opens_it_at_once_and_for_minutes(self) -> None:
        circuit = Circuit(Time())
        assert circuit.refused() >= 300
        assert circuit.is_open

    def test_a_refused_credential_may_be_asked_for_soon_for_it_may_be_corrected(self) -> None:
        time = Time()
        circuit = Circuit(time)
        circuit.refused()
        assert circuit.blocks
        time.now += 10
        assert not circuit.blocks
        assert circuit.is_open

    @given(st.lists(st.tuples(st.none() | st.floats(-1e3, 1e12), LUCK), min_size=1, max_size=40))
    def test_it_waits_at_least_as_asked_and_never_for_more_than_an_hour(
            self, failures: list[tuple[float | None, float]]) -> None:
        time = Time()
        circuit = Circuit(time)
        for retry_after, luck in failures:
            pause = circuit.failed(retry_after=retry_after, luck=luck)
            assert min(3600.0, retry_after or 0.0) <= pause <= 3600.0
            assert pause >= 8
            assert circuit.blocks
            time.now += pause
            assert not circuit.blocks

    @given(st.integers(0, 2**62))
    def test_any_number_of_failures_is_survived(self, failures: int) -> None:
        assert 8 <= Circuit(Time(), failures=failures).failed() <= 720
