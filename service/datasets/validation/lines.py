"""Cuts a stream of bytes into lines, whatever is in it, in bounded memory."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MiB = 1024 * 1024
"""As in the settings, whose import takes longer than all that an offline analysis needs besides."""
MAX_LINE_BYTES = 8 * MiB
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Oversize:
    """A line longer than MAX_LINE_BYTES; its bytes were counted and let go."""

    bytes: int


def read_lines(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes | Oversize]]:
    """Each line with its number from 1, without its newline (a carriage return before it stays).

    A last line without newline counts, an empty rest after the last newline does not.
    """
    number, length = 1, 0
    pieces: list[bytes] = []
    for chunk in chunks:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            yield number, _line(pieces, chunk[start:end], length + end - start)
            number, length, start = number + 1, 0, end + 1
            pieces = []
        length += len(chunk) - start
        if length > MAX_LINE_BYTES:
            pieces.clear()
        elif start < len(chunk):
            pieces.append(chunk[start:])
    if length:
        yield number, _line(pieces, b"", length)


def _line(pieces: list[bytes], last: bytes, length: int) -> bytes | Oversize:
    if length > MAX_LINE_BYTES:
        return Oversize(length)
    return b"".join((*pieces, last)) if pieces else last
