"""A block of good lines as columns: what every measure of an analysis looks at."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntFlag
from typing import Any

import numpy as np
from numpy.typing import NDArray

Said = tuple[str, str, bool]
"""One text of an example: its role, the text, and whether it is trained.

Roles are those of the messages (system, developer, user, assistant, tool, function), and besides: `tools` (the
declared tools as JSON), `call` (name and arguments of the calls that an assistant message makes), `preferred` and
`non_preferred` (of a pair), `prompt` and `completion` (of the legacy format).
"""


class Flag(IntFlag):
    """What is conspicuous about one example; a bit of `Batch.flags` and of the stored columns."""

    INVALID = 1 << 0
    EXACT_DUPLICATE = 1 << 1
    NEAR_DUPLICATE = 1 << 2
    CONTRADICTION = 1 << 3
    LEAKED = 1 << 4
    PERSONAL_DATA = 1 << 5
    SECRET = 1 << 6
    REFUSAL = 1 << 7
    BOILERPLATE = 1 << 8
    REPETITIVE = 1 << 9
    TRUNCATED_ANSWER = 1 << 10
    SHORT_ANSWER = 1 << 11
    EMPTY_ANSWER = 1 << 12
    TOO_LONG = 1 << 13
    INCONSISTENT_FORMAT = 1 << 14
    NO_SYSTEM_MESSAGE = 1 << 15
    WARNED = 1 << 16


@dataclass(slots=True)
class Batch:
    """The good lines of one block; row i of each column is one example."""

    lines: list[int]
    "Line numbers, from 1, in the segment that is read."
    examples: Sequence[list[Said]]
    ids: NDArray[np.uint32]
    "Token ids of all texts, one after another, in the order of `examples`."
    offsets: NDArray[np.int64]
    "Text t has the ids from offsets[t] to offsets[t + 1]; one longer than there are texts."
    firsts: NDArray[np.int64]
    "Example e has the texts from firsts[e] to firsts[e + 1]; one longer than there are examples."
    flags: NDArray[np.uint32]
    "Bits of `Flag` for each example; measures set theirs."
    begins: bool = False
    "Whether line 1 is the first of the file."
    derived: dict[str, Any] = field(default_factory=dict)
    "What one measure computed of this batch and another uses again."

    def mark(self, example: int, flag: Flag) -> None:
        self.flags[example] |= np.uint32(flag)


Summary = dict[str, Any]
"""What a measure found, as JSON, in a form that two of them can be merged to one."""
