"""What a process tells that counts tokens as training would, and the statistics that come of it.

The process is worker/training/counting.py, which knows nothing of this house: its records are described again here.
"""

import msgspec
import numpy as np
from msgspec import Struct, field

from service.datasets.analysis.report import TokenStats
from service.datasets.analysis.tokens import TokenSums, stats


class Counted(Struct, tag="counted"):
    """Examples that training would take, since the last record."""

    bytes: int = 0
    "Read so far, from the beginning."
    lines: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    answers: int = 0
    trained: int = 0
    learned: int = 0
    messages: int = 0
    skipped: int = 0


class Refused(Struct, tag="refused"):
    """Nothing can be counted there; the sentence says why."""

    problem: str


class NotCounted(Exception):
    """There is no such count here and now; the message says why."""


class TrainedSums:
    """What the process told so far."""

    def __init__(self) -> None:
        self._sum = Counted()

    def add(self, line: bytes) -> int:
        """Take one line of its output; how many bytes it has read by then. Raises NotCounted."""
        more = msgspec.json.decode(line, type=Counted | Refused)
        if isinstance(more, Refused):
            raise NotCounted(more.problem)
        told = self._sum
        told.lines += more.lines
        told.lengths += more.lengths
        told.answers += more.answers
        told.trained += more.trained
        told.learned += more.learned
        told.messages += more.messages
        return more.bytes

    def stats(self, tokenizer: str, context: int) -> TokenStats:
        told = self._sum
        roles = {"assistant": told.answers, "other": sum(told.lengths) - told.answers}
        found = stats(TokenSums(by_role=roles, trainable=told.learned, messages=told.messages),
                      np.array(told.lengths, np.uint32), np.array(told.lines, np.uint32), tokenizer=tokenizer,
                      contexts=(context,))
        found.by_role, found.total, found.billed, found.uncertain = roles, sum(told.lengths), told.trained, 0
        return found
