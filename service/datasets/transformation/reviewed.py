"""Lines of a version as its reviewers left them: without what they rejected, with what they edited. Pure."""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

_NEWLINE = b"\n"


@dataclass(frozen=True, slots=True)
class Changes:
    """By line number, from 1. All other lines stay as they are, to the byte."""

    dropped: frozenset[int] = frozenset()
    replaced: dict[int, bytes] = field(default_factory=dict)
    "New lines, without their newline."

    def __bool__(self) -> bool:
        return bool(self.dropped or self.replaced)


def apply_review(chunks: Iterable[bytes], changes: Changes) -> Iterator[bytes]:
    """The bytes of the new version from those of the old one, whose lines may be longer than memory is large."""
    number, begun = 1, False
    for chunk in chunks:
        for piece in _pieces(chunk):
            kept = _kept(piece, number, changes, begun=begun)
            if kept:
                yield kept
            begun = not piece.endswith(_NEWLINE)
            number += not begun


def _pieces(chunk: bytes) -> Iterator[bytes]:
    """The chunk cut after each newline."""
    start = 0
    while start < len(chunk):
        end = chunk.find(_NEWLINE, start) + 1 or len(chunk)
        yield chunk[start:end]
        start = end


def _kept(piece: bytes, number: int, changes: Changes, *, begun: bool) -> bytes:
    """What a piece of a line becomes; `begun` tells that the line had pieces before."""
    if number in changes.dropped:
        return b""
    if number not in changes.replaced:
        return piece
    ending = _NEWLINE if piece.endswith(_NEWLINE) else b""
    return ending if begun else changes.replaced[number] + ending


def renumbered(lines: Iterable[int], dropped: Collection[int]) -> set[int]:
    """The numbers in the new version of lines that were not dropped."""
    gone = sorted(dropped)
    return {line - bisect_left(gone, line) for line in set(lines).difference(dropped)}
