"""How often and how hard a server is asked: pure arithmetic over a clock that is handed in.

    wait_for        how long until a job is looked at again, by the age of its state
    phase           where on the grid of times the jobs of one credential meet, so that one walk serves them all
    TokenBucket     how many requests a credential may make
    Circuit         how long a server in trouble is left alone
"""

import zlib
from collections.abc import Callable

Clock = Callable[[], float]

GRID_SECONDS = 10.0
"""Jobs of one credential become due together, at most this often."""
LONGEST_WAIT = 60.0
OPENS_AT = 4
"""So many failures in a row open a circuit."""
_AGE_PER_SECOND = 30.0
_FIRST_PAUSE, _LONGEST_CLOSED_PAUSE = 10.0, 60.0
_LONGEST_OPEN_PAUSE = 600.0
_REFUSED_PAUSE = 300.0
_REFUSED_BLOCK = 10.0
_LONGEST_RETRY_AFTER = 3600.0
_JITTER = 0.2
_PHASES = 10_000


def wait_for(age: float, *, luck: float = 0.5) -> float:
    """Seconds until a job whose state has stood for `age` is looked at again: 10 s while it is young, 60 s later.

    `luck`, in [0, 1), is drawn once per walk, so that jobs that were seen together stay together.
    """
    wait = min(LONGEST_WAIT, max(GRID_SECONDS, age / _AGE_PER_SECOND))
    return spread(wait, luck) - GRID_SECONDS / 2  # on average, the grid adds half of its step


def spread(seconds: float, luck: float) -> float:
    """`seconds`, ±20 %."""
    return seconds * (1 - _JITTER + 2 * _JITTER * luck)


def phase(credential_id: str) -> float:
    """The offset of a credential's slots in the grid: always the same, and different between credentials."""
    return zlib.crc32(credential_id.encode()) % _PHASES / _PHASES * GRID_SECONDS


class TokenBucket:
    """`rate` requests a second in the long run, `burst` at once."""

    def __init__(self, rate: float, burst: float, clock: Clock) -> None:
        self.rate, self.burst = rate, max(1.0, burst)
        self._clock = clock
        self._tokens = self.burst
        self._filled_at = clock()

    def reserve(self) -> float:
        """Take the next token; returns the seconds to wait before it may be used."""
        now = self._clock()
        self._tokens = min(self.burst, self._tokens + max(0.0, now - self._filled_at) * self.rate) - 1
        self._filled_at = now
        return max(0.0, -self._tokens / self.rate)


class Circuit:
    """What is known of a server's health through one credential.

    closed ──OPENS_AT failures in a row, or a refused credential──▶ open ──its pause is over──▶ half-open: one walk,
    whose first request decides: an answer closes the circuit, a failure opens it again for longer.
    """

    def __init__(self, clock: Clock, *, failures: int = 0) -> None:
        self.failures = failures
        self._clock = clock
        self._not_before = clock()

    @property
    def is_open(self) -> bool:
        return self.failures >= OPENS_AT

    @property
    def blocks(self) -> bool:
        """Whether nothing may be asked now."""
        return self._clock() < self._not_before

    def answered(self) -> None:
        self.failures = 0
        self._not_before = self._clock()

    def failed(self, *, retry_after: float | None = None, luck: float = 0.5) -> float:
        """Note a failure; returns for how many seconds the server is left alone, which is never less than it asked."""
        self.failures += 1
        return self._pause(spread(_pause_after(self.failures), luck), retry_after)

    def refused(self, *, luck: float = 0.5) -> float:
        """Note that the credential is not taken any more: asking on would only be refused again.

        Its jobs are left alone for as long as is returned. This circuit blocks for a moment only: a credential that is
        corrected makes its jobs due at once, which no poller hears of otherwise.
        """
        self.failures = max(self.failures + 1, OPENS_AT)
        self._pause(_REFUSED_BLOCK, None)
        return max(_REFUSED_PAUSE, spread(_pause_after(self.failures), luck))

    def _pause(self, seconds: float, retry_after: float | None) -> float:
        asked = min(_LONGEST_RETRY_AFTER, max(0.0, retry_after or 0.0))
        pause = max(seconds, asked)
        self._not_before = self._clock() + pause
        return pause


def _pause_after(failures: int) -> float:
    if failures < OPENS_AT:
        return min(_LONGEST_CLOSED_PAUSE, _FIRST_PAUSE * 2.0 ** (failures - 1))
    return min(_LONGEST_OPEN_PAUSE, _LONGEST_CLOSED_PAUSE * 2.0 ** min(failures - OPENS_AT, 10))


def pause_of_job(failures: int, *, luck: float = 0.5) -> float:
    """How long a job is left alone that alone could not be read so many times in a row."""
    return spread(min(_LONGEST_OPEN_PAUSE, _FIRST_PAUSE * 2.0 ** min(max(failures - 1, 0), 10)), luck)
