"""What both chaos programs are built of: their options, calls that wait out an outage, and the report at the end."""

import argparse
import random
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from openai import APIConnectionError, BadRequestError, InternalServerError, OpenAI
from rich.console import Console
from rich.table import Table

from benchmarks.report import versions

_FAULTS_SHOWN = 40
_PATIENCE_SECONDS = 180.0
T = TypeVar("T")


def patiently(call: Callable[[], T]) -> T:
    """The house may be down for a while, longer than the SDK's own retries bridge."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return call()
        except (APIConnectionError, InternalServerError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def ask(client: OpenAI, job: str, verb: str) -> None:
    """Cancel, pause or resume a job; one that has just ended refuses, which is right."""
    try:
        patiently(lambda: getattr(client.fine_tuning.jobs, verb)(job))
    except BadRequestError:
        return


def options(program: str, about: str | None, *, jobs: int, kills: int) -> argparse.Namespace:
    """What the caller chose, which is told at once: the seed above all."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.system.{program}", description=about)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--jobs", type=int, default=jobs)
    parser.add_argument("--kills", type=int, default=kills)
    parser.add_argument("--keep", action="store_true", help="leave the house's directory behind, to read its logs")
    given = parser.parse_args()
    print(f"{program}: seed {given.seed}, {given.jobs} jobs, {given.kills} blows; {versions()}", flush=True)
    return given


def table(title: str, columns: Sequence[str], rows: Mapping[str, Sequence[object]]) -> Table:
    made = Table(*columns, title=title)
    for name, values in rows.items():
        made.add_row(name, *map(str, values))
    return made


def report(tables: Sequence[Table], broken: Sequence[str], directory: Path, *, keep: bool) -> int:
    """Print what came of it; the program's exit code. The house's directory stays if it tells more."""
    console = Console(width=100)
    console.print(*tables)
    for fault in broken[:_FAULTS_SHOWN]:
        console.print(f"BROKEN: {fault}", style="red", markup=False)
    if broken or keep:
        print(f"The house's logs are kept in {directory}.")
    else:
        shutil.rmtree(directory)
    return 1 if broken else 0
