"""Reads blocks of lines: good ones become columns, bad ones findings, and measures look at the good ones."""

import numpy as np
from numpy.typing import NDArray

from service.datasets.analysis import near_duplicates
from service.datasets.analysis.acceptance import Taken, acceptance
from service.datasets.analysis.blocks import Block, LongLine
from service.datasets.analysis.columns import Arrays
from service.datasets.analysis.examples import Counted, Gathered, rest_of
from service.datasets.analysis.measuring import measures
from service.datasets.analysis.options import Options
from service.datasets.analysis.rich import accept_rich
from service.datasets.analysis.tallies import Tally
from service.datasets.analysis.tokens import TokenSums
from service.datasets.validation.findings import Finding, Place
from service.datasets.validation.formats import Format, check, images, read
from service.datasets.validation.lines import BOM, MAX_LINE_BYTES, MiB

_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class Reader:
    """Takes the blocks of one segment in their order."""

    def __init__(self, format: Format, options: Options, *, begins: bool) -> None:
        self.tally = Tally(options.keep)
        self.sums = TokenSums()
        self.parts: list[Arrays] = []
        self.measures = [measure() for measure in measures()] if options.full else []
        self.lines = 0
        self.filled = 0
        "Lines that are not blank."
        self.carriage_return = 0
        "The number of the first line that ends in a carriage return, 0 as long as none does."
        self.is_utf16 = False
        self._format = format
        self._options = options
        self._begins = begins
        self._acceptance = acceptance(format)
        self._blanks = range(0)

    def take(self, block: Block | LongLine) -> None:
        if isinstance(block, LongLine):
            self.lines += 1
            self.filled += 1
            self.tally.add([_too_long(self.lines, block.bytes)])
            return
        if self._begins and not self.lines:
            block = self._beginning(block)
        if not self.is_utf16:
            if not self.carriage_return:
                self._look_for_carriage_return(block.data)
            self._read(block)

    def _look_for_carriage_return(self, data: bytes) -> None:
        at = data.find(b"\r\n")
        if at >= 0 or data.endswith(b"\r"):
            self.carriage_return = self.lines + 1 + data.count(b"\n", 0, at if at >= 0 else len(data))

    def close(self) -> int:
        """Settle what is open. How many blank lines stand at the end: what follows decides what they are."""
        if self._blanks.stop == self.lines + 1:
            return len(self._blanks)
        self._count_blanks()
        return 0

    def _beginning(self, block: Block) -> Block:
        """The first block of a file without its byte order mark."""
        if block.data.startswith(_UTF16):
            self.is_utf16 = True
            self.lines = self.filled = 1
            self.tally.add([Finding("error", "not_utf8", None, None, "The file is encoded as UTF-16.",
                                    "Save it as UTF-8.")])
        if not block.data.startswith(BOM):
            return block
        self.tally.add([Place.example(1).warning(
            "byte_order_mark", "begins with a byte order mark, which many programs take for data.",
            "Save the file as UTF-8 without BOM.")])
        return Block(block.offset + len(BOM), block.data.removeprefix(BOM))

    def _read(self, block: Block) -> None:
        if not block.data or block.data.isspace():
            count = block.data.count(b"\n") + 1
            self._blank(self.lines + 1, count)
            self.lines += count
            self.filled += count
            return
        lines = block.data.split(b"\n")
        lengths = np.array([len(line) for line in lines], np.int64)
        if len(block.data) <= MAX_LINE_BYTES:
            taken = self._acceptance.take(block.data, lines)
        else:  # one of them may be too long
            taken = Taken([], [], [], np.flatnonzero(lengths).tolist())
        gathered = Gathered(taken)
        for row, count in sorted([*((row, 1) for row in taken.left), *_runs(np.flatnonzero(lengths == 0))]):
            if lines[row]:
                self._look_closer(lines[row], row, gathered)
            else:
                self._blank(self.lines + row + 1, count)
        gathered.close()
        if gathered.rows:
            self._keep(gathered, lengths, block.offset)
        self.filled += len(lines)
        self.lines += len(lines)

    def _look_closer(self, line: bytes, row: int, gathered: Gathered) -> None:
        number = self.lines + row + 1
        if len(line) > MAX_LINE_BYTES:
            self.tally.add([_too_long(number, len(line))])
        elif line.isspace():
            self._blank(number, 1)
        elif self._format == "chat" and (accepted := accept_rich(line)) is not None:
            gathered.add(row, *accepted)
        else:
            self._explain(line, number, row, gathered)

    def _explain(self, line: bytes, number: int, row: int, gathered: Gathered) -> None:
        """The slow way."""
        findings = check(line, number, self._format)
        if self.tally.add(findings) or (said := read(line, self._format)) is None:
            return
        gathered.say(row, said)
        self.sums.see(images(line, self._format))
        if any(finding.severity == "warning" for finding in findings):
            gathered.warned.add(row)
        if self._format == "reinforcement":
            gathered.rests[row] = rest_of(line)

    def _blank(self, number: int, count: int) -> None:
        self.filled -= count
        if self._blanks.stop == number:
            self._blanks = range(self._blanks.start, number + count)
        else:
            self._count_blanks()
            self._blanks = range(number, number + count)

    def _count_blanks(self) -> None:
        count_blanks(self.tally, self._blanks)
        self._blanks = range(0)

    def _keep(self, gathered: Gathered, lengths: NDArray[np.int64], offset: int) -> None:
        counted = Counted(gathered, self._options.tokenizer, self.sums, ids=self._options.full)
        bands = None
        if self._options.full:
            batch = counted.batch(self.lines, begins=self._begins)
            for measure in self.measures:
                self.tally.add(measure.inspect(batch))
            bands = near_duplicates.bands(batch)
            counted.flags = batch.flags
        self.parts.append(counted.arrays(lengths, before=self.lines, offset=offset, bands=bands))


def _runs(rows: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Rows that follow one another as (first, how many)."""
    if not len(rows):
        return []
    starts = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
    return [*zip(rows[starts].tolist(), np.diff(starts, append=len(rows)).tolist(), strict=True)]


def count_blanks(tally: Tally, blanks: range) -> None:
    """Count blank lines by their numbers; millions of them cost no time."""
    room = tally.room("info", "blank_line")
    tally.add(Finding("info", "blank_line", number, None, f"Line {number} is empty.", "Remove it.")
              for number in blanks[:room])
    if len(blanks) > room:
        tally.count("info", "blank_line", len(blanks) - room)


def _too_long(number: int, size: int) -> Finding:
    return Place.example(number).error(
        "line_too_long", f"is {size / MiB:,.0f} MB long, but a line may have at most {MAX_LINE_BYTES // MiB} MB.",
        "Split the example, or link images instead of embedding them.")
