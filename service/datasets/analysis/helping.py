"""Shares the parts of a file among processes: the first one reads along, and does what another left undone."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

from service.datasets.analysis.options import Options
from service.datasets.analysis.segments import Range, Segment, analyse_segment
from service.datasets.validation.lines import MiB

CHUNK = MiB
_LOOK_EVERY = 0.02
_PATIENCE = 5
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Work:
    """A file in parts."""

    path: Path
    parts: list[Range]
    options: Options

    def analyse(self, part: Range, advance: Callable[[int], None]) -> Segment:
        return analyse_segment(self._chunks(part), index=part.index, format=self.options.format, options=self.options,
                               advance=advance)

    def _chunks(self, part: Range) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            file.seek(part.start)
            for at in range(part.start, part.end, CHUNK):
                yield file.read(min(CHUNK, part.end - at))


class _Stopped(Exception):
    """Nobody waits for the result any more."""


@dataclass(frozen=True, slots=True)
class _Board:
    """What the processes tell each other, and a directory for what they found."""

    taken: "Synchronized[int]"
    "So many parts somebody has begun with."
    done: "Synchronized[int]"
    "Bytes."
    stop: "Synchronized[int]"
    results: Path

    def take(self, work: Work) -> Range | None:
        with self.taken.get_lock():
            if self.taken.value >= len(work.parts):
                return None
            self.taken.value += 1
            return work.parts[self.taken.value - 1]

    def read(self, work: Work, part: Range, tell: Callable[[], None]) -> None:
        """Leave what the part tells where everybody finds it."""
        told = 0

        def advance(read: int) -> None:
            nonlocal told
            if self.stop.value:
                raise _Stopped
            with self.done.get_lock():
                self.done.value += read - told
            told = read
            tell()

        unfinished = self.results / f"{part.index}.part"
        unfinished.write_bytes(work.analyse(part, advance).pack())
        unfinished.replace(self.found(part))

    def found(self, part: Range) -> Path:
        return self.results / str(part.index)


@contextmanager
def segments_of_many(work: Work, processes: int, progress: Progress) -> Iterator[Iterator[Segment]]:
    """Segments in their order, read by several processes; none of these is left when this ends, however it ends."""
    context = multiprocessing.get_context("spawn")
    with TemporaryDirectory() as scratch:
        board = _Board(context.Value("q", 0), context.Value("q", 0), context.Value("b", 0), Path(scratch))
        helpers: list[BaseProcess] = []
        try:
            for _ in range(min(processes, len(work.parts)) - 1):
                helpers.append(context.Process(target=_help, args=(work, board, os.getpid()), daemon=True))
                _start(helpers[-1])
            yield _arriving(work, board, helpers, progress)
        finally:
            board.stop.value = 1
            for helper in helpers:
                _end(helper)


def _start(process: BaseProcess) -> None:
    """Start it without the program's main module, which it would import for nothing."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        process.start()
    finally:
        sys.modules["__main__"] = main


def _end(process: BaseProcess) -> None:
    if process.pid is None:
        return
    process.join(_PATIENCE)
    if process.is_alive():
        process.kill()
        process.join()
    process.close()


def _arriving(work: Work, board: _Board, helpers: list[BaseProcess], progress: Progress) -> Iterator[Segment]:
    def tell() -> None:
        progress(min(board.done.value, work.parts[-1].end), work.parts[-1].end)

    for part in work.parts:
        result = board.found(part)
        while not result.exists():
            if (other := board.take(work)) is not None:
                board.read(work, other, tell)
            elif not any(helper.is_alive() for helper in helpers) and not result.exists():
                board.read(work, part, tell)  # whoever took it has died
            else:
                tell()
                time.sleep(_LOOK_EVERY)
        yield Segment.unpack(result.read_bytes())
        result.unlink()
    tell()


def _help(work: Work, board: _Board, parent: int) -> None:
    """Read parts as long as there are some and somebody waits for them.

    An interrupt from the keyboard is the first process's business, which tells the others.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def tell() -> None:
        if os.getppid() != parent:
            raise _Stopped

    try:
        while not board.stop.value and (part := board.take(work)) is not None:
            board.read(work, part, tell)
    except _Stopped:
        pass
