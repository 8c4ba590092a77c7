"""The simulated server's time: runs at a chosen speed, and jumps ahead when it is told to."""

import time
from dataclasses import dataclass, field


@dataclass
class Clock:
    """Begins at the real time. With speed 0 it only moves by `advance`."""

    speed: float = 1.0
    _told: float = field(default_factory=time.time)
    "The simulated time at `_since`."
    _since: float = field(default_factory=time.monotonic)

    def now(self) -> float:
        return self._told + (time.monotonic() - self._since) * self.speed

    def advance(self, seconds: float) -> None:
        self._told += seconds

    def run_at(self, speed: float) -> None:
        self._told, self._since = self.now(), time.monotonic()
        self.speed = speed
