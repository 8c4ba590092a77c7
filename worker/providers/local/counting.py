"""Counts tokens with a base model's own tokenizer, in a process that can load it, fed by a thread of this one."""

import logging
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

import msgspec

from service import commands
from service.catalog.base_models import BaseModelEntry
from service.datasets.analysis.report import TokenStats
from service.datasets.analysis.trained import TrainedSums
from service.settings import bare_environment
from worker.providers.base import Unavailable

_log = logging.getLogger(__name__)


def count_as_trained(chunks: Iterable[bytes], entry: BaseModelEntry, advance: Callable[[int], None]) -> tuple[
        TokenStats, int]:
    """What training on a base model makes of these bytes, and how many bytes they were.

    `advance` hears how many are done. Raises NotCounted, Unavailable, and whatever `chunks` raises.
    """
    told, source = TrainedSums(), _Source(chunks)
    for line in _run(commands.count_tokens(str(entry.directory.absolute()), entry.context_length), source):
        advance(told.add(line))
    return told.stats(entry.id, entry.context_length), source.bytes


def extrapolated(part: TokenStats, factor: float) -> TokenStats:
    """The counts of a whole whose part was counted; `factor` is how much larger the whole is."""
    def scaled(number: int) -> int:
        return round(number * factor)
    return msgspec.structs.replace(
        part, exact=False, total=scaled(part.total), billed=scaled(part.billed), trainable=scaled(part.trainable),
        by_role={role: scaled(tokens) for role, tokens in part.by_role.items()}, examples=scaled(part.examples),
        messages=scaled(part.messages), histogram=[(bound, scaled(number)) for bound, number in part.histogram],
        over_context=[msgspec.structs.replace(each, examples=scaled(each.examples), tokens=scaled(each.tokens),
                                              lines=[]) for each in part.over_context])


class _Source:
    """Chunks for the process, how many bytes they were, and what went wrong while they were read."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.bytes = 0
        self.trouble: Exception | None = None
        self._chunks = chunks

    def feed(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None
        try:
            for chunk in self._chunks:
                process.stdin.write(chunk)
                self.bytes += len(chunk)
        except BrokenPipeError:  # it refused, and says why
            pass
        except Exception as trouble:  # noqa: BLE001 - raised again by the thread that waits
            self.trouble = trouble
            process.kill()
        with suppress(OSError):
            process.stdin.close()


def _run(command: list[str], source: _Source) -> Iterator[bytes]:
    """What the process tells, while a thread feeds it. It is gone when this ends, however it ends."""
    with tempfile.TemporaryFile() as said, subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, env=bare_environment()) as process:
        feeder = threading.Thread(target=source.feed, args=(process,), daemon=True, name="feeder")
        feeder.start()
        try:
            assert process.stdout is not None
            yield from process.stdout
            code = process.wait()
        finally:
            process.kill()
            feeder.join()
        if source.trouble is not None:
            raise source.trouble
        if code != 0:
            said.seek(0)
            _log.error("counting ended with code %s: %s", code, said.read()[-2000:].decode(errors="replace"))
            raise Unavailable(f"The process that counts ended with code {code}.")
