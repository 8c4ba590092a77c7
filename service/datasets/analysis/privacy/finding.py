"""Finds private data: the exact patterns, run only around the places where the fast pass fired."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes from `start` to `end` of the joined texts."""

    text: int
    detector: Detector
    start: int
    end: int
    prefix: bytes
    "What the value begins with by its issuer's rule, and may be shown."


def spans(joined: Joined, hits: Hits) -> list[Span]:
    """What is found, in the order of the texts; no two spans overlap."""
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
        found += ((owner, span) for span in _around(joined, text, DETECTORS[owner], ends[start:stop].tolist()))
    return _apart(found)


def _around(joined: Joined, text: int, detector: Detector, ends: Sequence[int]) -> Iterator[Span]:
    """Searches the surroundings of hits, but nothing twice: texts that are nothing but hits take linear time, too."""
    settled, last = int(joined.starts[text]), int(joined.ends[text])
    for end in ends:
        stop = min(last, end + detector.ahead)
        if stop <= settled:
            continue
        at = max(settled, end - detector.reach)
        while at < stop and (match := detector.pattern.search(joined.data, at, stop)):
            if match.end() == stop < last:
                match = detector.pattern.search(joined.data, match.start(), last) or match
            start, finish = match.span("value" if "value" in detector.pattern.groupindex else 0)
            if detector.check(joined.data[start:finish], match):
                prefix = match["prefix"] if "prefix" in detector.pattern.groupindex else b""
                yield Span(text, detector, start, finish, prefix)
                at = settled = match.end()
            else:
                at = max(start, match.start() + 1) if finish - start < _LONG else match.end()
        settled = max(settled, end, stop - detector.reach, at if at > stop else 0)


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
