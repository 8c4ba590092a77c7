"""Cuts a stream of bytes into blocks of whole lines, whatever is in it, in bounded memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from service.datasets.validation.lines import MAX_LINE_BYTES, MiB

_BLOCK = MiB


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines with newlines between them, and none after the last."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class LongLine:
    """A line longer than MAX_LINE_BYTES; its bytes were counted and let go."""

    offset: int
    bytes: int


class _Cutter:
    """Holds what has come and not gone: the start of a block, or the length of a line that is too long."""

    def __init__(self) -> None:
        self.offset = 0
        self.pieces: list[bytes] = []
        self.held = 0
        self.skipped = 0
        self.enough = _BLOCK

    def take(self, piece: bytes) -> Iterator[Block | LongLine]:
        if self.skipped:
            end = piece.find(b"\n")
            if end < 0:
                self.skipped += len(piece)
                return
            yield self._long_line(end)
            piece = piece[end + 1:]
        self.pieces.append(piece)
        self.held += len(piece)
        if self.held >= self.enough:
            yield from self._cut()

    def _cut(self) -> Iterator[Block | LongLine]:
        data = b"".join(self.pieces)
        end = data.rfind(b"\n")
        if end >= 0:
            yield Block(self.offset, data[:end])
            self._hold(data[end + 1:], self.offset + end + 1)
            self.enough = _BLOCK
        elif self.held > MAX_LINE_BYTES:
            self.skipped = self.held
            self._hold(b"", self.offset)
        else:
            self.pieces = [data]
            self.enough = 2 * self.held  # so that a long line in small pieces is not joined over and over

    def _hold(self, rest: bytes, offset: int) -> None:
        self.pieces, self.held, self.offset = [rest], len(rest), offset

    def _long_line(self, end: int) -> LongLine:
        line = LongLine(self.offset, self.skipped + end)
        self._hold(b"", self.offset + line.bytes + 1)
        self.skipped, self.enough = 0, _BLOCK
        return line

    def rest(self) -> Iterator[Block | LongLine]:
        """What stands after the last cut: the last line may have no newline."""
        if self.skipped:
            yield self._long_line(0)
        elif self.held:
            data = b"".join(self.pieces)
            yield Block(self.offset, data.removesuffix(b"\n"))


def read_blocks(chunks: Iterable[bytes]) -> Iterator[Block | LongLine]:
    """All lines of a stream in order. A block may hold a line that is too long by less than one block."""
    cutter = _Cutter()
    for chunk in chunks:
        for start in range(0, len(chunk), _BLOCK):
            yield from cutter.take(chunk[start:start + _BLOCK])
    yield from cutter.rest()
