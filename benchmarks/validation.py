"""Checks a data set of chats: ours against the data check of OpenAI's cookbook, which reads all and then counts."""

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.report import Line, median_of, show
from service.datasets.validation.examination import examine
from service.settings import MiB

_LINES = 60_000
_CHUNK = 4 * MiB
_ROLES = ("system", "user", "assistant", "function")
_KEYS = ("role", "content", "name", "function_call", "weight")


def write_chats(path: Path, lines: int) -> None:
    """Chats of one to four turns in words of many lengths."""
    chance = random.Random(1)
    words = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyzäé", k=chance.randint(2, 11))) for _ in range(2_000)]

    def said(role: str) -> dict[str, str]:
        return {"role": role, "content": " ".join(chance.choices(words, k=chance.randint(5, 40)))}
    with path.open("w") as file:
        for _ in range(lines):
            turns = [said(role) for _ in range(chance.randint(1, 4)) for role in ("user", "assistant")]
            file.write(json.dumps({"messages": [said("system"), *turns]}, ensure_ascii=False) + "\n")


def ours(path: Path) -> int:
    with path.open("rb") as file:
        seen = examine(iter(lambda: file.read(_CHUNK), b""))
    return seen.examples


def theirs(path: Path) -> int:
    """The cookbook's checks by their published description; counts of problems, no line numbers, all in memory."""
    with path.open(encoding="utf-8") as file:
        dataset = [json.loads(line) for line in file]
    problems: Counter[str] = Counter()
    for example in dataset:
        _count_problems(example, problems)
    return len(dataset) if not problems else 0


def _count_problems(example: Any, problems: Counter[str]) -> None:
    if not isinstance(example, dict):
        problems["data_type"] += 1
        return
    messages = example.get("messages")
    if not messages:
        problems["missing_messages_list"] += 1
        return
    for message in messages:
        problems.update(name for name, wrong in (
            ("message_missing_key", "role" not in message or "content" not in message),
            ("message_unrecognized_key", any(key not in _KEYS for key in message)),
            ("unrecognized_role", message.get("role") not in _ROLES),
            ("missing_content", not isinstance(message.get("content"), str)),
        ) if wrong)
    if not any(message.get("role") == "assistant" for message in messages):
        problems["example_missing_assistant_message"] += 1


def alone(which: str, path: Path) -> dict[str, float]:
    """Run one of the two in a process of its own: its seconds, and the memory it took over an idle one in MB."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.validation", which, str(path)], check=True,
                          capture_output=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(which: str, path: Path) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    good = {"ours": ours, "theirs": theirs}[which](path)
    seconds = time.perf_counter() - began
    assert good == _LINES, f"{good} good lines of {_LINES}"
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    sys.stdout.write(json.dumps({"seconds": seconds, "megabytes": grown / 1024}))


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "chats.jsonl"
        write_chats(path, _LINES)
        size = path.stat().st_size / 1e6
        seconds = {which: median_of(lambda which=which: alone(which, path)["seconds"])  # type: ignore[misc]  # binds the loop's name
                   for which in ("ours", "theirs")}
        memory = {which: median_of(lambda which=which: alone(which, path)["megabytes"], 1)  # type: ignore[misc]
                  for which in ("ours", "theirs")}
    show(f"Validation of {_LINES:,} chats ({size:.0f} MB)", "the cookbook's data check without its token counts", [
        Line("lines", "1/s", _LINES / seconds["ours"], _LINES / seconds["theirs"]),
        Line("bytes", "MB/s", size / seconds["ours"], size / seconds["theirs"]),
        Line("memory above idle", "MB", memory["ours"], memory["theirs"], better="less"),
    ])


if __name__ == "__main__":
    if len(sys.argv) == 3:
        measure(sys.argv[1], Path(sys.argv[2]))
    else:
        main()
