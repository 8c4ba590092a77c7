"""A file in parts that are read apart from each other, and what reading one part told."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO

import msgspec
from msgspec import Struct

from service.datasets.analysis.batches import Summary
from service.datasets.analysis.blocks import read_blocks
from service.datasets.analysis.columns import Columns, joined
from service.datasets.analysis.options import Options
from service.datasets.analysis.reading import Reader
from service.datasets.analysis.tallies import Tally
from service.datasets.analysis.tokens import TokenSums
from service.datasets.validation.formats import Format, detect
from service.datasets.validation.lines import MAX_LINE_BYTES, MiB

_FIRST_LOOK = 64 * 1024
_HEAD_LINES = 100
_HEAD_BYTES = MAX_LINE_BYTES


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes of a file from `start` up to `end`: whole lines."""

    index: int
    start: int
    end: int


def plan(size: int, read_range: Callable[[int, int], bytes], *, target: int = 32 * MiB) -> list[Range]:
    """Cut a file at line ends into parts of about `target` bytes. `read_range(start, end)` reads around the cuts.

    Where no line ends for longer than a line may be, no cut is made.
    """
    cuts = [0]
    for wanted in range(target, size, target):
        if wanted > cuts[-1] and (cut := _line_end(wanted, size, read_range)) is not None and cut < size:
            cuts.append(cut)
    return [Range(index, start, end) for index, (start, end) in enumerate(zip(cuts, [*cuts[1:], size], strict=True))]


def _line_end(start: int, size: int, read_range: Callable[[int, int], bytes]) -> int | None:
    """Where the next line begins that begins at or after `start`."""
    at, step, last = start - 1, _FIRST_LOOK, min(size, start + MAX_LINE_BYTES + 1)
    while at < last:
        found = read_range(at, min(at + step, last)).find(b"\n")
        if found >= 0:
            return at + found + 1
        at, step = at + step, 4 * step
    return None


class Segment(Struct):
    """What reading one part of a file told. Line numbers and offsets count from its beginning."""

    index: int
    size: int
    "In bytes."
    lines: int
    filled: int
    "Lines that are not blank."
    blanks: int
    "Blank lines at its end, which are counted nowhere yet."
    carriage_return: int
    "The first line that ends in CR LF, 0 when none does."
    is_ended: bool
    "Whether its last line has a newline."
    is_utf16: bool
    format: Format | None
    tally: Tally
    sums: TokenSums
    summaries: dict[str, Summary]
    columns: Columns

    def pack(self) -> bytes:
        return msgspec.msgpack.encode(self, enc_hook=_columns_to_bytes)

    @classmethod
    def unpack(cls, packed: bytes) -> "Segment":
        return msgspec.msgpack.decode(packed, type=cls, dec_hook=_columns_from_bytes)


def analyse_segment(chunks: Iterable[bytes], *, index: int, format: Format | None, options: Options,
                    advance: Callable[[int], None] = lambda _: None) -> Segment:
    """Read one part of a file to its end. `advance` is told how many bytes are read, about once in a MiB."""
    watched = _Watched(chunks, advance)
    stream: Iterable[bytes] = watched
    known = format or options.format
    if known is None:
        known, stream = detected(watched)
    reader = Reader(known or "chat", options, begins=index == 0)
    for block in read_blocks(stream):
        reader.take(block)
        if reader.is_utf16:
            break
    is_ended = watched.last == b"\n"
    carriage_return = reader.carriage_return if is_ended or reader.carriage_return < reader.lines else 0
    return Segment(index=index, size=watched.bytes, lines=reader.lines, filled=reader.filled, blanks=reader.close(),
                   carriage_return=carriage_return, is_ended=is_ended,
                   is_utf16=reader.is_utf16, format=known, tally=reader.tally, sums=reader.sums,
                   summaries={measure.name: measure.summary() for measure in reader.measures},
                   columns=joined(reader.parts))


def detected(chunks: Iterable[bytes]) -> tuple[Format | None, Iterator[bytes]]:
    """The format that the first lines look like, and all of the bytes again."""
    stream, head = iter(chunks), []
    held = lines = 0
    for chunk in stream:
        head.append(chunk)
        held += len(chunk)
        lines += chunk.count(b"\n")
        if lines > _HEAD_LINES or held > _HEAD_BYTES:
            break
    shown = [line for line in b"".join(head)[:_HEAD_BYTES].split(b"\n") if line.strip()]
    return detect(shown[:_HEAD_LINES]), _again(head, stream)


def _again(head: list[bytes], stream: Iterator[bytes]) -> Iterator[bytes]:
    while head:
        yield head.pop(0)
    yield from stream


class _Watched:
    """Chunks that tell how many bytes have gone by."""

    def __init__(self, chunks: Iterable[bytes], advance: Callable[[int], None]) -> None:
        self.bytes = 0
        self.last = b""
        "The last byte."
        self._chunks = chunks
        self._advance = advance

    def __iter__(self) -> Iterator[bytes]:
        told = 0
        for chunk in self._chunks:
            self.bytes += len(chunk)
            self.last = chunk[-1:] or self.last
            yield chunk
            if self.bytes - told >= MiB:
                told = self.bytes
                self._advance(told)
        self._advance(self.bytes)


def _columns_to_bytes(columns: object) -> bytes:
    if not isinstance(columns, Columns):
        raise NotImplementedError
    file = BytesIO()
    columns.save(file)
    return file.getvalue()


def _columns_from_bytes(_: type, packed: object) -> Columns:
    assert isinstance(packed, bytes)
    return Columns.load(BytesIO(packed))
