"""Turns token ids into text while they arrive: no split characters, no stop string ever shown."""

from collections.abc import Sequence

from .bases import Tokenizer

# What a decoder writes for bytes that are not, or not yet, a character.
_BROKEN = "\ufffd"


class Detokenizer:
    """Feeds on one token id at a time and answers with the text that has become certain."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        # The window starts one settled piece back, since some decoders treat a first token differently.
        self._start = self._settled = 0
        self._shown = 0

    def push(self, token: int) -> str:
        self._ids.append(token)
        window = self._decode(self._ids[self._start :])
        # An incomplete character shows as replacements at the very end; all before them is final.
        certain = window.rstrip(_BROKEN)
        fresh = certain[self._shown :]
        if certain == window:
            self._start, self._settled = self._settled, len(self._ids)
            self._shown = len(self._decode(self._ids[self._start : self._settled]))
        else:
            self._shown = max(self._shown, len(certain))
        return fresh

    def flush(self) -> str:
        """What is left at the end: a broken character, if the last one never became whole."""
        return self._decode(self._ids[self._start :])[self._shown :]

    def _decode(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(ids)


class Holdback:
    """Lets text through except what is, or may still become, one of the given markers."""

    def __init__(self, markers: Sequence[str]) -> None:
        self._markers = tuple(markers)
        self._held = ""
        self.found: str | None = None

    def push(self, fresh: str) -> str:
        """The text that is certainly before any marker; `found` is set once a marker is complete."""
        if self.found is not None:
            return ""
        self._held += fresh
        hits = [(at, marker) for marker in self._markers if (at := self._held.find(marker)) >= 0]
        if hits:
            at, self.found = min(hits, key=lambda hit: (hit[0], -len(hit[1])))
            before, self._held = self._held[:at], self._held[at + len(self.found) :]
            return before
        keep = max((_overlap(self._held, marker) for marker in self._markers), default=0)
        cut = len(self._held) - keep
        before, self._held = self._held[:cut], self._held[cut:]
        return before

    def rest(self) -> str:
        """What was held back when no more text comes; after a marker, the text that followed it."""
        rest, self._held = self._held, ""
        return rest


def _overlap(text: str, marker: str) -> int:
    """Length of the longest end of `text` that begins `marker`."""
    for size in range(min(len(text), len(marker) - 1), 0, -1):
        if marker.startswith(text[-size:]):
            return size
    return 0
