"""The first lines that conversion makes of a file; of a Parquet file in a process of its own, whose memory is bounded.

A Parquet file of a few kilobytes can unfold to any size, and neither its own figures nor its reader bounds that.
"""

import resource
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from service.datasets.operations import making
from service.settings import GiB, bare_environment

_MEMORY_BYTES = 2 * GiB
"""Of addresses, most of which are libraries and never touched."""
_SECONDS = 30
_UNFOLDED = ("The Parquet file unfolds to more than can be read at once. Write it with smaller row groups, or as JSON"
             " Lines.")
_UNFOLDS = b"PAR1"


@dataclass(slots=True)
class Beginning:
    """The lines, what making them told, and why there are no more where that is a fault of the file's."""

    lines: list[bytes] = field(default_factory=list)
    told: making.Told = field(default_factory=making.Told)
    problem: str | None = None


class _Asked(msgspec.Struct):
    path: str
    filename: str
    shape: str | None
    mapping: dict[str, Any] | None
    limit: int


def beginning(path: Path, *, filename: str, shape: str | None, mapping: dict[str, Any] | None,
              limit: int) -> Beginning:
    """The first `limit` lines, or as many as can be made."""
    asked = _Asked(str(path), filename, shape, mapping, limit)
    with path.open("rb") as file:
        return _apart(asked) if file.read(len(_UNFOLDS)) == _UNFOLDS else _make(asked)


def _make(asked: _Asked) -> Beginning:
    made = Beginning()
    try:
        lines = making.convert(Path(asked.path), filename=asked.filename, shape=asked.shape, mapping=asked.mapping,
                               told=made.told, advance=lambda _: None)
        made.lines.extend(islice(_split(lines), asked.limit))
    except MemoryError:
        made.problem = _UNFOLDED
    except Exception as wrong:  # noqa: BLE001 - whatever the beginning of a file does to its reader is worth a sentence
        made.problem = str(wrong) or type(wrong).__name__
    return made


def _split(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line for line in whole if line.strip())
    if rest.strip():
        yield rest


def _apart(asked: _Asked) -> Beginning:
    try:
        answer = subprocess.run([sys.executable, "-m", __spec__.name], input=msgspec.json.encode(asked), check=True,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=_SECONDS,
                                env=bare_environment())
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return Beginning(problem=_UNFOLDED)
    return msgspec.json.decode(answer.stdout, type=Beginning)


def _main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    asked = msgspec.json.decode(sys.stdin.buffer.read(), type=_Asked)
    sys.stdout.buffer.write(msgspec.json.encode(_make(asked)))


if __name__ == "__main__":
    _main()
