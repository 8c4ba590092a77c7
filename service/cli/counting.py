"""Counts the tokens of a file with a base model's own tokenizer, in a process that can load it, on this machine."""

import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from service import commands
from service.catalog.base_models import BaseModelEntry
from service.datasets.analysis.report import TokenStats
from service.datasets.analysis.trained import NotCounted, TrainedSums
from service.settings import MiB, child_environment, settings


def count_as_trained(path: Path, entry: BaseModelEntry, progress: Callable[[int, int], None]) -> TokenStats:
    """What training on the model makes of the file. `progress` hears bytes done and in all. Raises NotCounted."""
    size, most = path.stat().st_size, settings().count_exactly_bytes
    if not (entry.directory / "config.json").exists():
        raise NotCounted(f"{entry.id} is not on this machine, so its own tokenizer could not count. Fetch it with:"
                         f" tuneworks models pull {entry.id}")
    if size > most:
        raise NotCounted(f"The file is larger than the {most // MiB} MiB that are counted with a base model's own"
                         " tokenizer.")
    told = TrainedSums()
    with path.open("rb") as lines, tempfile.TemporaryFile() as said, subprocess.Popen(
            commands.count_tokens(str(entry.directory.absolute()), entry.context_length), stdin=lines,
            stdout=subprocess.PIPE, stderr=said, env=child_environment()) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                progress(told.add(line), size)
            code = process.wait()
        finally:
            process.kill()
        if code:
            raise NotCounted(f"The process that counts with the tokenizer of {entry.id} ended with code"
                             f" {code}.")
    found = told.stats(entry.id, entry.context_length)
    if not found.examples:
        raise NotCounted(f"The tokenizer of {entry.id} found nothing that could be trained on.")
    return found
