"""Analyses a file on this machine's disk, on as many processes as are wanted."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from service.datasets.analysis.helping import CHUNK, Progress, Work, segments_of_many
from service.datasets.analysis.merging import Merged, merge
from service.datasets.analysis.options import Options
from service.datasets.analysis.report import Report
from service.datasets.analysis.segments import Range, Segment, detected, plan
from service.datasets.validation.formats import Format
from service.datasets.validation.lines import MiB

__all__ = ["Options", "analyse", "analyse_whole"]

_LARGEST = 32 * MiB
_WORTH = 16 * MiB  # a smaller file is read before other processes have begun


def analyse(path: Path, *, processes: int, options: Options, progress: Progress = lambda _done, _all: None) -> Report:
    """The report on a file. `progress` hears how many bytes are done, and of how many."""
    return analyse_whole(path, processes=processes, options=options, progress=progress).report


def analyse_whole(path: Path, *, processes: int, options: Options,
                  progress: Progress = lambda _done, _all: None) -> Merged:
    """The same with findings and columns."""
    began = time.monotonic()
    size = path.stat().st_size
    with path.open("rb") as file:
        # the smaller the parts, the more nearly all processes end at the same time
        target = _LARGEST if processes == 1 else min(_LARGEST // 4, max(MiB, size // (8 * processes)))
        parts = plan(size, lambda start, end: _read(file, start, end), target=target)
    options = replace(options, format=options.format or _detect(path))
    if processes > 1 and len(parts) > 1 and size >= _WORTH:
        with segments_of_many(Work(path, parts, options), processes, progress) as segments:
            merged = merge(segments, size=size, options=options)
    else:
        merged = merge(_segments(path, parts, options, progress), size=size, options=options)
    merged.report.seconds = round(time.monotonic() - began, 3)
    return merged


def _read(file: BinaryIO, start: int, end: int) -> bytes:
    file.seek(start)
    return file.read(end - start)


def _detect(path: Path) -> Format | None:
    with path.open("rb") as file:
        return detected(iter(lambda: file.read(CHUNK), b""))[0]


def _segments(path: Path, parts: list[Range], options: Options, progress: Progress) -> Iterator[Segment]:
    size = parts[-1].end
    for part in parts:
        def advance(done: int, start: int = part.start) -> None:
            progress(start + done, size)
        yield Work(path, parts, options).analyse(part, advance)
