"""Reads one file in every way: our analysis on one and two processes, the script users run today, bare tokenization."""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks import script
from benchmarks.prose import Writer, write_chats
from benchmarks.report import Line, show
from service.datasets.analysis.merging import merge
from service.datasets.analysis.running import Options, analyse
from service.datasets.analysis.segments import Segment, analyse_segment
from service.datasets.analysis.tokens import encode
from service.datasets.validation.lines import MiB

_ON_PART = ("script", "bare")
_PART = 24_000_000
_TOKENIZERS = ("cl100k_base", "o200k_base")  # the first is what the published script counts with


def ours(path: Path, tokenizer: str, *, processes: int, full: bool) -> int:
    return analyse(path, processes=processes, options=Options(tokenizer=tokenizer, full=full)).examples


def bare(path: Path, tokenizer: str) -> float:
    """Seconds that toktok alone takes for all texts, when somebody else has read the file."""
    with path.open("rb") as file:
        texts = [text for line in file for text in _texts(json.loads(line))]
    encode(["warm"], tokenizer)
    began = time.process_time()
    for start in range(0, len(texts), 5_000):
        encode(texts[start:start + 5_000], tokenizer)
    return time.process_time() - began


def _texts(example: dict[str, Any]) -> list[str]:
    return [message["content"] for message in example["messages"] if message["content"]]


def _way(processes: int, *, full: bool) -> Callable[[Path, str], int]:
    return lambda path, tokenizer: ours(path, tokenizer, processes=processes, full=full)


_WAYS: dict[str, Callable[[Path, str], Any]] = {
    "basic1": _way(1, full=False), "basic2": _way(2, full=False),
    "full1": _way(1, full=True), "full2": _way(2, full=True),
    "script": script.check, "bare": bare,
}


def measure(way: str, path: Path, tokenizer: str) -> None:
    """In a process of its own: seconds from the first byte to the last figure, memory of the largest process.

    Seconds of the processor are those of all its processes together.
    """
    began, spent = time.perf_counter(), time.process_time()
    found = _WAYS[way](path, tokenizer)
    others = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = found if way == "bare" else time.perf_counter() - began
    processor = found if way == "bare" else time.process_time() - spent + others.ru_utime + others.ru_stime
    peak = max(_peak(), others.ru_maxrss / 1024)
    sys.stdout.write(json.dumps({"seconds": seconds, "processor": processor, "megabytes": peak, "found": found}))


def alone(way: str, path: Path, tokenizer: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-m", "benchmarks.validation", "--measure", way, str(path),
                           "--tokenizer", tokenizer], check=True,
                          stdout=subprocess.PIPE, env={**os.environ, "TIKTOKEN_CACHE_DIR": str(path.parent)})
    found: dict[str, float] = json.loads(done.stdout)
    return found


def compare(megabytes: int, rounds: int, tokenizer: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path, part = Path(scratch) / "chats.jsonl", Path(scratch) / "part.jsonl"
        script.place_ranks(Path(scratch))
        examples = write_chats(path, megabytes * 1_000_000)
        examples_of_part = _cut(path, part)
        size, size_of_part = (each.stat().st_size / 1e6 for each in (path, part))
        wall, processor, peak = dict[str, float](), dict[str, float](), dict[str, float]()
        for way in _WAYS:
            on_part = way in _ON_PART
            runs = [alone(way, part if on_part else path, tokenizer) for _ in range(rounds)]
            assert way == "bare" or all(run["found"] == (examples_of_part if on_part else examples) for run in runs)
            for kept, name in ((wall, "seconds"), (processor, "processor")):
                kept[way] = statistics.median(run[name] for run in runs) / (size_of_part if on_part else size)
            peak[way] = max(run["megabytes"] for run in runs)
    names = {"basic1": "schema, rules, tokens, exact duplicates: 1 process", "basic2": "the same on 2 processes",
             "full1": "the full analysis: 1 process", "full2": "the same on 2 processes",
             "bare": "bare tokenization (the limit)"}
    cores = {way: 2 if way.endswith("2") else 1 for way in names}
    show(f"Validation of {examples:,} chats ({size:.0f} MB), {tokenizer}",
         "json, dict checks and tiktoken's counts as in the cookbook, in memory, one core; it and bare tokenization"
         f" on the file's first {size_of_part:.0f} MB, for they take as long for each MB. By the processor: MB by the"
         " seconds that the processor worked, divided among as many cores, whatever else ran on them", [
             *(Line(name, "MB/s", 1 / wall[way], 1 / wall["script"]) for way, name in names.items()),
             *(Line(f"by the processor: {way}", "MB/s", cores[way] / processor[way], 1 / processor["script"])
               for way in names),
             *(Line(f"memory of the largest process: {way}", "MB", peak[way], peak["script"], better="less")
               for way in ("basic1", "basic2", "full1", "full2"))], rounds=rounds)


def _cut(path: Path, part: Path) -> int:
    """The first lines of a file, and how many they are."""
    with path.open("rb") as file:
        lines = file.read(_PART).splitlines(keepends=True)
    lines = [line for line in lines if line.endswith(b"\n")]
    part.write_bytes(b"".join(lines))
    return len(lines)


def _huge() -> Iterator[bytes]:
    """5 GB: 3 of chats, made from some that are changed a little, and a line of 2 in the middle of them."""
    writer = Writer(2)
    lines = [writer.line().encode() for _ in range(20_000)]
    for at in range(3 * 1024):
        if at == 1500:
            yield from (b"x" * MiB for _ in range(2048))
            yield b"\n"
        written, chosen = 0, list[bytes]()
        while written < MiB:
            line = lines[(at * 7919 + len(chosen) * 31) % len(lines)]
            chosen.append(line.replace(b'"content": "', b'"content": "%d ' % (at * 1000 + len(chosen)), 2))
            written += len(chosen[-1]) + 1
        yield b"\n".join(chosen) + b"\n"


def huge(*, full: bool) -> None:
    """Analyse 5 GB that are nowhere whole, and tell the memory it takes."""
    options, began = Options(full=full), time.perf_counter()

    def segments() -> Iterator[Segment]:
        chunks, size, index = _huge(), 0, 0
        for first in chunks:  # each segment ends where a chunk ends, and that is where a line ends
            held = [first]
            part = _part(chunks, held)
            segment = analyse_segment(part, index=index, format="chat", options=options)
            index, size = index + 1, size + segment.size
            print(f"\r{size / 1e9:.2f} GB, {_peak():.0f} MB at most", end="", flush=True, file=sys.stderr)
            yield Segment.unpack(segment.pack())

    found = merge(segments(), size=5 * 1024 * MiB, options=options)
    long = [finding.message for finding in found.findings if finding.kind == "line_too_long"]
    print(f"\n{'full' if full else 'basic'}: {found.report.examples:,} examples, {long}, {_peak():.0f} MB at most,"
          f" {time.perf_counter() - began:.0f} s")


def _part(chunks: Iterator[bytes], held: list[bytes]) -> Iterator[bytes]:
    """About 32 MiB of whole lines."""
    size, last = 0, b""
    for chunk in chain(held, chunks):
        yield chunk
        size, last = size + len(chunk), chunk
        if size >= 32 * MiB and last.endswith(b"\n"):
            return


def _peak() -> float:
    """Megabytes. What `resource` tells of a process is at least what its parent had when it was born."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.validation", description=__doc__)
    parser.add_argument("--measure", nargs=2, metavar=("WAY", "FILE"), help=argparse.SUPPRESS)
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--tokenizer", choices=_TOKENIZERS, default=_TOKENIZERS[0])
    parser.add_argument("--huge", choices=("basic", "full"), help="analyse 5 GB with a line of 2 GB instead")
    chosen = parser.parse_args()
    if chosen.measure:
        measure(chosen.measure[0], Path(chosen.measure[1]), chosen.tokenizer)
    elif chosen.huge:
        huge(full=chosen.huge == "full")
    else:
        compare(chosen.megabytes, chosen.rounds, chosen.tokenizer)


if __name__ == "__main__":
    main()
