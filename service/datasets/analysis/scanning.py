"""Looks for many patterns at once in many texts at once, so that each text is read a single time."""

import threading
from array import array
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import hyperscan
import numpy as np
from numpy.typing import NDArray

_EVERY = 1 << 62
SEPARATOR = b"\n\0\n"
"""Stands between two texts. No trigger may match a NUL, so none matches across two texts."""


@dataclass(frozen=True)
class Joined:
    """Texts one after another, as UTF-8."""

    data: bytes
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Joined":
        return cls.of_encoded([text.encode("utf-8", "surrogatepass") for text in texts])

    @classmethod
    def of_encoded(cls, encoded: Sequence[bytes]) -> "Joined":
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        ends = np.cumsum(lengths + len(SEPARATOR)) - len(SEPARATOR)
        return cls(SEPARATOR.join(encoded), ends - lengths, ends)


@dataclass(frozen=True)
class Hits:
    """Where triggers fired: row i of each column is one hit, in the order of the ends."""

    triggers: NDArray[np.int64]
    ends: NDArray[np.int64]
    texts: NDArray[np.int64]
    "Index of the text that each hit lies in."
    stopped: int | None = None
    "The text in which there were too many to go on."


class Scanner:
    """All triggers as one automaton, made on first use; hits tell the end of each match.

    A trigger is a regular expression over bytes as Hyperscan reads it: no look-around, no back-references, and any
    negated class must name \\x00. Case matters unless the expression says (?i:…).
    """

    def __init__(self, triggers: Sequence[bytes]) -> None:
        self._triggers = tuple(triggers)
        self._lock = threading.Lock()  # the scratch space of one automaton serves one scan at a time

    @cached_property
    def _database(self) -> hyperscan.Database:
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        count = len(self._triggers)
        database.compile(expressions=self._triggers, ids=list(range(count)), elements=count, flags=[0] * count)
        return database

    def fires(self, data: bytes) -> bool:
        """Whether there is anything to look at: for one short text, a fraction of what `scan` takes."""
        return bool(self._raw(data, 1))

    def scan(self, joined: Joined, *, most: int = _EVERY) -> Hits:
        """All hits, or the first `most` of them."""
        hits = np.frombuffer(self._raw(joined.data, most), np.int64).reshape(-1, 2)
        order = np.argsort(hits[:, 1], kind="stable")
        triggers, ends = hits[order, 0], hits[order, 1]
        texts = np.searchsorted(joined.ends, ends)
        return Hits(triggers, ends, texts, int(texts[-1]) if len(texts) >= most else None)

    def _raw(self, data: bytes, most: int) -> "array[int]":
        found = array("q")
        enough = 2 * most

        def note(trigger: int, _start: int, end: int, _flags: int, _context: object) -> bool:
            found.append(trigger)
            found.append(end)
            return len(found) >= enough

        if data:
            with self._lock, suppress(hyperscan.ScanTerminated):
                self._database.scan(data, match_event_handler=note)
        return found
