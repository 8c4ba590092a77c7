"""Analyses a file on this machine's disk, on as many processes as are wanted."""

import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from service.datasets.analysis.merging import Merged, merge
from service.datasets.analysis.options import Options
from service.datasets.analysis.report import Report
from service.datasets.analysis.segments import Range, Segment, analyse_segment, detected, plan
from service.datasets.validation.formats import Format
from service.settings import MiB

__all__ = ["Options", "analyse", "analyse_whole"]

_CHUNK = MiB
_LARGEST = 32 * MiB
_WORTH = 16 * MiB  # a smaller file is read before other processes have begun
_TOLD_EVERY = 0.1
Progress = Callable[[int, int], None]


def analyse(path: Path, *, processes: int, options: Options, progress: Progress = lambda _done, _all: None) -> Report:
    """The report on a file. `progress` hears how many bytes are done, and of how many."""
    return analyse_whole(path, processes=processes, options=options, progress=progress).report


def analyse_whole(path: Path, *, processes: int, options: Options,
                  progress: Progress = lambda _done, _all: None) -> Merged:
    """The same with findings and columns."""
    began = time.monotonic()
    size = path.stat().st_size
    with path.open("rb") as file:
        target = min(_LARGEST, max(MiB, size // (4 * processes)))  # so that all end at about the same time
        parts = plan(size, lambda start, end: _read(file, start, end), target=target)
    options = replace(options, format=options.format or _detect(path))
    if processes > 1 and len(parts) > 1 and size >= _WORTH:
        with _segments_of_many(path, parts, options, processes, progress) as segments:
            merged = merge(segments, size=size, options=options)
    else:
        merged = merge(_segments(path, parts, options, progress), size=size, options=options)
    merged.report.seconds = round(time.monotonic() - began, 3)
    return merged


def _read(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)


def _chunks(path: Path, part: Range) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(part.start)
        for at in range(part.start, part.end, _CHUNK):
            yield file.read(min(_CHUNK, part.end - at))


def _detect(path: Path) -> Format | None:
    with path.open("rb") as file:
        return detected(iter(lambda: file.read(_CHUNK), b""))[0]


def _segments(path: Path, parts: list[Range], options: Options, progress: Progress) -> Iterator[Segment]:
    size = parts[-1].end
    for part in parts:
        def advance(done: int, start: int = part.start) -> None:
            progress(start + done, size)
        yield analyse_segment(_chunks(path, part), index=part.index, format=options.format, options=options,
                              advance=advance)


@contextmanager
def _segments_of_many(path: Path, parts: list[Range], options: Options, processes: int,
                      progress: Progress) -> Iterator[Iterator[Segment]]:
    """Segments in their order, read by several processes; none of these is left when this ends, however it ends."""
    context = multiprocessing.get_context("spawn")
    done, stop = context.Value("q", 0), context.Value("b", 0)
    with TemporaryDirectory() as scratch, ProcessPoolExecutor(
            min(processes, len(parts)), context, initializer=_begin, initargs=(done, stop)) as pool:
        try:
            futures = [pool.submit(_to_file, path, part, options, Path(scratch) / str(part.index)) for part in parts]
            yield _arriving(futures, lambda: progress(done.value, parts[-1].end))
        except BaseException:
            stop.value = 1
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _arriving(futures: list[Future[Path]], tell: Callable[[], None]) -> Iterator[Segment]:
    while futures:
        future = futures.pop(0)
        while not wait([future], timeout=_TOLD_EVERY).done:
            tell()
        packed = future.result()
        yield Segment.unpack(packed.read_bytes())
        packed.unlink()
    tell()


class _Stopped(Exception):
    """Nobody waits for the result any more."""


_shared: "list[Synchronized[int]]" = []


def _begin(done: "Synchronized[int]", stop: "Synchronized[int]") -> None:
    """In each process: an interrupt from the keyboard is the first process's business, which tells the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _shared[:] = [done, stop]


def _to_file(path: Path, part: Range, options: Options, result: Path) -> Path:
    told = 0

    def advance(read: int) -> None:
        nonlocal told
        done, stop = _shared
        if stop.value:
            raise _Stopped
        with done.get_lock():
            done.value += read - told
        told = read

    segment = analyse_segment(_chunks(path, part), index=part.index, format=options.format, options=options,
                              advance=advance)
    result.write_bytes(segment.pack())
    return result
