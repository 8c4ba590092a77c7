"""Counts the tokens of a file by the tokenizer that somebody asked for."""

from collections.abc import Callable, Iterator

from sqlalchemy.orm import Session

from service.catalog.base_models import base_models, find_base_model
from service.datasets.analysis.merging import merge
from service.datasets.analysis.options import Options
from service.datasets.analysis.report import TokenStats
from service.datasets.analysis.segments import Segment, analyse_segment, detected
from service.datasets.analysis.tokens import TOKENIZERS
from service.datasets.analysis.trained import NotCounted
from service.datasets.operations import counts
from service.datasets.operations.counts import Counting
from service.datasets.validation.formats import Format
from service.kit.storage import ObjectMissing, StorageUnavailable, storage
from service.kit.work import Claim, Work
from service.settings import MiB, settings
from worker.app import Running, Transient, task, unit_of_work
from worker.providers.base import Unavailable
from worker.providers.local.counting import count_as_trained, extrapolated
from worker.tasks.reading import Teller, object_bytes, object_ranges

_SAMPLE_BYTES = MiB


@task(Work.COUNT_TOKENS)
def count(running: Running) -> None:
    """Count the tokens of one file by one tokenizer."""
    with unit_of_work(running.claim) as session:
        asked = counts.begin_count(session, running.claim.subject)
    if asked is None:
        return

    def tell(done: int) -> None:
        with unit_of_work(running.claim) as session:
            counts.note_count(session, asked.id, done)
    by = _by_ourselves if asked.tokenizer in TOKENIZERS else _by_base_model
    try:
        told = by(asked, Teller(running, tell))
    except NotCounted as reason:
        _refuse(running, asked, str(reason), "unavailable")
    except ObjectMissing:
        _refuse(running, asked, "The bytes of this file are gone from the object store.", "failed")
    except (StorageUnavailable, Unavailable) as trouble:
        raise Transient(str(trouble)) from trouble
    else:
        with unit_of_work(running.claim) as session:
            counts.record_count(session, asked.id, told)


def _refuse(running: Running, asked: Counting, problem: str, state: str) -> None:
    with unit_of_work(running.claim) as session:
        counts.refuse_count(session, asked.id, problem, state=state)


@count.abandoned
def _cannot_be_counted(session: Session, claim: Claim, cause: str) -> None:
    counts.refuse_count(session, claim.subject, f"The tokens could not be counted: {cause}", state="failed")


def _by_ourselves(asked: Counting, advance: Callable[[int], None]) -> TokenStats:
    """By one of OpenAI's tokenizers."""
    options = Options(tokenizer=asked.tokenizer, full=False)
    form, _ = detected(storage().read(asked.object_key))
    told = merge(_segments(asked, form, options, advance), size=asked.size, options=options).report.tokens
    if told is None:
        raise NotCounted("The file holds no examples.")
    return told


def _segments(asked: Counting, form: Format | None, options: Options,
              advance: Callable[[int], None]) -> Iterator[Segment]:
    """The file in pieces, so that its size does not matter."""
    def from_start(start: int) -> Callable[[int], None]:
        return lambda done: advance(start + done)

    for part in object_ranges(asked.object_key, asked.size):
        yield analyse_segment(object_bytes(asked.object_key, part.start, part.end), index=part.index, format=form,
                              options=options, advance=from_start(part.start))


def _by_base_model(asked: Counting, advance: Callable[[int], None]) -> TokenStats:
    """By a base model's own tokenizer, chat template and loss mask; a large file by a sample."""
    entry = find_base_model(asked.tokenizer)
    if entry is None or entry.weights is None:
        known = ", ".join([*TOKENIZERS, *(each.id for each in base_models() if each.weights is not None)])
        raise NotCounted(f"'{asked.tokenizer}' is no tokenizer that can be counted with here. There are: {known}.")
    if asked.format not in {None, "chat"}:
        raise NotCounted("A base model's own tokenizer counts chats only; this file is in another format.")
    if not (entry.directory / "config.json").exists():
        raise NotCounted(f"The base model '{entry.id}' is not on the machine that counts. There, run:"
                         f" tuneworks models pull {entry.id}")
    enough = settings().count_exactly_bytes
    if asked.size <= enough:
        return count_as_trained(object_bytes(asked.object_key, 0, asked.size), entry, advance)[0]
    part, size = count_as_trained(sample(asked.object_key, asked.size, enough), entry,
                                  lambda done: advance(done * asked.size // enough))
    if not part.examples:
        raise NotCounted("A sample of this file holds nothing that could be counted.")
    return extrapolated(part, asked.size / size)


def sample(key: str, size: int, wanted: int) -> Iterator[bytes]:
    """Whole lines from evenly spaced places of an object, `wanted` bytes at most."""
    pieces = max(1, wanted // _SAMPLE_BYTES)
    for piece in range(pieces):
        start = piece * (size // pieces)
        block = storage().read_range(key, start, min(_SAMPLE_BYTES, wanted, size - start))
        first = block.find(b"\n") + 1 if start else 0
        yield block[first:block.rfind(b"\n") + 1]
