"""Reads one file in every way: our analysis on one and two processes, the script users run today, bare tokenization."""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import script
from benchmarks.prose import write_chats
from benchmarks.report import Line, median_of, show
from service.datasets.analysis.running import Options, analyse
from service.datasets.analysis.tokens import encode

_TOKENIZER = "o200k_base"


def ours(path: Path, *, processes: int, full: bool) -> int:
    return analyse(path, processes=processes, options=Options(tokenizer=_TOKENIZER, full=full)).examples


def bare(path: Path) -> float:
    """Seconds that toktok alone takes for all texts, when somebody else has read the file."""
    with path.open("rb") as file:
        texts = [text for line in file for text in _texts(json.loads(line))]
    encode(["warm"], _TOKENIZER)
    began = time.perf_counter()
    for start in range(0, len(texts), 5_000):
        encode(texts[start:start + 5_000], _TOKENIZER)
    return time.perf_counter() - began


def _texts(example: dict[str, Any]) -> list[str]:
    return [message["content"] for message in example["messages"] if message["content"]]


_WAYS: dict[str, Callable[[Path], Any]] = {
    "basic1": lambda path: ours(path, processes=1, full=False), "basic2": lambda path: ours(path, processes=2, full=False),
    "full1": lambda path: ours(path, processes=1, full=True), "full2": lambda path: ours(path, processes=2, full=True),
    "script": lambda path: script.check(path, _TOKENIZER), "bare": bare,
}


def measure(way: str, path: Path) -> None:
    """In a process of its own: seconds from the first byte to the last figure, and the memory of the largest process."""
    began = time.perf_counter()
    found = _WAYS[way](path)
    seconds = found if way == "bare" else time.perf_counter() - began
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    sys.stdout.write(json.dumps({"seconds": seconds, "megabytes": peak / 1024, "found": found}))


def alone(way: str, path: Path, ranks: Path) -> dict[str, float]:
    done = subprocess.run([sys.executable, "-m", "benchmarks.validation", "--measure", way, str(path)], check=True,
                          stdout=subprocess.PIPE, env={**os.environ, "TIKTOKEN_CACHE_DIR": str(ranks)})  # noqa: TID251
    found: dict[str, float] = json.loads(done.stdout)
    return found


def compare(megabytes: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "chats.jsonl"
        script.place_ranks(Path(scratch))
        examples = write_chats(path, megabytes * 1_000_000)
        size = path.stat().st_size / 1e6
        seconds, peak = {}, {}
        for way in _WAYS:
            runs: list[dict[str, float]] = []
            seconds[way] = median_of(lambda way=way, runs=runs: (  # type: ignore[misc]  # binds the loop's names
                runs.append(alone(way, path, Path(scratch))) or runs[-1]["seconds"]), 1 if way == "script" else rounds)
            peak[way] = max(run["megabytes"] for run in runs)
            assert way == "bare" or all(run["found"] == examples for run in runs), (way, runs)
    names = {"basic1": "schema, rules, tokens, exact duplicates: 1 process", "basic2": "the same on 2 processes",
             "full1": "the full analysis: 1 process", "full2": "the same on 2 processes",
             "bare": "bare tokenization (the limit)"}
    show(f"Validation of {examples:,} chats ({size:.0f} MB), {_TOKENIZER}",
         "json, dict checks and tiktoken's counts as in the cookbook, in memory, one core", [
             *(Line(name, "MB/s", size / seconds[way], size / seconds["script"]) for way, name in names.items()),
             *(Line(f"memory of the largest process: {way}", "MB", peak[way], peak["script"], better="less")
               for way in ("basic1", "basic2", "full1", "full2"))])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.validation", description=__doc__)
    parser.add_argument("--measure", nargs=2, metavar=("WAY", "FILE"), help=argparse.SUPPRESS)
    parser.add_argument("--megabytes", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    if chosen.measure:
        measure(chosen.measure[0], Path(chosen.measure[1]))
    else:
        compare(chosen.megabytes, chosen.rounds)


if __name__ == "__main__":
    main()
