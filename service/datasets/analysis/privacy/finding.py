"""Finds private data: the exact patterns, run only around the places where the fast pass fired."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np

from service.datasets.analysis.privacy.contacts import CONTACTS
from service.datasets.analysis.privacy.credentials import CREDENTIALS
from service.datasets.analysis.privacy.detectors import Detector
from service.datasets.analysis.privacy.identities import IDENTITIES
from service.datasets.analysis.scanning import Hits, Joined

DETECTORS: tuple[Detector, ...] = (*CREDENTIALS, *IDENTITIES, *CONTACTS)
"""In the order of their weight: where two see the same characters, the earlier one names them."""
TRIGGERS: tuple[bytes, ...] = tuple(trigger for detector in DETECTORS for trigger in detector.triggers)
_OWNERS = np.array([index for index, detector in enumerate(DETECTORS) for _ in detector.triggers], np.int64)

_LONG = 256
"""Bytes of a value; nothing else is looked for inside of a longer one that turned out to be none."""
_LONGEST = 1 << 20
"""Bytes that one value is followed for."""
_REFUSED = 1000
"""Values of one kind that turned out to be none, from which in that text nothing is looked for inside of such a one."""


@dataclass(slots=True)
class Limits:
    """How much is looked at closely, so that texts that are nothing but triggers do not take hours."""

    of_kind: int = 1000
    "Values of one kind that are checked in one text."
    left: int = 100_000
    "Checks in all texts together, each by its cost."
    unfinished: set[int] = field(default_factory=set)
    "Texts that may hold more than was found."

    def allow(self, text: int, checked: int, cost: int) -> bool:
        if checked >= self.of_kind or self.left < cost:
            self.unfinished.add(text)
            return False
        self.left -= cost
        return True


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes from `start` to `end` of the joined texts."""

    text: int
    detector: Detector
    start: int
    end: int
    prefix: bytes
    "What the value begins with by its issuer's rule, and may be shown."


def spans(joined: Joined, hits: Hits, limits: Limits | None = None) -> list[Span]:
    """What is found, in the order of the texts; no two spans overlap. Without limits, everything."""
    mine = hits.triggers < len(TRIGGERS)
    if not mine.any():
        return []
    owners, ends, texts = _OWNERS[hits.triggers[mine]], hits.ends[mine], hits.texts[mine]
    order = np.lexsort((ends, owners, texts))
    owners, ends, texts = owners[order], ends[order], texts[order]
    changes = np.flatnonzero((np.diff(owners) != 0) | (np.diff(texts) != 0)) + 1
    found: list[tuple[int, Span]] = []
    for start, stop in pairwise([0, *changes.tolist(), len(owners)]):
        owner, text = int(owners[start]), int(texts[start])
        search = _Search(joined, text, DETECTORS[owner], limits)
        found += ((owner, span) for span in search.around(ends[start:stop].tolist()))
    return _apart(found)


class _Search:
    """Searches one text for one kind. Nothing is looked at twice: texts that are nothing but hits take linear time."""

    def __init__(self, joined: Joined, text: int, detector: Detector, limits: Limits | None) -> None:
        self._data = joined.data
        self._text = text
        self._detector = detector
        self._limits = limits
        self._first, self._last = int(joined.starts[text]), int(joined.ends[text])
        self._checked = self._refused = 0

    def around(self, ends: Sequence[int]) -> Iterator[Span]:
        """What lies around places where triggers fired."""
        width = self._detector.reach + self._detector.ahead
        at = self._first
        for begin, stop in _windows(ends, self._detector.reach, self._detector.ahead):
            at = max(at, begin)
            end = min(stop, self._last)
            while at < end:
                piece = min(end, at + 2 * width)
                match = self._match(at, piece)
                if match is None:
                    at = piece if piece == end else piece - width  # what begins later may not end in this piece
                    continue
                if self._limits is not None and not self._limits.allow(self._text, self._checked, self._detector.cost):
                    return
                self._checked += 1
                span = self._span(match)
                if span is not None:
                    yield span
                at = self._behind(match, found=span is not None)

    def _match(self, at: int, stop: int) -> re.Match[bytes] | None:
        search = self._detector.pattern.search
        match = search(self._data, at, stop)
        if match is not None and match.end() == stop < self._last:  # it may go on
            return search(self._data, match.start(), min(self._last, match.start() + _LONGEST)) or match
        return match

    def _span(self, match: re.Match[bytes]) -> Span | None:
        groups = self._detector.pattern.groupindex
        start, finish = match.span("value" if "value" in groups else 0)
        if not self._detector.check(self._data[start:finish], match):
            return None
        return Span(self._text, self._detector, start, finish, match["prefix"] if "prefix" in groups else b"")

    def _behind(self, match: re.Match[bytes], *, found: bool) -> int:
        """Where to go on."""
        self._refused += not found
        start, finish = match.span("value" if "value" in self._detector.pattern.groupindex else 0)
        if found or finish - start >= _LONG or self._refused > _REFUSED:
            return match.end()
        return max(start, match.start() + 1)


def _windows(ends: Sequence[int], reach: int, ahead: int) -> Iterator[tuple[int, int]]:
    """The surroundings of the ends of hits, those that touch as one."""
    begin, stop = ends[0] - reach, ends[0] + ahead
    for end in ends:
        if end - reach > stop:
            yield begin, stop
            begin = end - reach
        stop = end + ahead
    yield begin, stop


def _apart(found: list[tuple[int, Span]]) -> list[Span]:
    """Overlapping spans as one, which goes from the first's start to the last's end and has the weightiest name.

    Only what a secret is followed by, in a connection string, is no part of it.
    """
    found.sort(key=lambda one: (one[1].start, one[0]))
    apart: list[tuple[int, Span]] = []
    for weight, span in found:
        before, earlier = apart[-1] if apart else (0, None)
        if earlier is None or span.start >= earlier.end:
            apart.append((weight, span))
        elif not (earlier.detector.sort == "secret" and span.detector.sort == "contact"):
            best, named = min((before, earlier), (weight, span), key=lambda one: one[0])
            prefix = named.prefix if named.start == earlier.start else b""
            apart[-1] = (best, replace(named, start=earlier.start, end=max(earlier.end, span.end), prefix=prefix))
    return [span for _, span in apart]


def masked(joined: Joined, span: Span) -> str:
    """The value as a finding may show it: how it begins by rule, its last characters if it is long, its length."""
    value = joined.data[span.start:span.end].decode("utf-8", "replace")
    prefix = span.prefix.decode()
    rest = len(value) - len(prefix)
    shown = min(span.detector.shown, 4 if rest >= 12 else 2 if rest >= 8 else 0)
    ending = value[len(value) - shown:] if value.isprintable() else ""
    return f"{prefix}…{ending} ({len(value)} characters)"
